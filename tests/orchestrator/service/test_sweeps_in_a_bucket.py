"""The service with its sweeps in a bucket, without a database: everything works as it does with folders."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from faulty_store import Fault, FaultyStore
from object_stores import bucket_settings
from scripted_module import Gate, ScriptedModule, StartService, error_envelope, success

from ops_orchestrator.errors import FencedError
from ops_orchestrator.planning.sweep import read_sweep
from ops_orchestrator.runs.run_id import new_sweep_id
from ops_orchestrator.runs.sweeps.opening import open_sweeps
from ops_orchestrator.runs.sweeps.points_log import PointOutcome
from ops_orchestrator.runs.sweeps.state import SweepState

SWEEP = {"scenario_id": "demo", "modules": ["alpha"], "sweep": {"seeds": 4}}
ASKED = b'{"scenario_id": "demo", "modules": ["alpha"], "sweep": {"seeds": 4}}'
WAIT = {"Prefer": "wait=300"}


@pytest.fixture
async def ops(start_service: StartService, before: FaultyStore, prefix: str) -> AsyncIterator[httpx2.AsyncClient]:
    assert before.url
    async with start_service(ScriptedModule(answers=[success(outputs={"kpis": {"growth": 1}})]), runs_url=prefix) as client:
        yield client


def begun(**changes: Any) -> SweepState:
    return SweepState.begun(new_sweep_id(), read_sweep(ASKED)).model_copy(update=changes)


async def test_sweep_has_its_files_in_the_bucket_and_not_beside_runs_on_disk(
    ops: httpx2.AsyncClient, prefix: str, tmp_path: Path
) -> None:
    answer = await ops.post("/sweeps", json=SWEEP, headers=WAIT)
    state = answer.json()
    assert (answer.status_code, state["status"], state["points"]["completed"]) == (200, "completed", 4)
    assert state["sweep_path"] == f"{prefix}/sweeps/{state['sweep_id']}/"
    assert {"points.jsonl", "request.json", "sweep.json", "table.csv", "growth.svg"} <= set(state["files"])
    for name in state["files"]:
        found = await ops.get(f"/sweeps/{state['sweep_id']}/{name}")
        assert (found.status_code, bool(found.content)) == (200, True), name
    table = list(csv.DictReader(io.StringIO((await ops.get(f"/sweeps/{state['sweep_id']}/table.csv")).text)))
    assert [row["status"] for row in table] == ["completed"] * 4
    assert [each["sweep_id"] for each in (await ops.get("/sweeps")).json()["sweeps"]] == [state["sweep_id"]]
    assert len((await ops.get(f"/sweeps/{state['sweep_id']}/points")).json()["points"]) == 4
    page = await ops.get(f"/sweeps/{state['sweep_id']}", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert not await asyncio.to_thread((tmp_path / "runs" / "sweeps").exists)


async def test_key_of_a_sweep_is_kept_in_the_bucket(ops: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": "a"}
    first, second = [(await ops.post("/sweeps", json=SWEEP, headers=WAIT | key)).json() for _ in range(2)]
    assert first["sweep_id"] == second["sweep_id"]
    refused = await ops.post("/sweeps", json=SWEEP | {"scenario_id": "other"}, headers=key)
    assert refused.status_code == 422


async def test_sweep_is_cancelled_and_resumed(start_service: StartService, before: FaultyStore, prefix: str) -> None:
    assert before.url
    gate = Gate()
    async with start_service(ScriptedModule(answers=[success(), gate, success()]), runs_url=prefix) as ops:
        sweep_id = (await ops.post("/sweeps", json=SWEEP | {"sweep": {"seeds": 4, "concurrency": 1}})).json()["sweep_id"]
        await gate.asked.wait()
        cancelled = await ops.post(f"/sweeps/{sweep_id}/cancel")
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
        gate.opened.set()
        resumed = await ops.post(f"/sweeps/{sweep_id}/resume", headers=WAIT)
        assert (resumed.json()["status"], resumed.json()["attempt"]) == ("completed", 2)


async def test_failed_points_are_run_again_by_a_resume(start_service: StartService, before: FaultyStore, prefix: str) -> None:
    assert before.url
    answers: Any = [success(), httpx2.Response(422, json=error_envelope()), success()]
    async with start_service(ScriptedModule(answers=answers), runs_url=prefix) as ops:
        failed = (await ops.post("/sweeps", json=SWEEP, headers=WAIT)).json()
        assert (failed["status"], failed["points"]["failed"]) == ("failed", 1)
        again = (await ops.post(f"/sweeps/{failed['sweep_id']}/resume", headers=WAIT)).json()
        assert (again["status"], again["points"]["completed"]) == ("completed", 4)


async def test_answers_that_are_lost_and_refusals_for_a_while_lose_no_point(
    ops: httpx2.AsyncClient, before: FaultyStore
) -> None:
    for ending in ("sweep.json", ".jsonl", "table.csv"):
        before.stage(Fault("lost", ending=ending))
        before.stage(Fault("status", ending=ending, times=2))
    state = (await ops.post("/sweeps", json=SWEEP, headers=WAIT)).json()
    assert (state["status"], state["points"]["completed"]) == ("completed", 4)
    assert len((await ops.get(f"/sweeps/{state['sweep_id']}/points?status=completed")).json()["points"]) == 4


def test_writer_that_was_taken_over_is_refused_and_what_it_noted_counts(
    before: FaultyStore, prefix: str, tmp_path: Path
) -> None:
    assert before.url
    here, there = (open_sweeps(bucket_settings(tmp_path / name, prefix)) for name in ("here", "there"))
    try:
        state = begun()
        old = here.create(state, ASKED)
        taken = there.take(state.sweep_id)
        assert taken is not None
        new, _ = taken
        new.save(state.model_copy(update={"drivers": 2}))
        old.add([PointOutcome(number=1, status="failed")])
        new.add([PointOutcome(number=2, status="completed")])
        for drivers in (0, 2):
            with pytest.raises(FencedError):
                old.save(state.model_copy(update={"drivers": drivers}))
        new.write("table.csv", [b"new"])
        with pytest.raises(FencedError):
            old.write("table.csv", [b"old"])
        assert here.state(state.sweep_id).drivers == 2
        assert sorted(here.outcomes(state.sweep_id, range(1, 5))) == [1, 2]
    finally:
        here.close()
        there.close()


def test_pieces_of_points_are_made_one_when_the_sweep_is_over(before: FaultyStore, prefix: str, tmp_path: Path) -> None:
    assert before.url
    store = open_sweeps(bucket_settings(tmp_path, prefix))
    try:
        state = begun()
        writer = store.create(state, ASKED)
        for _ in range(3):
            for number in range(1, 5):
                writer.add([PointOutcome(number=number, status="completed", run_id=f"run of {number}")])
        before.requests.clear()
        writer.settle()
        outcomes = store.outcomes(state.sweep_id, range(1, 5))
        assert {number: outcome.run_id for number, outcome in outcomes.items()} == {n: f"run of {n}" for n in range(1, 5)}
        before.requests.clear()
        assert len(store.outcomes(state.sweep_id, range(1, 5))) == 4
        assert sum(count for (method, _), count in before.requests.items() if method == "GET") <= 1
    finally:
        store.close()


async def test_sweep_is_made_by_one_of_those_who_ask_at_once_with_a_key(ops: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(*(ops.post("/sweeps", json=SWEEP, headers={"Idempotency-Key": "b"}) for _ in range(4)))
    assert len({answer.json()["sweep_id"] for answer in answers}) == 1
