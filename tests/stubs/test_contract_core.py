"""Every stub against the core of the contract, one requirement a test."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2
import jsonschema_rs
import pytest
from fastapi import FastAPI

from ops_contract import Health, SuccessEnvelope, parse_envelope, parse_json, violations
from ops_contract.schemas import documents
from ops_stubs.app import create_app
from ops_stubs.catalogue import STUBS

pytestmark = pytest.mark.anyio

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeBody = Callable[..., dict[str, Any]]

JSON = {"Content-Type": "application/json"}
ENVELOPE = jsonschema_rs.validator_for(documents()["envelope.schema.json"])


@pytest.fixture(params=list(STUBS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def app(name: str) -> FastAPI:
    return create_app(STUBS[name])


def error_of(answer: httpx2.Response, name: str) -> dict[str, Any]:
    """The error of an error envelope, after checking all that every error owes (OPS-ERR-001, -002, -007, -008)."""
    envelope = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert ENVELOPE.is_valid(envelope)
    assert (envelope["status"], envelope["module"]) == ("error", name)
    assert answer.status_code >= 400
    assert not any(leak in answer.text for leak in ("Traceback", ".py", "site-packages"))
    error: dict[str, Any] = envelope["error"]
    return error


async def test_health_when_ready_says_what_the_module_can_be_held_to(app: FastAPI, name: str, connect: Connect) -> None:
    """OPS-HLT-001, OPS-HLT-002, OPS-HLT-005."""
    async with connect(app) as client:
        answer = await client.get("/health")
    health = Health.model_validate(parse_json(answer.content))
    assert (answer.status_code, health.status, health.module, health.version) == (200, "ok", name, "0.1.0")
    assert health.contract_versions == ("1.0",)
    assert health.profiles == ("artifacts", "deterministic", "idempotent")
    assert health.actions == ("execute",)


async def test_execute_with_the_seed_inputs_answers_an_envelope_without_violations(
    app: FastAPI, name: str, connect: Connect, body: MakeBody
) -> None:
    """OPS-EXE-001 to -004, -006, -007, OPS-ART-001, -005, OPS-EVD-001, -002, OPS-ERR-008."""
    async with connect(app) as client:
        answer = await client.post("/execute", json=body())
    value = parse_json(answer.content)
    envelope = parse_envelope(value)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert ENVELOPE.is_valid(value)
    assert isinstance(envelope, SuccessEnvelope)
    assert violations(envelope, module=name) == ()
    assert (envelope.version, envelope.contract_version) == ("0.1.0", "1.0")


async def test_execute_says_that_its_evidence_is_synthetic(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-EVD-003."""
    async with connect(app) as client:
        evidence = (await client.post("/execute", json=body())).json()["evidence"]
    assert evidence
    assert all(item["synthetic"] and "ynthetic" in item["title"] for item in evidence)


async def test_execute_with_an_unknown_action_lists_the_known_ones(
    app: FastAPI, name: str, connect: Connect, body: MakeBody
) -> None:
    """OPS-EXE-005."""
    async with connect(app) as client:
        answer = await client.post("/execute", json=body(action="dance"))
    error = error_of(answer, name)
    assert (answer.status_code, error["code"], error["pointer"]) == (422, "UNKNOWN_ACTION", "/action")
    assert error["details"] == {"known_actions": ["execute"]}
    assert "'dance'" in error["message"]
    assert "known: execute" in error["message"]


@pytest.mark.parametrize("version", ["2.0", "0.9", "11.0"])
async def test_execute_in_another_major_version_lists_the_supported_ones(
    app: FastAPI, name: str, connect: Connect, body: MakeBody, version: str
) -> None:
    """OPS-VER-001."""
    async with connect(app) as client:
        answer = await client.post("/execute", json=body(contract_version=version))
    error = error_of(answer, name)
    assert (answer.status_code, error["code"]) == (422, "UNSUPPORTED_VERSION")
    assert error["details"] == {"supported_versions": ["1.0"]}
    assert "1.0" in error["message"]


async def test_execute_in_a_future_shape_is_judged_by_its_version_first(app: FastAPI, name: str, connect: Connect) -> None:
    """OPS-VER-001: what a later major wants is not for this one to judge."""
    async with connect(app) as client:
        answer = await client.post("/execute", json={"contract_version": "2.0", "everything": "else"})
    assert error_of(answer, name)["code"] == "UNSUPPORTED_VERSION"


