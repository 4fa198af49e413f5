"""The application around a stub, shown on tiny ones: limits, failures, files, mounting."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from ops_contract import ExecuteRequest, parse_envelope
from ops_contract.schemas import openapi
from ops_stubs.app import create_all, create_app
from ops_stubs.catalogue import STUBS
from ops_stubs.errors import BareError
from ops_stubs.module import Action, File, Result, Stub

pytestmark = pytest.mark.anyio

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeBody = Callable[..., dict[str, Any]]

JSON = {"Content-Type": "application/json"}


def tiny(action: Action) -> Stub:
    """A stub with one action."""
    return Stub(name="tiny", summary="For tests", actions={"execute": action})


def echo(request: ExecuteRequest) -> Result:
    """Gives its inputs back."""
    return Result({"inputs": request.inputs})


@pytest.mark.parametrize("failure", [RuntimeError("/secret/place"), TimeoutError("b")], ids=repr)
async def test_execute_of_a_failing_action_is_500_and_logged(
    connect: Connect, body: MakeBody, caplog: pytest.LogCaptureFixture, failure: Exception
) -> None:
    """OPS-ERR-001, OPS-ERR-007."""

    def fail(_: ExecuteRequest) -> Result:
        raise failure

    with caplog.at_level(logging.ERROR, "ops_stubs"):
        async with connect(create_app(tiny(fail))) as client:
            answer = await client.post("/execute", json=body())
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["retryable"]) == (500, "INTERNAL", False)
    assert "secret" not in answer.text
    assert "tiny failed" in caplog.text


async def test_execute_after_a_failure_executes_again(connect: Connect, body: MakeBody) -> None:
    """OPS-ERR-009: a failure is not kept as the answer."""
    attempts: list[str] = []

    def fail_once(request: ExecuteRequest) -> Result:
        attempts.append(request.run_id)
        if len(attempts) == 1:
            raise RuntimeError
        return Result({})

    async with connect(create_app(tiny(fail_once))) as client:
        answers = [await client.post("/execute", json=body()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [500, 200]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53], ids=str)
async def test_execute_of_an_action_with_outputs_that_cannot_be_carried_is_500(
    connect: Connect, body: MakeBody, value: float
) -> None:
    """OPS-EXE-004."""
    async with connect(create_app(tiny(lambda _: Result({"value": value})))) as client:
        answer = await client.post("/execute", json=body())
    assert (answer.status_code, parse_envelope(answer.json()).status) == (500, "error")


async def test_execute_with_a_body_over_the_limit_is_413(connect: Connect, body: MakeBody) -> None:
    """OPS-LIM-003."""
    async with connect(create_app(tiny(echo), max_request_bytes=1000)) as client:
        answer = await client.post("/execute", json=body(inputs={"text": "x" * 1000}))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "TOO_LARGE")
    assert "1000 bytes" in answer.json()["error"]["message"]


async def test_execute_with_an_unannounced_body_over_the_limit_stops_reading(connect: Connect) -> None:
    """OPS-LIM-003: what is sent in pieces says nothing of its size."""
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b"x" * 100

    async with connect(create_app(tiny(echo), max_request_bytes=1000)) as client:
        answer = await client.post("/execute", content=pieces(), headers=JSON)
    assert (answer.status_code, sent) == (413, 11)


async def test_execute_with_a_body_of_just_the_limit_is_read(connect: Connect) -> None:
    """OPS-LIM-003."""
    async with connect(create_app(tiny(echo), max_request_bytes=1000)) as client:
        answer = await client.post("/execute", content=b" " * 1000, headers=JSON)
    assert answer.status_code == 400


async def test_execute_with_a_hundred_thousand_keys_is_answered(connect: Connect, body: MakeBody) -> None:
    """OPS-LIM-001."""
    keys = {f"k{number}": number for number in range(100_000)}
    async with connect(
        create_app(tiny(lambda request: Result({"keys": len(request.inputs)})), max_request_bytes=2**24)
    ) as client:
        answer = await client.post("/execute", json=body(inputs=keys))
    assert answer.json()["outputs"] == {"keys": 100_000}


async def test_execute_with_many_problems_lists_a_few_and_counts_them(connect: Connect, body: MakeBody) -> None:
    """OPS-LIM-001."""
    async with connect(create_app(tiny(echo), max_request_bytes=2**24)) as client:
        answer = await client.post("/execute", json=body(upstream={f"k{number}": 0 for number in range(1_000)}))
    details = answer.json()["error"]["details"]
    assert (answer.status_code, len(details["problems"]), details["problem_count"]) == (422, 20, 1_000)


async def test_execute_with_an_invalid_traceparent_ignores_it(connect: Connect, body: MakeBody) -> None:
    """OPS-OBS-001, as W3C Trace Context asks."""
    async with connect(create_app(tiny(echo))) as client:
        answer = await client.post("/execute", json=body(), headers={"traceparent": "x"})
    assert answer.status_code == 200
    assert "trace_id" not in answer.json()["meta"]


async def test_artifact_by_href_with_a_name_that_needs_quoting_is_fetched(connect: Connect, body: MakeBody) -> None:
    """OPS-ART-002."""
    file = File("a folder/ñ #1.txt", "text/plain", b"found", by_href=True)
    async with connect(create_app(tiny(lambda _: Result({}, artifacts=(file,))))) as client:
        artifact = (await client.post("/execute", json=body())).json()["artifacts"][0]
        answer = await client.get(f"/{artifact['href']}")
    assert (artifact["name"], answer.content) == ("a folder/ñ #1.txt", b"found")


async def test_openapi_is_the_document_of_the_contract(connect: Connect) -> None:
    async with connect(create_app(tiny(echo))) as client:
        answer = await client.get("/openapi.json")
    assert answer.json() == openapi()


async def test_bare_endpoint_that_refuses_answers_as_before_the_contract(connect: Connect) -> None:
    def refuse(body: dict[str, Any]) -> dict[str, Any]:
        raise BareError(418, {"reason": body["why"]})

    stub = Stub(name="tiny", summary="For tests", actions={}, bare={"/old": refuse})
    async with connect(create_app(stub)) as client:
        refused = await client.post("/old", json={"why": "tea"})
        unreadable = await client.post("/old", content=b"[" * 100_000, headers=JSON)
    assert (refused.status_code, refused.json()) == (418, {"detail": {"reason": "tea"}})
    assert (unreadable.status_code, list(unreadable.json())) == (400, ["detail"])


async def test_all_stubs_in_one_application_are_listed_at_the_root(connect: Connect) -> None:
    async with connect(create_all()) as client:
        index, health = await client.get("/"), await client.get("/health")
    assert [entry["module"] for entry in index.json()["modules"]] == list(STUBS)
    assert (health.status_code, health.json()["status"], health.json()) == (200, "ok", index.json())


async def test_all_stubs_in_one_application_answer_below_their_names(connect: Connect) -> None:
    """OPS-EXE-002."""
    async with connect(create_all()) as client:
        healths = {name: (await client.get(f"/{name}/health")).json()["module"] for name in STUBS}
    assert healths == {name: name for name in STUBS}


async def test_artifact_of_one_of_several_stubs_is_fetched_below_its_name(connect: Connect, body: MakeBody) -> None:
    """OPS-ART-002: `href` is below the module's own base."""
    async with connect(create_all()) as client:
        (artifact,) = (await client.post("/data-layer/execute", json=body())).json()["artifacts"]
        answer = await client.get(f"/data-layer/{artifact['href']}")
    assert (answer.status_code, len(answer.content)) == (200, artifact["size_bytes"])


