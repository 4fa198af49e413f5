"""Whether crates are valid, as the validator of the profiles judges them, of runs that ended in each way."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import recorded_run
from crate_validator import Validator, validator
from scripted_module import Gate, ScriptedModule, StartService, artifact, error_envelope, success

from ops_orchestrator.runs.reports.ro_crate import ro_crate
from ops_orchestrator.runs.store.folder_run import FolderRun

pytestmark = pytest.mark.slow

QUICK: Final = {"retries": 0, "ready_timeout_s": 600}
NOT_OURS_TO_MEET: Final = (
    # "The SoftwareApplication id SHOULD be an absolute URI": it is meant for tools on the web, and also finds the plan, which
    # is a file of the crate.
    "process-run-crate-0.5_5.1",
    # "The README.md SHOULD ...": the folder of a run has none.
    "workflow-ro-crate-1.0_6.1",
    "workflow-ro-crate-1.0_6.2",
)


@pytest.fixture(scope="session")
def crates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Validator]:
    with validator(tmp_path_factory.mktemp("crates")) as started:
        yield started


def put_crate(folder: Path) -> Path:
    (folder / "ro-crate-metadata.json").write_bytes(ro_crate(FolderRun(folder.parent, folder.name)))
    return folder


async def started(service: httpx2.AsyncClient, *modules: Any, **fields: Any) -> str:
    asked = {"scenario_id": "demo", "modules": modules, "inputs": {"country": "DO"}, **fields}
    answer = await service.post("/plan_and_execute", json=asked, headers={"Prefer": "respond-async"})
    return str(answer.json()["run_id"])


async def ended(service: httpx2.AsyncClient, home: Path, run_id: str, status: str) -> Path:
    """The folder of a run, with its crate, once it has ended with `status`."""
    async with service.stream("GET", f"/runs/{run_id}/events") as events:
        await events.aread()
    folder = home / "runs" / run_id
    assert recorded_run.document(folder)["status"] == status
    return put_crate(folder)


def test_crate_of_a_completed_run_does_what_is_required_and_recommended(
    example_run: Path, tmp_path: Path, crates: Validator
) -> None:
    folder = put_crate(recorded_run.copy(example_run, tmp_path))
    assert crates.findings(folder, "recommended", NOT_OURS_TO_MEET) == []


async def test_crate_of_a_failed_run_is_valid(start_service: StartService, tmp_path: Path, crates: Validator) -> None:
    failing = ScriptedModule("beta", answers=[httpx2.Response(422, json=error_envelope("beta", message='no "such" <country>'))])
    odd = success(artifacts=[artifact("50% of #1?/ü: [a] {b}.txt", media_type="text/plain; charset=utf-8")])
    async with start_service(ScriptedModule(answers=[odd]), failing, ScriptedModule("gamma"), options=QUICK) as service:
        run_id = await started(service, "alpha", "beta", "gamma", inputs={"place": {"@id": "./"}, "": None, "b": [1, {}]})
        folder = await ended(service, tmp_path, run_id, "failed")
    assert crates.findings(folder) == []


async def test_crate_of_a_run_that_was_cancelled_and_resumed_is_valid_before_and_after(
    start_service: StartService, tmp_path: Path, crates: Validator
) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate]), ScriptedModule("beta"), options=QUICK) as service:
        run_id = await started(service, "alpha", "beta")
        await gate.asked.wait()
        await service.post(f"/runs/{run_id}/cancel")
        cancelled = crates.findings(await ended(service, tmp_path, run_id, "cancelled"))
        gate.opened.set()
        await service.post(f"/runs/{run_id}/resume")
        resumed = crates.findings(await ended(service, tmp_path, run_id, "completed"))
    assert (cancelled, resumed) == ([], [])


async def test_crate_of_a_run_with_an_adapter_is_valid(start_service: StartService, tmp_path: Path, crates: Validator) -> None:
    registered = """
        modules:
          beta:
            url: http://beta.test
            image_digest: sha256:0123
            adapter: { actions: { score: { method: GET, path: "/score/{inputs.country}" } } }
    """
    beta = ScriptedModule("beta", files={"/score/DO": httpx2.Response(200, json={"score": 0.41})})
    async with start_service(beta, registered=registered) as service:
        folder = await ended(service, tmp_path, await started(service, "beta"), "completed")
    assert crates.findings(folder, "recommended", NOT_OURS_TO_MEET) == []


def test_crate_that_lacks_what_the_profile_requires_is_found(example_run: Path, tmp_path: Path, crates: Validator) -> None:
    folder = put_crate(recorded_run.copy(example_run, tmp_path))
    crate = (folder / "ro-crate-metadata.json").read_text()
    (folder / "ro-crate-metadata.json").write_text(crate.replace('"workExample"', '"unknown"'))
    assert any("HowToStep must refer to its corresponding tool" in found for found in crates.findings(folder))
