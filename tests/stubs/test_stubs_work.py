"""Many calls at once: those that wait cost nothing, and those that work take turns."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio.to_thread
import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from ops_contract import ExecuteRequest
from ops_stubs.app import create_app
from ops_stubs.catalogue import STUBS
from ops_stubs.module import Result, Stub
from ops_stubs.work import Work

pytestmark = pytest.mark.anyio

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeBody = Callable[..., dict[str, Any]]
CALLS = 200


class Held:
    """An action that waits to be let go, and lists the runs that it was executed for."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.released = threading.Event()
        self.runs: list[str] = []

    def __call__(self, request: ExecuteRequest) -> Result:
        self.runs.append(request.run_id)
        self.running.set()
        assert self.released.wait(300), "the test forgot to release the action"
        return Result({})


@pytest.fixture
def held() -> Iterator[Held]:
    action = Held()
    yield action
    action.released.set()


def tiny(action: Callable[[ExecuteRequest], Result]) -> Stub:
    return Stub(name="tiny", summary="For tests", actions={"execute": action})


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of `app` on a real socket, without a limit to its connections."""
    unlimited = httpx2.Limits(max_connections=None)
    # A connection waits in the backlog until the server has started.
    with socket.create_server(("127.0.0.1", 0), backlog=2 * CALLS) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        serving = asyncio.create_task(server.serve([listener]))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with httpx2.AsyncClient(base_url=url, timeout=None, limits=unlimited, verify=False) as client:
            yield client
        server.should_exit = True
        await serving


async def test_execute_with_two_hundred_delayed_calls_waits_for_all_at_once(body: MakeBody) -> None:
    """No delay ends before all have begun, so that a wait that held a thread or a turn would never end."""
    together = asyncio.Barrier(CALLS)

    async def sleep(seconds: float) -> None:
        assert seconds == 1
        await together.wait()

    async with listening(create_app(STUBS["policy-simulator"], sleep=sleep)) as client:
        inputs = {"country": "DR", "__stub_delay_s": 1}
        bodies = [body(run_id=f"run-{number}", inputs=inputs) for number in range(CALLS)]
        answers = await asyncio.gather(*(client.post("/execute", json=each) for each in bodies))
    assert [answer.status_code for answer in answers] == [200] * CALLS


async def test_execute_with_every_thread_at_work_still_reads_and_answers(held: Held, connect: Connect, body: MakeBody) -> None:
    """OPS-HLT-003, and a call that is refused needs no turn."""
    async with connect(create_app(tiny(held))) as client:
        calls = [asyncio.create_task(client.post("/execute", json=body(run_id=f"run-{number}"))) for number in range(60)]
        assert await anyio.to_thread.run_sync(held.running.wait, 300)
        health, refused = await client.get("/health"), await client.post("/execute", json=body(action="other"))
        held.released.set()
        answers = await asyncio.gather(*calls)
    assert (health.status_code, refused.status_code) == (200, 422)
    assert {answer.status_code for answer in answers} == {200}


async def test_execute_past_its_deadline_before_its_turn_is_never_executed(
    held: Held, connect: Connect, body: MakeBody
) -> None:
    async with connect(create_app(tiny(held), work=Work(threads=1))) as client:
        first = asyncio.create_task(client.post("/execute", json=body(run_id="first")))
        assert await anyio.to_thread.run_sync(held.running.wait, 300)
        late = await client.post("/execute", json=body(run_id="late", options={"deadline_s": 0.01}))
        held.released.set()
        await first
        await client.post("/execute", json=body(run_id="last"))
    assert late.json()["error"]["code"] == "DEADLINE_EXCEEDED"
    assert held.runs == ["first", "last"]


async def test_execute_with_too_many_waiting_says_when_to_try_again(held: Held, connect: Connect, body: MakeBody) -> None:
    async with connect(create_app(tiny(held), work=Work(threads=1, max_waiting=0))) as client:
        first = asyncio.create_task(client.post("/execute", json=body(run_id="first")))
        assert await anyio.to_thread.run_sync(held.running.wait, 300)
        busy = await client.post("/execute", json=body(run_id="second"))
        held.released.set()
        await first
        again = await client.post("/execute", json=body(run_id="second"))
    error = busy.json()["error"]
    assert (busy.status_code, error["code"], error["retryable"], busy.headers["retry-after"]) == (503, "BUSY", True, "1")
    assert again.status_code == 200
