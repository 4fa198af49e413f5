"""A recorded module answers as it did in the run, and says in what an unrecorded request differs."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from recorded_run import SIMULATOR, copy, document, merged, received, replace, run, scenario, sent

from ops_contract import Health, parse_envelope
from ops_stubs import __version__
from ops_stubs.app import create_app, create_replay
from ops_stubs.catalogue import STUBS
from ops_stubs.errors import RecordingError
from ops_stubs.faults import Faults
from ops_stubs.recording import read_recording
from ops_stubs.replay import Replay

pytestmark = pytest.mark.anyio

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]

JSON = {"Content-Type": "application/json"}
AGENT = "2-strategy-agent"
DATA = "1-data-layer"
TWO = [{"module": "policy-simulator", "id": "low"}, {"module": "policy-simulator", "id": "high", "inputs": {"country": "MX"}}]


def replayed(folder: Path, module: str = "policy-simulator", faults: Faults | None = None) -> FastAPI:
    return create_replay(Replay(read_recording(folder), module), faults=faults)


@pytest.fixture
async def client(recorded: Path, connect: Connect) -> AsyncIterator[httpx2.AsyncClient]:
    async with connect(replayed(recorded)) as client:
        yield client


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"run_id": "another"},
        {"step_id": "another"},
        {"scenario_id": "another"},
        {"contract_version": "1.7"},
        {"options": {"deadline_s": 1}},
        {"of_a_later_version": True, "options": {"of_a_later_version": 1}},
        {"options": {"seed": 42.0}},
    ],
    ids=str,
)
async def test_replay_of_a_request_that_asks_the_same_is_the_recorded_bytes(
    client: httpx2.AsyncClient, recorded: Path, change: dict[str, Any]
) -> None:
    answer = await client.post("/execute", json=merged(sent(recorded), change))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.content == received(recorded)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"inputs": {"policy_parameters": {"vat_rate": 0.2}}}, "/inputs/policy_parameters/vat_rate"),
        ({"inputs": {"sector": "sugar"}}, "/inputs/sector"),
        ({"options": {"seed": 43}}, "/options/seed"),
        ({"upstream": {"early": {"module": "data-layer", "outputs": {}}}}, "/upstream/early"),
    ],
    ids=str,
)
async def test_replay_of_a_request_that_asks_otherwise_says_where(
    client: httpx2.AsyncClient, recorded: Path, change: dict[str, Any], pointer: str
) -> None:
    answer = await client.post("/execute", json=merged(sent(recorded), change))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["retryable"]) == (422, "NOT_RECORDED", False)
    assert error["pointer"] == error["details"]["differences"][0]["pointer"] == pointer
    assert f"of step 'policy-simulator', differs at {pointer} (recorded " in error["message"]


async def test_replay_says_what_was_recorded_and_what_was_sent(client: httpx2.AsyncClient, recorded: Path) -> None:
    body = merged(sent(recorded), {"inputs": {"country": "MX", "policy_parameters": {"vat_rate": 0.2}}})
    details = (await client.post("/execute", json=body)).json()["error"]["details"]
    assert details["differences"] == [
        {"pointer": "/inputs/country", "expected": "DR", "actual": "MX"},
        {"pointer": "/inputs/policy_parameters/vat_rate", "expected": 0.18, "actual": 0.2},
    ]
    assert details["difference_count"] == 2


async def test_replay_tells_of_the_first_differences_only_and_shortens_long_values(
    client: httpx2.AsyncClient, recorded: Path
) -> None:
    body = merged(sent(recorded), {"inputs": {f"field{number:02}": "x" * 5000 for number in range(50)}})
    answer = await client.post("/execute", json=body)
    details = answer.json()["error"]["details"]
    assert (len(details["differences"]), details["difference_count"]) == (20, 50)
    assert len(answer.content) < 5000


async def test_replay_of_an_action_that_was_not_asked_for_lists_those_that_were(
    client: httpx2.AsyncClient, recorded: Path
) -> None:
    """OPS-EXE-005."""
    error = (await client.post("/execute", json=sent(recorded) | {"action": "explain"})).json()["error"]
    assert (error["code"], error["details"]) == ("UNKNOWN_ACTION", {"known_actions": ["execute"]})


async def test_replay_does_not_mind_when_the_evidence_of_earlier_steps_was_observed(recorded: Path, connect: Connect) -> None:
    body = sent(recorded, AGENT)
    for item in body["upstream"]["policy-simulator"]["evidence"]:
        item["observed_at"] = "2026-01-09T12:34:56Z"
    async with connect(replayed(recorded, "strategy-agent")) as client:
        answer = await client.post("/execute", json=body)
    assert answer.content == received(recorded, AGENT)


async def test_replay_names_the_nearest_of_several_steps(two_steps: Path, connect: Connect) -> None:
    async with connect(replayed(two_steps)) as client:
        bodies = [sent(two_steps, step) for step in ("1-low", "2-high")]
        answers = [(await client.post("/execute", json=body)).content for body in bodies]
        other = merged(bodies[1], {"run_id": "another", "inputs": {"time_horizon_years": 7}})
        error = (await client.post("/execute", json=other)).json()["error"]
    assert answers == [received(two_steps, "1-low"), received(two_steps, "2-high")]
    assert (error["details"]["nearest_step"], error["pointer"]) == ("high", "/inputs/time_horizon_years")


@pytest.fixture(scope="session")
def two_steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which one module has two steps."""
    return run(tmp_path_factory.mktemp("two"), scenario(TWO))


