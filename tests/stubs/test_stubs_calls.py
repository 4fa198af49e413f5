"""Calls that take their time: deadlines, duplicates, callers that leave. Shown on tiny stubs."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio.to_thread
import httpx2
import pytest
from fastapi import FastAPI

from ops_contract import ExecuteRequest
from ops_stubs.answers import AnswerStore
from ops_stubs.app import create_app
from ops_stubs.module import Action, File, Result, Stub

pytestmark = pytest.mark.anyio

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeBody = Callable[..., dict[str, Any]]


def tiny(action: Action) -> Stub:
    """A stub with one action."""
    return Stub(name="tiny", summary="For tests", actions={"execute": action})


class Held:
    """An action that says when it runs and waits to be let go; counts its executions."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.released = threading.Event()
        self.executions = 0

    def __call__(self, request: ExecuteRequest) -> Result:
        self.executions += 1
        self.running.set()
        assert self.released.wait(30), "the test forgot to release the action"
        return Result({"country": request.inputs["country"]}, artifacts=(File("a.txt", "text/plain", b"a", by_href=True),))


@pytest.fixture
def held() -> Iterator[Held]:
    action = Held()
    yield action
    action.released.set()


async def started(action: Held) -> None:
    """Waits until the action runs."""
    assert await anyio.to_thread.run_sync(action.running.wait, 30)


async def test_health_while_an_execute_is_running_answers(held: Held, connect: Connect, body: MakeBody) -> None:
    """OPS-HLT-003."""
    async with connect(create_app(tiny(held))) as client:
        execute = asyncio.create_task(client.post("/execute", json=body()))
        await started(held)
        health = await client.get("/health")
        held.released.set()
        answer = await execute
    assert (health.status_code, answer.status_code) == (200, 200)


async def test_execute_past_its_deadline_is_a_retryable_error(held: Held, connect: Connect, body: MakeBody) -> None:
    """OPS-LIM-002."""
    async with connect(create_app(tiny(held))) as client:
        answer = await client.post("/execute", json=body(options={"deadline_s": 0.05}))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["retryable"]) == (503, "DEADLINE_EXCEEDED", True)


async def test_execute_after_a_missed_deadline_may_try_again_with_more_time(
    held: Held, connect: Connect, body: MakeBody
) -> None:
    """OPS-ERR-009: the deadline is part of the body, and the failed call does not own the key."""
    async with connect(create_app(tiny(held))) as client:
        missed = await client.post("/execute", json=body(options={"deadline_s": 0.05}))
        held.released.set()
        answer = await client.post("/execute", json=body(options={"deadline_s": 60}))
    assert (missed.status_code, answer.status_code, held.executions) == (503, 200, 2)


@pytest.mark.parametrize("deadline_s", [1e308, 86_400 * 365])
async def test_execute_with_a_distant_deadline_succeeds(connect: Connect, body: MakeBody, deadline_s: float) -> None:
    """OPS-ERR-006: event loops refuse to wait that long."""
    async with connect(create_app(tiny(lambda request: Result(request.inputs)))) as client:
        answer = await client.post("/execute", json=body(options={"deadline_s": deadline_s}))
    assert answer.status_code == 200


async def test_execute_sent_twice_at_once_executes_once(held: Held, connect: Connect, body: MakeBody) -> None:
    """OPS-IDM-003."""
    async with connect(create_app(tiny(held))) as client:
        first = asyncio.create_task(client.post("/execute", json=body()))
        await started(held)
        second = asyncio.create_task(client.post("/execute", json=body()))
        held.released.set()
        answers = [await first, await second]
    assert held.executions == 1
    assert answers[0].content == answers[1].content


async def test_execute_whose_first_caller_leaves_still_answers_the_second(held: Held, connect: Connect, body: MakeBody) -> None:
    """OPS-IDM-003."""
    async with connect(create_app(tiny(held))) as client:
        first = asyncio.create_task(client.post("/execute", json=body()))
        await started(held)
        second = asyncio.create_task(client.post("/execute", json=body()))
        first.cancel()
        await asyncio.wait({first})
        held.released.set()
        answer = await second
    assert (first.cancelled(), answer.status_code, held.executions) == (True, 200, 1)


async def test_execute_with_another_body_while_the_first_is_running_is_422(
    held: Held, connect: Connect, body: MakeBody
) -> None:
    """OPS-IDM-002."""
    async with connect(create_app(tiny(held))) as client:
        first = asyncio.create_task(client.post("/execute", json=body()))
        await started(held)
        other = await client.post("/execute", json=body(inputs={"country": "CO"}))
        held.released.set()
        await first
    assert (other.status_code, other.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_artifact_of_a_forgotten_answer_is_404_and_says_what_to_do(held: Held, connect: Connect, body: MakeBody) -> None:
    held.released.set()
    async with connect(create_app(tiny(held), answers=AnswerStore(max_answers=1))) as client:
        first = (await client.post("/execute", json=body(run_id="one"))).json()["artifacts"][0]
        await client.post("/execute", json=body(run_id="two"))
        answer = await client.get(f"/{first['href']}")
    assert answer.status_code == 404
    assert "execute the step again" in answer.json()["error"]["message"]
