"""What all stubs do alike, whatever their actions are, shown on one of them: one requirement a test."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2
import jsonschema_rs
import pytest
from fastapi import FastAPI

from ops_contract.schemas import documents
from ops_stubs.app import create_app
from ops_stubs.catalogue import STUBS

pytestmark = pytest.mark.anyio

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeBody = Callable[..., dict[str, Any]]

NAME = "data-layer"
JSON = {"Content-Type": "application/json"}
ENVELOPE = jsonschema_rs.validator_for(documents()["envelope.schema.json"])


@pytest.fixture
def app() -> FastAPI:
    return create_app(STUBS[NAME])


def error_of(answer: httpx2.Response) -> dict[str, Any]:
    """The error of an error envelope, after checking all that every error owes (OPS-ERR-001, -002, -007, -008)."""
    envelope = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert ENVELOPE.is_valid(envelope)
    assert (envelope["status"], envelope["module"]) == ("error", NAME)
    assert answer.status_code >= 400
    assert not any(leak in answer.text for leak in ("Traceback", ".py", "site-packages"))
    error: dict[str, Any] = envelope["error"]
    return error


async def test_execute_with_an_unknown_action_lists_the_known_ones(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-EXE-005."""
    async with connect(app) as client:
        answer = await client.post("/execute", json=body(action="dance"))
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["pointer"]) == (422, "UNKNOWN_ACTION", "/action")
    assert error["details"] == {"known_actions": ["execute"]}
    assert "'dance'" in error["message"]
    assert "known: execute" in error["message"]


async def test_execute_in_another_major_version_lists_the_supported_ones(
    app: FastAPI, connect: Connect, body: MakeBody
) -> None:
    """OPS-VER-001."""
    async with connect(app) as client:
        answer = await client.post("/execute", json=body(contract_version="2.0"))
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (422, "UNSUPPORTED_VERSION")
    assert error["details"] == {"supported_versions": ["1.0"]}
    assert "1.0" in error["message"]


async def test_execute_in_a_future_shape_is_judged_by_its_version_first(app: FastAPI, connect: Connect) -> None:
    """OPS-VER-001: what a later major wants is not for this one to judge."""
    async with connect(app) as client:
        answer = await client.post("/execute", json={"contract_version": "2.0", "everything": "else"})
    assert error_of(answer)["code"] == "UNSUPPORTED_VERSION"