def both_at_one_href(folder: Path) -> None:
    """Two steps that hand over different files at one path."""
    first, second = (document(folder, f"steps/{step}/response.json") for step in ("1-low", "2-high"))
    href = {artifact["name"]: artifact["href"] for artifact in first["artifacts"] if "href" in artifact}
    artifacts = [
        artifact | ({"href": href[artifact["name"]]} if "href" in artifact else {}) for artifact in second["artifacts"]
    ]
    replace(folder, "2-high", "response", json.dumps(second | {"artifacts": artifacts}).encode())


async def test_replay_of_two_steps_with_different_files_at_one_path_is_refused(two_steps: Path, tmp_path: Path) -> None:
    folder = copy(two_steps, tmp_path)
    both_at_one_href(folder)
    with pytest.raises(RecordingError, match="have different files at /artifacts/"):
        replayed(folder)


async def test_replay_of_a_key_that_was_used_for_another_body_is_refused(client: httpx2.AsyncClient, recorded: Path) -> None:
    """OPS-IDM-001, OPS-IDM-002: also when both bodies ask what was recorded."""
    bodies = [sent(recorded), sent(recorded), merged(sent(recorded), {"options": {"deadline_s": 7}})]
    first, again, other = [await client.post("/execute", json=body) for body in bodies]
    assert first.content == again.content
    assert (other.status_code, other.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_replay_serves_a_file_at_the_recorded_href(client: httpx2.AsyncClient, recorded: Path) -> None:
    """OPS-ART-002 to -004."""
    (plot,) = [artifact for artifact in json.loads(received(recorded))["artifacts"] if "href" in artifact]
    get, head = await client.get(f"/{plot['href']}"), await client.head(f"/{plot['href']}")
    assert get.content == (recorded / "artifacts/policy-simulator/plot.png").read_bytes()
    assert (get.headers["content-type"], get.headers["x-content-type-options"]) == ("image/png", "nosniff")
    assert (head.status_code, head.headers["content-length"]) == (200, str(plot["size_bytes"]))


@pytest.mark.parametrize(
    "path",
    [
        "/run.json",
        "/artifacts/policy-simulator/plot.png",
        "/artifacts/policy-simulator/kpis.json",
        "/artifacts/RUN/policy-simulator/kpis.json",
        "/artifacts/RUN/policy-simulator/%2e%2e/policy-simulator/plot.png",
        "/artifacts/RUN/policy-simulator/..%2f..%2f..%2frun.json",
    ],
)
async def test_replay_serves_nothing_else_of_the_folder(client: httpx2.AsyncClient, recorded: Path, path: str) -> None:
    """OPS-ART-006."""
    answer = await client.get(path.replace("RUN", recorded.name))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_replay_says_what_the_recorded_module_was(client: httpx2.AsyncClient) -> None:
    """OPS-HLT-001, -002, -005."""
    health = Health.model_validate((await client.get("/health")).json())
    assert (health.module, health.version, health.actions) == ("policy-simulator", __version__, ("execute",))
    assert (health.contract_versions, health.profiles) == (("1.0",), ("artifacts", "deterministic", "idempotent"))


@pytest.mark.parametrize(
    ("method", "path", "content", "headers", "status"),
    [
        ("POST", "/execute", b"{", JSON, 400),
        ("POST", "/execute", b"{}", JSON, 422),
        ("POST", "/execute", b"{}", {"Content-Type": "text/plain"}, 415),
        ("POST", "/execute", b" " * (2**20 + 1), JSON, 413),
        ("GET", "/execute", b"", {}, 405),
        ("POST", "/health", b"", {}, 405),
        ("POST", "/nowhere", b"", {}, 404),
    ],
)
async def test_replay_refuses_what_every_stub_refuses(  # noqa: PLR0917 - a row of the table
    client: httpx2.AsyncClient, method: str, path: str, content: bytes, headers: dict[str, str], status: int
) -> None:
    """OPS-ERR-001, -003, -004, -010, OPS-LIM-003."""
    answer = await client.request(method, path, content=content, headers=headers)
    envelope = parse_envelope(answer.json())
    assert (answer.status_code, envelope.status, envelope.module) == (status, "error", "policy-simulator")


async def test_replay_takes_a_request_as_large_as_the_recorded_one(recorded: Path, tmp_path: Path, connect: Connect) -> None:
    folder = copy(recorded, tmp_path)
    large = json.dumps(merged(sent(folder), {"inputs": {"note": "x" * 2**20}})).encode()
    replace(folder, SIMULATOR, "request", large)
    async with connect(replayed(folder)) as client:
        answer = await client.post("/execute", content=large, headers=JSON)
    assert answer.content == received(folder)


async def test_replay_of_a_step_that_was_refused_is_the_same_refusal(refused: Path, connect: Connect) -> None:
    async with connect(replayed(refused)) as client:
        answers = [await client.post("/execute", json=sent(refused)) for _ in range(2)]
        profiles = (await client.get("/health")).json()["profiles"]
        corrected = await client.post(
            "/execute", json=merged(sent(refused), {"inputs": {"policy_parameters": {"vat_rate": 0.1}}})
        )
    assert {(answer.status_code, answer.content) for answer in answers} == {(422, received(refused))}
    assert profiles == ["deterministic", "idempotent"]
    # A refused call leaves its key free.
    assert corrected.json()["error"]["code"] == "NOT_RECORDED"


@pytest.fixture(scope="session")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose first step was refused by its module."""
    return run(tmp_path_factory.mktemp("refused"), scenario(policy_parameters={"vat_rate": 7}))


def recorded_with(home: Path, **faults: Any) -> Path:
    """A run of the data layer alone, with faults staged in it."""
    app = create_app(STUBS["data-layer"], faults=Faults(**faults))
    return run(home, scenario(["data-layer"]), {"data-layer": {"url": "http://stub"}}, app)


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose step was answered with a page."""
    return recorded_with(tmp_path_factory.mktemp("page"), transport=["content-type:type=text/html"])


async def test_replay_of_an_answer_that_was_no_json_is_no_json_either(page: Path, connect: Connect) -> None:
    async with connect(replayed(page, "data-layer")) as client:
        answer = await client.post("/execute", json=sent(page, DATA))
    assert answer.headers["content-type"] == "text/html"
    assert answer.content == (page / "steps" / DATA / "response.html").read_bytes()


@pytest.fixture(scope="session")
def falsified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose step failed, because an artifact was not what its envelope said."""
    return recorded_with(tmp_path_factory.mktemp("falsified"), violate=["OPS-ART-003"])


async def test_replay_of_a_step_whose_files_were_never_received_answers_without_them(falsified: Path, connect: Connect) -> None:
    async with connect(replayed(falsified, "data-layer")) as client:
        answer = await client.post("/execute", json=sent(falsified, DATA))
        files = [await client.get(f"/{file['href']}") for file in answer.json()["artifacts"] if "href" in file]
    assert answer.content == received(falsified, DATA)
    assert [file.status_code for file in files] == [404]


async def test_replay_with_faults_breaks_what_is_staged_and_nothing_else(recorded: Path, connect: Connect) -> None:
    async with connect(replayed(recorded, faults=Faults(["OPS-EXE-002"], ["status:first=1"], executes=False))) as client:
        answers = [await client.post("/execute", json=sent(recorded)) for _ in range(2)]
        href = next(file["href"] for file in answers[1].json()["artifacts"] if "href" in file)
        file, staged = await client.get(f"/{href}"), await client.get("/__stub/requests")
    assert [answer.status_code for answer in answers] == [503, 200]
    assert answers[1].json() == json.loads(received(recorded)) | {"module": "policy-simulator-other"}
    assert (file.status_code, len(staged.json()["requests"])) == (200, 3)


async def test_replay_refuses_a_violation_that_only_an_execution_can_break(recorded: Path, connect: Connect) -> None:
    async with connect(replayed(recorded, faults=Faults(executes=False))) as client:
        answer = await client.put("/__stub/faults", json={"violate": ["OPS-DET-001"]})
    assert (answer.status_code, "a recording executes none" in answer.json()["detail"]) == (422, True)
