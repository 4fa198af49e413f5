import asyncio
import json
import os
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from scripted_module import EVIDENCE, ReadRun, ScriptedModule, StartService, artifact, error_envelope, success

from ops_orchestrator.runs.store.folder import FolderStore

LOG_FIELDS = {"seq", "timestamp", "level", "service", "run_id", "event", "message"}


async def run(service: httpx2.AsyncClient, *modules: str, **options: Any) -> str:
    """Run a scenario; returns the run id."""
    scenario = {"scenario_id": "demo", "modules": modules, "inputs": {"country": "DR"}, "run_options": options}
    return str((await service.post("/plan_and_execute", json=scenario)).json()["run_id"])


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


async def test_completed_run_leaves_exactly_the_documented_files(start_service: StartService, tmp_path: Path) -> None:
    alpha = ScriptedModule(answers=[success(artifacts=[artifact("kpis.json"), artifact("deep/plot.png", href="p")])])
    alpha.files["/p"] = httpx2.Response(200, content=b"figures")
    async with start_service(alpha, ScriptedModule("beta")) as service:
        run_id = await run(service, "alpha", "beta")
    assert files(tmp_path / "runs" / run_id) == {
        "run.json",
        "results.json",
        "logs.jsonl",
        "modules.json",
        "manifest-sha256.txt",
        "artifacts/alpha/kpis.json",
        "artifacts/alpha/deep/plot.png",
        "steps/1-alpha/request.json",
        "steps/1-alpha/response.json",
        "steps/1-alpha/result.json",
        "steps/2-beta/request.json",
        "steps/2-beta/response.json",
        "steps/2-beta/result.json",
    }