async def test_execute_in_a_higher_minor_version_is_served(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-VER-002."""
    async with connect(app) as client:
        answer = await client.post("/execute", json=body(contract_version="1.99"))
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b'{"a": NaN}', b'{"a": "\\ud800"}', b"[" * 1000 + b"]" * 1000, b"[" * 100_000],
    ids=["empty", "open", "nan", "surrogate", "deep", "deeper"],
)
async def test_execute_with_malformed_json_is_400(app: FastAPI, connect: Connect, raw: bytes) -> None:
    """OPS-ERR-003, OPS-LIM-001 (nesting)."""
    async with connect(app) as client:
        answer = await client.post("/execute", content=raw, headers=JSON)
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["retryable"]) == (400, "MALFORMED_JSON", False)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"run_id": None}, "/run_id"),
        ({"contract_version": "one"}, "/contract_version"),
        ({"options": {"seed": "1"}}, "/options/seed"),
        ({"upstream": {"a": {"outputs": {}}}}, "/upstream/a/module"),
    ],
    ids=str,
)
async def test_execute_that_breaks_the_schema_is_422_and_points_there(
    app: FastAPI, connect: Connect, body: MakeBody, change: dict[str, Any], pointer: str
) -> None:
    """OPS-ERR-004, OPS-ERR-005."""
    async with connect(app) as client:
        answer = await client.post("/execute", json=body(**change))
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["pointer"]) == (422, "INVALID_REQUEST", pointer)
    assert error["details"]["problems"][0]["pointer"] == pointer
    assert pointer in error["message"]


@pytest.mark.parametrize("field", ["run_id", "step_id"])
@pytest.mark.parametrize("hostile", ["../x", "a\x00b", "x" * 300], ids=repr)
async def test_execute_with_a_hostile_id_is_refused(
    app: FastAPI, connect: Connect, body: MakeBody, field: str, hostile: str
) -> None:
    """OPS-PTH-001."""
    async with connect(app) as client:
        answer = await client.post("/execute", json=body(**{field: hostile}))
    assert (answer.status_code, error_of(answer)["pointer"]) == (422, f"/{field}")


@pytest.mark.parametrize("number", ["1e400", "9007199254740993"])
async def test_execute_with_a_number_that_cannot_be_carried_is_refused(
    app: FastAPI, connect: Connect, body: MakeBody, number: str
) -> None:
    """OPS-ERR-006: it would otherwise fail where the answer is made."""
    raw = json.dumps(body(inputs={"country": "DR", "n": "@"})).replace('"@"', number)
    async with connect(app) as client:
        answer = await client.post("/execute", content=raw, headers=JSON)
    error_of(answer)
    assert 400 <= answer.status_code < 500


async def test_execute_after_every_kind_of_error_succeeds(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-ERR-009: with the same run and step, too, since what failed was no execution."""
    async with connect(app) as client:
        refused = [
            await client.post("/execute", content=b"{", headers=JSON),
            await client.post("/execute", json=body(action="dance")),
            await client.post("/execute", json=body(contract_version="7.0")),
            await client.post("/execute", json=body(inputs=1)),
            await client.put("/execute", json=body()),
        ]
        answer = await client.post("/execute", json=body())
    assert [refusal.status_code for refusal in refused] == [400, 422, 422, 422, 405]
    assert answer.status_code == 200


@pytest.mark.parametrize(("method", "path", "allow"), [("GET", "/execute", "POST"), ("POST", "/health", "GET, HEAD")])
async def test_a_wrong_method_is_405_with_allow(app: FastAPI, connect: Connect, method: str, path: str, allow: str) -> None:
    """OPS-ERR-010, OPS-ERR-001."""
    async with connect(app) as client:
        answer = await client.request(method, path)
    assert answer.status_code == 405
    assert sorted(answer.headers["allow"].split(", ")) == allow.split(", ")
    assert error_of(answer)["code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
    ids=str,
)
async def test_execute_with_a_wrong_request_type_is_415(
    app: FastAPI, connect: Connect, body: MakeBody, headers: dict[str, str]
) -> None:
    """OPS-ERR-010."""
    async with connect(app) as client:
        answer = await client.post("/execute", content=json.dumps(body()), headers=headers)
    assert (answer.status_code, error_of(answer)["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("path", ["/", "/execute/", "/nothing", "/docs", "/artifacts", "/artifacts/a/b"])
async def test_an_unknown_path_is_404_with_an_envelope(app: FastAPI, connect: Connect, path: str) -> None:
    """OPS-ERR-001."""
    async with connect(app) as client:
        answer = await client.get(path)
    assert (answer.status_code in {404, 405}, error_of(answer)["retryable"]) == (True, False)


async def test_execute_with_a_traceparent_repeats_its_trace_id(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-OBS-001."""
    sent = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    async with connect(app) as client:
        answers = [await client.post("/execute", json=fields, headers=sent) for fields in (body(), body(action="dance"))]
    assert [answer.json()["meta"]["trace_id"] for answer in answers] == ["0af7651916cd43dd8448eb211c80319c"] * 2


async def test_artifacts_outside_the_answers_are_not_served(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-ART-006."""
    paths = ("x/%2e%2e/%2e%2e/health", "x/..%2f..%2fhealth", "x/%252e%252e%252fhealth", "..%5c..%5cx/y", "x/%00", "x/nothing")
    async with connect(app) as client:
        await client.post("/execute", json=body(run_id="r", step_id="x"))
        answers = [await client.get(f"/artifacts/r/{path}") for path in paths]
    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json()["error"]["code"] for answer in answers} == {"NOT_FOUND"}


async def test_execute_repeated_gives_the_same_answer_to_the_byte(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-IDM-001: even `meta`, since nothing was executed that could have taken another time."""
    again = json.dumps(dict(reversed(body().items())), indent=3)
    async with connect(app) as client:
        first = await client.post("/execute", json=body())
        second = await client.post("/execute", content=again, headers={"Content-Type": "application/json"})
    assert first.status_code == 200
    assert first.content == second.content


async def test_execute_with_a_used_key_and_another_body_is_422(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-IDM-002."""
    async with connect(app) as client:
        await client.post("/execute", json=body())
        answer = await client.post("/execute", json=body(options={"seed": 43}))
        still = await client.post("/execute", json=body())
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert answer.json()["error"]["pointer"] == "/step_id"
    assert still.status_code == 200


async def test_execute_at_once_with_one_key_gives_one_answer(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-IDM-003: equal durations show that there was one execution."""
    async with connect(app) as client:
        answers = await asyncio.gather(*(client.post("/execute", json=body()) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


async def test_execute_eight_times_at_once_finds_the_same(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-DET-003; that drawings are the same at once, the charts' own tests show."""
    async with connect(app) as client:
        answers = await asyncio.gather(*(client.post("/execute", json=body(run_id=f"r{number}")) for number in range(8)))
    results = [(answer.json()["outputs"], [file["sha256"] for file in answer.json()["artifacts"]]) for answer in answers]
    assert {answer.status_code for answer in answers} == {200}
    assert all(result == results[0] for result in results)
