"""The service with its runs in a bucket: everything works as it does with folders."""

import asyncio
import math
import shutil
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from faulty_store import Fault, FaultyStore
from local_service import HTTP
from object_stores import bucket_settings, objects_at, put_object
from scripted_module import Gate, ScriptedModule, StartService, artifact, error_envelope, success

from ops_orchestrator.runs.store.opening import open_store

CONTENT = bytes(range(97, 123)) * 40
SCENARIO = {"scenario_id": "demo", "modules": ["alpha"]}
FILES = [artifact("table.csv", CONTENT, "text/csv"), artifact("deep/größe.txt", b"1", "text/plain")]


@pytest.fixture
async def ops(start_service: StartService, before: FaultyStore, prefix: str) -> AsyncIterator[httpx2.AsyncClient]:
    assert before.url
    async with start_service(ScriptedModule(answers=[success(artifacts=FILES)]), runs_url=prefix) as client:
        yield client


async def started(ops: httpx2.AsyncClient) -> str:
    """The address of a run that completed."""
    answer = await ops.post("/plan_and_execute", json=SCENARIO)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["location"])


async def until(ops: httpx2.AsyncClient, path: str, status: str) -> dict[str, object]:
    """The run, once it has this status."""
    found: dict[str, object] = {}
    while found.get("status") != status:
        await asyncio.sleep(0.05)
        found = (await ops.get(path)).json()
    return found


async def test_run_is_in_the_bucket_and_everything_that_is_made_of_it_is_answered(
    ops: httpx2.AsyncClient, moto: str, prefix: str
) -> None:
    run = await started(ops)
    run_id = run.removeprefix("/runs/")
    assert (await ops.get(run)).json()["status"] == "completed"
    assert [run["run_id"] for run in (await ops.get("/runs")).json()["runs"]] == [run_id]
    for path in (
        "/results",
        "/logs",
        "/artifacts",
        "/events",
        "/verification",
        "/report.html",
        "/archive",
        "/ro-crate-metadata.json",
        "/evidence",
    ):
        assert (await ops.get(run + path)).status_code == 200, path
    assert (await ops.get(f"{run}/verification")).json()["intact"] is True
    for page in ("/runs", run, f"{run}/steps/alpha", "/modules/alpha"):
        assert (await ops.get(page, headers={"Accept": "text/html"})).status_code == 200, page
    assert f"{run_id}/run.json" in objects_at(moto, prefix)


async def test_run_is_reproduced_and_compared(ops: httpx2.AsyncClient) -> None:
    run = await started(ops)
    again = await ops.post(f"{run}/reproduce", json={})
    assert (again.status_code, again.json()["reproduction"]["grade"]) == (200, "identical")
    assert (await ops.get(f"{run}/diff/{again.json()['run_id']}")).status_code == 200


async def test_run_path_is_the_address_in_the_bucket(ops: httpx2.AsyncClient, prefix: str) -> None:
    answer = (await ops.post("/plan_and_execute", json=SCENARIO)).json()
    assert answer["artifacts_path"] == f"{prefix}/runs/{answer['run_id']}/"


async def test_artifact_is_streamed_and_never_copied(ops: httpx2.AsyncClient, tmp_path: Path) -> None:
    run = await started(ops)
    whole = await ops.get(f"{run}/artifacts/alpha/table.csv")
    part = await ops.get(f"{run}/artifacts/alpha/table.csv", headers={"Range": "bytes=1000-1003"})
    assert (whole.content, part.status_code, part.content) == (CONTENT, 206, CONTENT[1000:1004])
    assert (await ops.get(f"{run}/artifacts/alpha/deep/größe.txt")).content == b"1"
    assert not [path for path in (tmp_path / "runs").rglob("*") if path.name in ("table.csv", "größe.txt")]


async def test_artifact_has_a_presigned_address_when_one_is_asked_for(ops: httpx2.AsyncClient) -> None:
    run = await started(ops)
    answer = await ops.get(f"{run}/artifacts/alpha/table.csv", params={"presigned": "true"})
    assert (answer.status_code, answer.headers["cache-control"]) == (307, "no-store")
    assert (await asyncio.to_thread(HTTP.get, answer.headers["location"])).content == CONTENT
    assert (await ops.get(f"{run}/artifacts/alpha/none", params={"presigned": "true"})).status_code == 404