async def test_execute_in_a_higher_minor_version_is_served(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-VER-002."""
    async with connect(app) as client:
        answer = await client.post("/execute", json=body(contract_version="1.99"))
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"not json",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b'\xef\xbb\xbf{"a": 1}',
        b'"\xff"',
        b'{"a": "\\ud800"}',
        b"[" * 1000 + b"]" * 1000,
        b"[" * 100_000,
    ],
    ids=["empty", "open", "prose", "nan", "twice", "bom", "latin", "surrogate", "deep", "deeper"],
)
async def test_execute_with_malformed_json_is_400(app: FastAPI, name: str, connect: Connect, raw: bytes) -> None:
    """OPS-ERR-003, OPS-LIM-001 (nesting)."""
    async with connect(app) as client:
        answer = await client.post("/execute", content=raw, headers=JSON)
    error = error_of(answer, name)
    assert (answer.status_code, error["code"], error["retryable"]) == (400, "MALFORMED_JSON", False)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"run_id": None}, "/run_id"),
        ({"inputs": None}, "/inputs"),
        ({"inputs": []}, "/inputs"),
        ({"scenario_id": ""}, "/scenario_id"),
        ({"contract_version": "one"}, "/contract_version"),
        ({"options": {"seed": "1"}}, "/options/seed"),
        ({"options": {"seed": False}}, "/options/seed"),
        ({"options": {"seed": 1.5}}, "/options/seed"),
        ({"options": {"seed": -1}}, "/options/seed"),
        ({"options": {"seed": 2**31}}, "/options/seed"),
        ({"options": {"deadline_s": 0}}, "/options/deadline_s"),
        ({"upstream": {"a": {"outputs": {}}}}, "/upstream/a/module"),
    ],
    ids=str,
)
async def test_execute_that_breaks_the_schema_is_422_and_points_there(  # noqa: PLR0917 - fixtures
    app: FastAPI, name: str, connect: Connect, body: MakeBody, change: dict[str, Any], pointer: str
) -> None:
    """OPS-ERR-004, OPS-ERR-005."""
    async with connect(app) as client:
        answer = await client.post("/execute", json=body(**change))
    error = error_of(answer, name)
    assert (answer.status_code, error["code"], error["pointer"]) == (422, "INVALID_REQUEST", pointer)
    assert error["details"]["problems"][0]["pointer"] == pointer
    assert pointer in error["message"]


@pytest.mark.parametrize("field", ["run_id", "step_id"])
@pytest.mark.parametrize("hostile", ["../x", "a\x00b", "x" * 300, "", ".", "a/b", "C:\\x"], ids=repr)
async def test_execute_with_a_hostile_id_is_refused(  # noqa: PLR0917 - fixtures
    app: FastAPI, name: str, connect: Connect, body: MakeBody, field: str, hostile: str
) -> None:
    """OPS-PTH-001."""
    async with connect(app) as client:
        answer = await client.post("/execute", json=body(**{field: hostile}))
    assert (answer.status_code, error_of(answer, name)["pointer"]) == (422, f"/{field}")


@pytest.mark.parametrize("number", ["1e400", "9007199254740993", "-9007199254740993"])
async def test_execute_with_a_number_that_cannot_be_carried_is_refused(
    app: FastAPI, name: str, connect: Connect, body: MakeBody, number: str
) -> None:
    """OPS-ERR-006: it would otherwise fail where the answer is made."""
    raw = json.dumps(body(inputs={"country": "DR", "n": "@"})).replace('"@"', number)
    async with connect(app) as client:
        answer = await client.post("/execute", content=raw, headers=JSON)
    error_of(answer, name)
    assert 400 <= answer.status_code < 500


async def test_execute_with_unknown_fields_answers_the_same_outputs(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-FWD-001."""
    more = body(run_id="r2", extra={"x": 1}, options={"seed": 42, "priority": "high"})
    more["inputs"] = {**more["inputs"], "colour": "blue"}
    async with connect(app) as client:
        plain = (await client.post("/execute", json=body(run_id="r1"))).json()
        extended = (await client.post("/execute", json=more)).json()
    assert extended["outputs"] == plain["outputs"]


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
async def test_a_wrong_method_is_405_with_allow(  # noqa: PLR0917 - fixtures
    app: FastAPI, name: str, connect: Connect, method: str, path: str, allow: str
) -> None:
    """OPS-ERR-010, OPS-ERR-001."""
    async with connect(app) as client:
        answer = await client.request(method, path)
    assert answer.status_code == 405
    assert sorted(answer.headers["allow"].split(", ")) == allow.split(", ")
    assert error_of(answer, name)["code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
    ids=str,
)
async def test_execute_with_a_wrong_request_type_is_415(
    app: FastAPI, name: str, connect: Connect, body: MakeBody, headers: dict[str, str]
) -> None:
    """OPS-ERR-010."""
    async with connect(app) as client:
        answer = await client.post("/execute", content=json.dumps(body()), headers=headers)
    assert (answer.status_code, error_of(answer, name)["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("path", ["/", "/execute/", "/nothing", "/docs", "/artifacts", "/artifacts/a/b"])
async def test_an_unknown_path_is_404_with_an_envelope(app: FastAPI, name: str, connect: Connect, path: str) -> None:
    """OPS-ERR-001."""
    async with connect(app) as client:
        answer = await client.get(path)
    assert (answer.status_code in {404, 405}, error_of(answer, name)["retryable"]) == (True, False)


async def test_execute_with_a_traceparent_repeats_its_trace_id(app: FastAPI, connect: Connect, body: MakeBody) -> None:
    """OPS-OBS-001."""
    sent = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    async with connect(app) as client:
        answers = [await client.post("/execute", json=fields, headers=sent) for fields in (body(), body(action="dance"))]
    assert [answer.json()["meta"]["trace_id"] for answer in answers] == ["0af7651916cd43dd8448eb211c80319c"] * 2