async def test_all_stubs_in_one_application_answer_unknown_paths_with_envelopes(connect: Connect) -> None:
    """OPS-ERR-001."""
    async with connect(create_all()) as client:
        answers = [await client.get(path) for path in ("/nothing", "/policy-simulator/nothing", "/policy-simulator/execute")]
        old = await client.post("/supplychain-risk/score", json={"iso": "XX"})
    assert [answer.status_code for answer in answers] == [404, 404, 405]
    assert [answer.json()["module"] for answer in answers] == ["stubs", "policy-simulator", "policy-simulator"]
    assert "the modules are below /data-layer, /policy-simulator, " in answers[0].json()["error"]["message"]
    assert "the modules are below" not in answers[1].json()["error"]["message"]
    assert old.json() == {"detail": "no data for XX/all"}


async def test_application_warms_its_stub_up_before_it_serves(connect: Connect) -> None:
    """OPS-HLT-001: a server asks for nothing before this is done."""
    warmed: list[str] = []
    stub = Stub(name="tiny", summary="For tests", actions={"execute": echo}, warm_up=lambda: warmed.append("tiny"))
    for app in (create_app(stub), create_all({"tiny": stub})):
        async with app.router.lifespan_context(app), connect(app) as client:
            assert (await client.get("/health")).status_code == 200
    assert warmed == ["tiny", "tiny"]