async def test_what_somebody_changed_in_the_bucket_is_found_although_it_was_read_before(
    ops: httpx2.AsyncClient, moto: str, prefix: str
) -> None:
    run = await started(ops)
    run_id = run.removeprefix("/runs/")
    assert (await ops.get(f"{run}/verification")).json()["intact"]
    for name in ("run.json", "manifest-sha256.txt", "steps/1-alpha/response.json"):
        content = objects_at(moto, prefix)[f"{run_id}/{name}"]
        put_object(moto, prefix, f"{run_id}/{name}", b"{}\n")
        found = (await ops.get(f"{run}/verification")).json()
        assert name in {finding["file"] for finding in found["findings"]}
        put_object(moto, prefix, f"{run_id}/{name}", content)
        assert (await ops.get(f"{run}/verification")).json()["intact"]


def remove_copies(folder: Path) -> None:
    for copies in folder.rglob("copies"):
        shutil.rmtree(copies)


async def test_copies_that_somebody_removed_are_fetched_again(ops: httpx2.AsyncClient, tmp_path: Path) -> None:
    run = await started(ops)
    for path in ("/verification", "/report.html", "/archive"):
        await asyncio.to_thread(remove_copies, tmp_path)
        assert (await ops.get(run + path)).status_code == 200


async def test_list_does_not_ask_the_bucket(ops: httpx2.AsyncClient, before: FaultyStore) -> None:
    await started(ops)
    asked = before.requests.total()
    assert len((await ops.get("/runs", params={"status": "completed"})).json()["runs"]) == 1
    assert (await ops.get("/runs", params={"scenario_id": "other"})).json()["runs"] == []
    assert before.requests.total() == asked


async def test_index_is_made_again_from_the_bucket(
    start_service: StartService, before: FaultyStore, prefix: str, tmp_path: Path
) -> None:
    async with start_service(ScriptedModule(), runs_url=prefix) as ops:
        run = await started(ops)
    asked = before.requests.total()
    async with start_service(ScriptedModule(), runs_url=prefix) as ops:
        assert len((await ops.get("/runs")).json()["runs"]) == 1
    assert before.requests.total() - asked <= 1  # whether it can be written
    async with start_service(ScriptedModule(), runs_url=prefix, runs_dir=tmp_path / "elsewhere") as ops:
        assert [f"/runs/{one['run_id']}" for one in (await ops.get("/runs")).json()["runs"]] == [run]


async def test_idempotency_key_stays_with_its_run_after_a_restart(
    start_service: StartService, before: FaultyStore, prefix: str
) -> None:
    assert before.url
    module, locations = ScriptedModule(), set()
    for _ in range(2):
        async with start_service(module, runs_url=prefix) as ops:
            for _ in range(2):
                answer = await ops.post("/plan_and_execute", json=SCENARIO, headers={"Idempotency-Key": "once"})
                locations.add(answer.headers["location"])
    assert (len(locations), len(module.executed)) == (1, 1)


async def test_failed_run_is_resumed_and_a_run_under_way_cancelled(
    start_service: StartService, before: FaultyStore, prefix: str
) -> None:
    assert before.url
    gate = Gate()
    failing = ScriptedModule(answers=[httpx2.Response(422, json=error_envelope()), success(), gate])
    async with start_service(failing, runs_url=prefix) as ops:
        run = (await ops.post("/plan_and_execute", json=SCENARIO)).headers["location"]
        assert (await ops.get(run)).json()["status"] == "failed"
        resumed = await ops.post(f"{run}/resume")
        assert (resumed.status_code, resumed.json()["status"]) == (200, "completed")
        assert (await ops.get(f"{run}/verification")).json()["intact"] is True
        second = (await ops.post("/plan_and_execute", json=SCENARIO, headers={"Prefer": "wait=0"})).headers["location"]
        await gate.asked.wait()
        assert (await ops.post(f"{second}/cancel")).json()["status"] == "cancelled"
        assert (await ops.get(f"{second}/verification")).json()["intact"] is True


@pytest.mark.parametrize("resumes", [False, True])
async def test_run_that_a_dead_service_left_is_ended_or_gone_on_with(
    start_service: StartService, before: FaultyStore, prefix: str, resumes: bool
) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate]), runs_url=prefix, resume_interrupted=True) as ops:
        run = (await ops.post("/plan_and_execute", json=SCENARIO, headers={"Prefer": "wait=0"})).headers["location"]
        await gate.asked.wait()
    assert before.url
    async with start_service(ScriptedModule(), runs_url=prefix, resume_interrupted=resumes) as ops:
        await until(ops, run, "completed" if resumes else "interrupted")
        assert (await ops.get(f"{run}/verification")).json()["intact"] is True