@pytest.mark.parametrize("last", [success("beta"), httpx2.Response(500)])
async def test_manifest_lists_every_file_and_sha256sum_agrees(
    start_service: StartService, tmp_path: Path, last: httpx2.Response
) -> None:
    alpha = ScriptedModule(answers=[success(artifacts=[artifact("with space.txt"), artifact("ünïcode.txt")])])
    async with start_service(alpha, ScriptedModule("beta", answers=[last])) as service:
        run_id = await run(service, "alpha", "beta")
    folder = tmp_path / "runs" / run_id
    checked = await asyncio.to_thread(
        subprocess.run, ["sha256sum", "-c", "manifest-sha256.txt"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    assert {line.rpartition(": ")[0] for line in checked.stdout.splitlines()} == files(folder) - {"manifest-sha256.txt"}


async def test_record_holds_request_plan_steps_versions_and_fingerprints(
    start_service: StartService, read_run: ReadRun
) -> None:
    async with start_service(ScriptedModule(), ScriptedModule("beta")) as service:
        run_id = await run(service, "alpha", "beta", seed=42)
    record = read_run(run_id, "run.json")
    assert record["request"]["inputs"] == {"country": "DR"}
    assert record["request"]["run_options"] == {"seed": 42, "save_artifacts": True}
    assert [step["module"] for step in record["plan"]] == ["alpha", "beta"]
    assert (
        record["started_at"] <= record["steps"][0]["started_at"] <= record["steps"][1]["finished_at"] <= record["finished_at"]
    )
    assert {step["module_version"] for step in record["steps"]} == {"1.2.3"}
    assert record["versions"]["contract"] == "1.0"
    assert len(record["fingerprints"]["recipe"]) == len(record["fingerprints"]["result"]) == 64


async def test_recorded_exchange_is_byte_for_byte_what_was_sent_and_received(
    start_service: StartService, tmp_path: Path, read_run: ReadRun
) -> None:
    raw = b' {"status": "success",\n "module": "alpha", "outputs": {"caf\\u00e9": 1.50}} '
    alpha = ScriptedModule(answers=[httpx2.Response(200, content=raw, headers={"Content-Type": "application/json"})])
    async with start_service(alpha) as service:
        run_id = await run(service, "alpha")
    step = tmp_path / "runs" / run_id / "steps" / "1-alpha"
    assert (step / "request.json").read_bytes() == alpha.executed[0].content
    assert (step / "response.json").read_bytes() == raw
    exchange = read_run(run_id, "run.json")["steps"][0]["exchange"]
    manifest = (tmp_path / "runs" / run_id / "manifest-sha256.txt").read_text()
    assert f"{exchange['response_sha256']}  steps/1-alpha/response.json" in manifest


async def test_answer_that_is_not_json_is_recorded_under_its_own_type(start_service: StartService, tmp_path: Path) -> None:
    alpha = ScriptedModule(answers=[httpx2.Response(500, html="<h1>Oops</h1>")])
    async with start_service(alpha) as service:
        run_id = await run(service, "alpha")
    assert (tmp_path / "runs" / run_id / "steps" / "1-alpha" / "response.html").read_text() == "<h1>Oops</h1>"


async def test_results_keep_the_flat_and_the_full_form(start_service: StartService, read_run: ReadRun) -> None:
    evidence = [{"id": "e1", "kind": "dataset", "title": "Census", "synthetic": True}]
    file = artifact("a.txt", title="Figures")
    answer = success(outputs={"artifacts": "mine"}, artifacts=[file], evidence=evidence, warnings=["careful"])
    async with start_service(ScriptedModule(answers=[answer])) as service:
        run_id = await run(service, "alpha")
    results = read_run(run_id, "results.json")
    assert results["results"] == {"alpha": {"artifacts": ["a.txt"]}}
    step = results["steps"]["alpha"]
    assert (step["outputs"], step["warnings"]) == ({"artifacts": "mine"}, ["careful"])
    expected = {key: file[key] for key in ("name", "media_type", "size_bytes", "sha256", "title")}
    assert step["artifacts"] == [expected | {"path": "artifacts/alpha/a.txt"}]
    assert step["evidence"][0]["title"] == "Census"


async def test_log_has_one_json_event_a_line_with_the_documented_fields(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule()) as service:
        run_id = await run(service, "alpha")
    lines = [json.loads(line) for line in (tmp_path / "runs" / run_id / "logs.jsonl").read_text().splitlines()]
    names = ["run.queued", "run.started", "step.started", "module.ready", "step.completed", "run.ended"]
    assert [line["event"] for line in lines] == names
    assert all(set(line) >= LOG_FIELDS for line in lines)
    assert {line["run_id"] for line in lines} == {run_id}
    assert [line["seq"] for line in lines] == [*range(1, len(lines) + 1)]
    assert [line["timestamp"] for line in lines] == sorted(line["timestamp"] for line in lines)


async def test_failed_step_leaves_earlier_ones_and_none_of_its_own_artifacts(
    start_service: StartService, tmp_path: Path, read_run: ReadRun
) -> None:
    half = success("beta", artifacts=[artifact("good.txt"), artifact("gone.txt", href="gone")])
    alpha = ScriptedModule(answers=[success(artifacts=[artifact("a.txt")])])
    async with start_service(alpha, ScriptedModule("beta", answers=[half])) as service:
        run_id = await run(service, "alpha", "beta")
    left = files(tmp_path / "runs" / run_id)
    assert {name for name in left if name.startswith("artifacts/")} == {"artifacts/alpha/a.txt"}
    assert "steps/2-beta/response.json" in left
    assert list(read_run(run_id, "results.json")["results"]) == ["alpha"]
    assert read_run(run_id, "run.json")["fingerprints"]["result"] is None


async def test_run_without_saved_artifacts_keeps_hashes_but_no_content(
    start_service: StartService, tmp_path: Path, read_run: ReadRun
) -> None:
    artifacts = [artifact("a.txt", b"figures"), artifact("b.txt", href="b")]
    alpha = ScriptedModule(answers=[success(artifacts=artifacts, evidence=EVIDENCE)])
    alpha.files["/b"] = httpx2.Response(200, content=b"figures")
    async with start_service(alpha) as service:
        run_id = await run(service, "alpha", save_artifacts=False)
        answer = await service.get(f"/runs/{run_id}/artifacts/alpha/a.txt")
    folder = tmp_path / "runs" / run_id
    assert not any("artifacts/" in name for name in files(folder))
    assert all(b"figures" not in (folder / name).read_bytes() for name in files(folder))
    stored = read_run(run_id, "results.json")["steps"]["alpha"]["artifacts"]
    assert [(item["path"], item["sha256"]) for item in stored] == [(None, artifact("a.txt")["sha256"])] * 2
    assert (answer.status_code, "only the hash" in answer.json()["detail"]) == (404, True)


async def test_saving_artifacts_or_not_gives_the_same_result_fingerprint(
    start_service: StartService, read_run: ReadRun
) -> None:
    async with start_service(ScriptedModule(answers=[success(artifacts=[artifact("a.txt")])])) as service:
        ids = [await run(service, "alpha", save_artifacts=keep) for keep in (True, False)]
    assert len({read_run(run_id, "run.json")["fingerprints"]["result"] for run_id in ids}) == 1


@pytest.mark.parametrize(
    "name",
    ["../escaped.txt", "/etc/escaped.txt", "a/../../escaped.txt", "a\\..\\escaped.txt", "C:escaped.txt", "a\x00b", ".", ""],
)
async def test_artifact_name_that_could_leave_the_folder_fails_the_step_and_writes_nothing(
    start_service: StartService, tmp_path: Path, name: str
) -> None:
    async with start_service(ScriptedModule(answers=[success(artifacts=[artifact(name)])])) as service:
        response = await service.post("/plan_and_execute", json={"scenario_id": "demo", "modules": ["alpha"]})
    body = response.json()
    assert (response.status_code, body["error"]["code"]) == (502, "INVALID_ANSWER")
    assert not any("escaped" in file for file in files(tmp_path))
    assert not any(file.startswith("artifacts/") for file in files(tmp_path / "runs" / body["run_id"]))


async def test_artifacts_may_be_named_like_our_own_files(start_service: StartService, tmp_path: Path) -> None:
    names = [".data.part", ".d.part/x", "whole.part", ".staging/x", "run.json", ".run.json.part", "manifest-sha256.txt"]
    alpha = ScriptedModule(answers=[success(artifacts=[artifact(name) for name in names])])
    async with start_service(alpha) as service:
        run_id = await run(service, "alpha")
    left = files(tmp_path / "runs" / run_id)
    assert {name.removeprefix("artifacts/alpha/") for name in left if name.startswith("artifacts/")} == set(names)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"artifacts": [], "x": "\\ud800"}', b'{"artifacts": 7}', b"7"])
async def test_malformed_answer_is_the_module_s_failure_also_when_artifacts_are_not_kept(
    start_service: StartService, read_run: ReadRun, body: bytes
) -> None:
    answer = httpx2.Response(200, content=body, headers={"Content-Type": "application/json"})
    async with start_service(ScriptedModule(answers=[answer])) as service:
        run_id = await run(service, "alpha", save_artifacts=False)
    assert read_run(run_id, "run.json")["status"] == "failed"


async def test_log_tells_other_processes_what_goes_on_and_the_record_that_it_does(
    start_service: StartService, tmp_path: Path
) -> None:
    seen: dict[str, Any] = {}

    async def look(_: httpx2.Request) -> httpx2.Response:
        (folder,) = (tmp_path / "runs").glob("run_*")
        seen["status"] = json.loads((folder / "run.json").read_bytes())["status"]
        with closing(FolderStore.existing(tmp_path / "runs")) as other:
            while [step.status for step in other.record(folder.name).steps] != ["completed", "running"]:  # noqa: ASYNC110
                await asyncio.sleep(0)
            seen["results"] = other.results(folder.name).results
        return httpx2.Response(422, json=error_envelope("beta"))

    async with start_service(ScriptedModule(), ScriptedModule("beta", answers=[look])) as service:
        await run(service, "alpha", "beta")
    assert (seen["status"], [*seen["results"]]) == ("running", ["alpha"])


async def test_no_unfinished_file_is_ever_left(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule()) as service:
        await run(service, "alpha")
    names = {name for _, folders, found in os.walk(tmp_path / "runs") for name in (*folders, *found)}
    assert {name for name in names if name.startswith(".")} <= {".index.sqlite3", ".keys"}
