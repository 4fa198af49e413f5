"""A run that is reproduced offline is answered from the record of the first, and calls no module."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from scripted_module import Answer, ReadRun, ScriptedModule, StartService, artifact, error_envelope, success

FILE = artifact("table.csv", b"a,b\n1,2\n", "text/csv", href="/files/table.csv")
TEXT = artifact("brief.md", b"# Brief\n", "text/markdown")

ADAPTER = """
defaults: { ready_timeout_s: 600, backoff_s: 0, retries: 2 }
modules:
  alpha: { url: "http://alpha.test/api" }
  beta:
    url: http://beta.test/v1
    adapter:
      health: { path: /health, version: response.body.version }
      actions:
        score:
          path: /score/{run_id}
          query: { api_key: '"s3cret-key"', of: "upstream.alpha.outputs.kpis.growth & ' %/é'" }
          headers: { Authorization: '"Bearer s3cret-token"' }
          body: '{ "run": run_id, "country": inputs.country }'
          answer: text
          outputs: '{ "text": response.body, "status": response.status, "kind": response.headers."x-kind" }'
          artifacts: [{}]
"""


class Modules:
    """alpha, which follows the contract, and beta, which does not."""

    def __init__(self) -> None:
        self.alpha = ScriptedModule("alpha", answers=[success(artifacts=[TEXT, FILE])])
        self.alpha.files["/api/files/table.csv"] = httpx2.Response(200, content=b"a,b\n1,2\n")
        self.beta = ScriptedModule("beta", files=_Scores())

    @property
    def calls(self) -> int:
        return len(self.alpha.requests) + len(self.beta.requests)


def adapted(_: httpx2.Request) -> httpx2.Response:
    disposition = 'attachment; filename="score.txt"'
    headers = {"Content-Type": "text/plain; charset=latin-1", "X-Kind": "score", "Content-Disposition": disposition}
    return httpx2.Response(200, headers=headers, content="größe".encode("latin-1"))


class _Scores(dict[str, Answer]):
    """The answer at every path: beta is asked at one that has the run's id."""

    def get(self, path: str, default: Any = None) -> Answer:  # noqa: ARG002  # as a dictionary's
        return adapted


async def start(service: httpx2.AsyncClient, *modules: Any, **options: Any) -> dict[str, Any]:
    body = {"scenario_id": "demo", "modules": modules, "inputs": {"country": "DR"}, "run_options": options}
    return dict((await service.post("/plan_and_execute", json=body)).json())


async def offline(service: httpx2.AsyncClient, run: dict[str, Any], **options: Any) -> dict[str, Any]:
    return dict((await service.post(f"/runs/{run['run_id']}/reproduce", json={"offline": True, **options})).json())


def rewrite(folder: Path, name: str, change: Callable[[Any], None]) -> None:
    document = json.loads((folder / name).read_bytes())
    change(document)
    (folder / name).write_text(json.dumps(document))


async def test_run_with_files_adapters_and_secrets_is_identical_when_no_module_is_there_any_more(
    start_service: StartService,
) -> None:
    modules = Modules()
    async with start_service(modules.alpha, modules.beta, registered=ADAPTER) as service:
        run = await start(service, "alpha", "beta")
        assert run["status"] == "completed", run
    other = ScriptedModule("alpha")
    other.health = [httpx2.Response(200, json=other.healthy(version="9"))]
    async with start_service(other, registered=ADAPTER) as service:
        for how in ({}, {"modules": "current"}, {"pin": True}):
            again = await offline(service, run, **how)
            assert (again["status"], again["reproduction"]["grade"]) == ("completed", "identical"), again
    assert other.requests == []


@pytest.mark.parametrize(
    ("answer", "attempts"),
    [
        (httpx2.Response(422, json=error_envelope()), 1),
        (httpx2.Response(503, json=error_envelope(retryable=True)), 3),
        (httpx2.Response(200, text="no envelope"), 1),
    ],
)
async def test_run_that_failed_is_reproduced_up_to_its_failure_with_one_attempt(
    start_service: StartService, read_run: ReadRun, answer: httpx2.Response, attempts: int
) -> None:
    modules = Modules()
    modules.alpha.answers = [success(), answer]
    async with start_service(modules.alpha, modules.beta, registered=ADAPTER) as service:
        run = await start(service, "alpha", {"module": "alpha", "id": "second"}, {"module": "alpha", "id": "third"})
        again = await offline(service, run)
    assert (run["status"], again["status"]) == ("failed", "failed")
    assert again["reproduction"]["steps"] == {"alpha": "identical", "second": "equal"}, again
    assert [read_run(each["run_id"], "run.json")["steps"][1]["attempts"] for each in (run, again)] == [attempts, 1]