async def test_run_ends_errored_while_the_bucket_is_gone_and_its_end_is_written_when_it_is_back(
    start_service: StartService, before: FaultyStore, prefix: str
) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate]), runs_url=prefix, runs_patience_s=1) as ops:
        waiting = asyncio.create_task(ops.post("/plan_and_execute", json=SCENARIO))
        await gate.asked.wait()
        before.stage(Fault("down", "ANY", times=math.inf))
        gate.opened.set()
        answer = await waiting
        assert (answer.status_code, answer.json()["status"]) == (500, "errored")
        assert "cannot put" in answer.json()["error"]["message"]
        assert (await ops.get("/health")).status_code == 200
        assert (await ops.get("/ready")).status_code == 503
        assert (await ops.post("/plan_and_execute", json=SCENARIO)).status_code >= 500
        before.faults.clear()
        run = f"/runs/{answer.json()['run_id']}"
        is_written = False
        while not is_written:
            await asyncio.sleep(0.05)
            is_written = (await ops.get(f"{run}/verification")).json().get("intact") is True
        assert (await ops.get(run)).json()["status"] == "errored"
        assert (await ops.get("/ready")).status_code == 200


@pytest.mark.parametrize(
    "refusal",
    [
        (403, "AccessDenied", "AWS_ACCESS_KEY_ID"),
        (507, "XMinioStorageFull", "room"),
        (404, "NoSuchBucket", "make the bucket"),
    ],
)
async def test_caller_is_told_what_a_bucket_refuses_and_what_helps_and_the_run_ends_whole_when_it_takes_it(
    start_service: StartService, before: FaultyStore, prefix: str, refusal: tuple[int, str, str]
) -> None:
    status, code, cure = refusal
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate]), runs_url=prefix, runs_patience_s=1) as ops:
        waiting = asyncio.create_task(ops.post("/plan_and_execute", json=SCENARIO))
        await gate.asked.wait()
        there = set(objects_at(before.url, prefix))
        before.stage(Fault("status", "PUT", times=math.inf, status=status, code=code))
        gate.opened.set()
        answer = await waiting
        assert (answer.status_code, answer.json()["status"]) == (500, "errored")
        message = answer.json()["error"]["message"]
        assert code in message
        assert cure in message
        refused = await ops.post("/plan_and_execute", json=SCENARIO)
        assert refused.status_code >= 500
        assert cure in refused.text
        ready = await ops.get("/ready")
        assert (ready.status_code, cure in ready.text) == (503, True)
        assert set(objects_at(before.url, prefix)) == there
        run = f"/runs/{answer.json()['run_id']}"
        before.faults.clear()
        is_written = False
        while not is_written:
            await asyncio.sleep(0.05)
            is_written = (await ops.get(f"{run}/verification")).json().get("intact") is True
        resumed = await ops.post(f"{run}/resume")
        assert (resumed.status_code, resumed.json()["status"]) == (200, "completed")


async def test_caller_of_a_run_that_is_taken_over_elsewhere_is_told_that_it_goes_on(
    start_service: StartService, before: FaultyStore, prefix: str, tmp_path: Path
) -> None:
    assert before.url
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate]), runs_url=prefix) as ops:
        waiting = asyncio.create_task(ops.post("/plan_and_execute", json=SCENARIO))
        await gate.asked.wait()
        [run_id] = [run["run_id"] for run in (await ops.get("/runs")).json()["runs"]]
        with closing(open_store(bucket_settings(tmp_path / "elsewhere", prefix))) as elsewhere:
            # What the run still writes of its beginning may come first.
            while await asyncio.to_thread(elsewhere.recover, [run_id]) != {run_id: None}:
                pass
        gate.opened.set()
        answer = await waiting
        assert (answer.status_code, answer.headers["location"]) == (202, f"/runs/{run_id}")
        assert (await ops.get(f"/runs/{run_id}")).json()["status"] == "interrupted"
        assert (await ops.get(f"/runs/{run_id}/verification")).json()["intact"] is True