async def test_step_that_got_no_answer_cannot_be_answered_for(start_service: StartService) -> None:
    modules = Modules()
    modules.alpha.health = [httpx2.Response(503)]
    hasty = ADAPTER.replace("ready_timeout_s: 600", "ready_timeout_s: 0")
    async with start_service(modules.alpha, modules.beta, registered=hasty) as service:
        run = await start(service, "alpha")
        again = await offline(service, run)
    code = run["error"]["code"]
    assert again["error"]["code"] == "NOT_RECORDED"
    why = f"alpha cannot be answered for: {run['run_id']} has no answer to step 'alpha', which is failed with {code}"
    assert again["error"]["message"] == why
    reproduction = again["reproduction"]
    assert (reproduction["grade"], reproduction["steps"]) == ("missing", {"alpha": "missing"})
    assert reproduction["cause"].count(run["error"]["message"]) == 1


@pytest.mark.parametrize(
    ("step", "name", "change", "where"),
    [
        (
            "1-alpha",
            "request.json",
            lambda body: body["inputs"].update(country="CR"),
            'at /inputs/country (recorded "CR", now "DR")',
        ),
        ("1-alpha", "request.json", lambda body: body["options"].update(seed=1), "at /options/seed (recorded 1, now 0)"),
        ("2-beta", "mapped-request.json", lambda asked: asked.update(method="PUT"), 'at /method (recorded "PUT", now "POST")'),
        (
            "2-beta",
            "mapped-request.json",
            lambda asked: asked["body"].pop("country"),
            'at /body/country (recorded nothing, now "DR")',
        ),
        (
            "2-beta",
            "mapped-request.json",
            lambda asked: asked["headers"].update({"X-Old": "1"}),
            'at /headers/x-old (recorded "1", now nothing)',
        ),
    ],
)
async def test_request_that_is_not_the_recorded_one_fails_its_step_and_says_where(  # noqa: PLR0917  # what is changed, and where
    start_service: StartService, tmp_path: Path, step: str, name: str, change: Any, where: str
) -> None:
    modules = Modules()
    async with start_service(modules.alpha, modules.beta, registered=ADAPTER) as service:
        run = await start(service, "alpha", "beta")
        rewrite(tmp_path / "runs" / run["run_id"] / "steps" / step, name, change)
        again = await offline(service, run)
    assert again["error"]["code"] == "NOT_RECORDED"
    assert again["error"]["message"].endswith(f"was asked something else in step {step[2:]!r}: the request differs {where}")


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        (success(), None),
        (success(artifacts=[]), None),
        (
            success(artifacts=[TEXT]),
            "did not keep the artifacts in steps/1-alpha/response.json, since it had save_artifacts: false",
        ),
        (success(artifacts=[FILE]), "did not keep the artifact 'table.csv' of step 'alpha'"),
    ],
)
async def test_run_without_the_bytes_of_its_artifacts_says_what_is_missing(
    start_service: StartService, answer: httpx2.Response, missing: str | None
) -> None:
    modules = Modules()
    modules.alpha.answers = [answer]
    async with start_service(modules.alpha, modules.beta, registered=ADAPTER) as service:
        again = await offline(service, await start(service, "alpha", save_artifacts=False))
    if missing is None:
        assert again["reproduction"]["grade"] == "identical", again
    else:
        assert again["error"]["message"].endswith(missing)


@pytest.mark.parametrize(
    ("name", "damage", "told"),
    [
        (
            "artifacts/alpha/table.csv",
            lambda file: file.write_bytes(b"other"),
            "has another artifact 'table.csv' than its record says",
        ),
        ("artifacts/alpha/table.csv", lambda file: file.unlink(), "table.csv"),
        ("steps/1-alpha/response.json", lambda file: file.write_bytes(b"{}"), "another answer than its record says"),
        ("steps/1-alpha/response.json", lambda file: file.unlink(), "did not keep the answer to step 'alpha'"),
        ("steps/1-alpha/request.json", lambda file: file.unlink(), "has no steps/1-alpha/request.json"),
    ],
)
async def test_what_is_damaged_in_the_record_fails_its_step_and_is_named(
    start_service: StartService, tmp_path: Path, name: str, damage: Any, told: str
) -> None:
    modules = Modules()
    async with start_service(modules.alpha, modules.beta, registered=ADAPTER) as service:
        run = await start(service, "alpha")
        damage(tmp_path / "runs" / run["run_id"] / name)
        again = await offline(service, run)
    assert again["error"]["code"] == "NOT_RECORDED"
    assert told in again["error"]["message"]


async def test_run_that_goes_on_offline_calls_no_module_either(start_service: StartService, tmp_path: Path) -> None:
    modules = Modules()
    async with start_service(modules.alpha, modules.beta, registered=ADAPTER) as service:
        run = await start(service, "alpha", "beta")
        response = tmp_path / "runs" / run["run_id"] / "steps/2-beta/response.txt"
        content = response.read_bytes()
        response.unlink()
        again, before = await offline(service, run), modules.calls
        assert again["reproduction"]["steps"] == {"alpha": "identical", "beta": "missing"}
        response.write_bytes(content)
        resumed = (await service.post(f"/runs/{again['run_id']}/resume")).json()
        assert (resumed["status"], resumed["reproduction"]["grade"]) == ("completed", "identical")
        assert modules.calls == before
