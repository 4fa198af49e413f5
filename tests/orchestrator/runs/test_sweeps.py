import asyncio
import csv
import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from scripted_module import ClientFor, Gate, ScriptedModule, error_envelope, success
from troubled_disk import FullDisk

from ops_orchestrator.errors import ConflictError, NotFoundError, StoreError, UnknownModuleError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.planning.sweep import read_sweep
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.run_id import new_sweep_id
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.sweeps.active_sweeps import ActiveSweeps
from ops_orchestrator.runs.sweeps.folder_place import FolderPlace
from ops_orchestrator.runs.sweeps.runs_of_sweeps import RunsOfSweeps
from ops_orchestrator.runs.sweeps.state import SweepState
from ops_orchestrator.runs.sweeps.sweep_run import SweepRun
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore
from ops_orchestrator.runs.turns import LocalTurns

RATES = [0.1, 0.2, 0.3, 0.4]


def body(modules: tuple[str, ...] = ("alpha",), **sweep: Any) -> bytes:
    varied = {"parameters": {"/rate": RATES}, **sweep}
    return json.dumps({"scenario_id": "demo", "modules": modules, "inputs": {"rate": 0.2}, "sweep": varied}).encode()


def rate_of(request: httpx2.Request) -> float:
    found: float = json.loads(request.content)["inputs"]["rate"]
    return found


def growth(request: httpx2.Request) -> httpx2.Response:
    """A figure that depends on the rate, with a baseline."""
    rate = rate_of(request)
    outputs = {
        "kpis": {"growth": 1 - rate},
        "baseline": {"growth": 1},
        "units": {"growth": "share"},
        "labels": {"growth": "GDP"},
    }
    return success(outputs=outputs)


def growth_but(failing: float) -> Callable[[httpx2.Request], httpx2.Response]:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(422, json=error_envelope()) if rate_of(request) == failing else growth(request)

    return answer


def calls(module: ScriptedModule) -> Counter[float]:
    return Counter(map(rate_of, module.executed))


class Home:
    """A folder with runs and sweeps, as one process has them open."""

    def __init__(self, sweeps: ActiveSweeps, kept: SweepStore, runs: ActiveRuns, store: FolderStore) -> None:
        self.sweeps, self.kept, self.runs, self.store = sweeps, kept, runs, store

    async def run(self, asked: bytes) -> SweepState:
        """Run a sweep to its end."""
        sweep = await self.start(asked)
        await sweep.wait()
        return sweep.state

    async def start(self, asked: bytes) -> SweepRun:
        return self.found(await self.sweeps.start(read_sweep(asked), asked))

    async def resume(self, sweep_id: str) -> SweepRun:
        await self.sweeps.resume(sweep_id)
        return self.found(sweep_id)

    def found(self, sweep_id: str) -> SweepRun:
        sweep = self.sweeps.find(sweep_id)
        assert sweep is not None
        return sweep

    def folder(self, sweep_id: str) -> Path:
        return Path(self.kept.location(sweep_id))

    def rows(self, sweep_id: str) -> list[dict[str, str]]:
        text = (self.folder(sweep_id) / "table.csv").read_bytes().decode()
        return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def opened(tmp_path: Path, catalogue: Catalogue, client_for: ClientFor) -> Any:
    @asynccontextmanager
    async def open_home(*modules: ScriptedModule, at_once: int = 2, most_waiting: int = 10) -> AsyncIterator[Home]:
        store = FolderStore.open(tmp_path / "runs", durability="os")
        kept = SweepStore.open(tmp_path / "runs", "os")
        runs = ActiveRuns(
            Registration(catalogue), store, client_for(*modules), turns=LocalTurns(at_once, most_waiting), image_digest=None
        )
        sweeps = ActiveSweeps(Registration(catalogue), kept, RunsOfSweeps(runs, store, at_once))
        try:
            yield Home(sweeps, kept, runs, store)
        finally:
            await runs.stop()
            await sweeps.stop()
            kept.close()
            store.close()

    return open_home


Opened = Callable[..., Any]


async def test_stored_state_follows_a_sweep_also_while_nothing_else_happens(opened: Opened) -> None:
    gate = Gate()
    async with opened(ScriptedModule(answers=[growth, gate]), at_once=1) as home:
        sweep = await home.start(body())
        await gate.asked.wait()
        # Nothing ends as long as the gate is shut, so that no news of a point brings the state to disk.
        counts = None
        while counts != (1, 1, 2):
            points = (await asyncio.to_thread(home.kept.state, sweep.state.sweep_id)).points
            counts = (points.completed, points.running, points.pending)
        gate.opened.set()
        await sweep.wait()


async def test_sweep_runs_each_point_once_and_leaves_a_table(opened: Opened) -> None:
    module = ScriptedModule(answers=[growth])
    async with opened(module) as home:
        state = await home.run(body(seeds=[1, 2]))
        rows = home.rows(state.sweep_id)
        assert (state.status, state.points.completed, state.points.total) == ("completed", 8, 8)
        assert calls(module) == dict.fromkeys(RATES, 2)
        assert [(row["point"], row["/rate"], row["seed"]) for row in rows[:3]] == [
            ("1", "0.1", "1"),
            ("2", "0.1", "2"),
            ("3", "0.2", "1"),
        ]
        assert rows[3] | {"run_id": ""} == {
            "point": "4", "/rate": "0.2", "seed": "2", "alpha/growth": "0.8", "alpha/growth baseline": "1",
            "alpha/growth change": "-0.2", "status": "completed", "run_id": "", "synthetic": "false", "message": "",
        }  # fmt: skip
        for row in rows:
            record = home.store.record(row["run_id"])
            assert (record.sweep, record.request["inputs"]) == (state.sweep_id, {"rate": float(row["/rate"])})
        assert len(home.store.page(100, where=RunFilter(sweep=state.sweep_id)).runs) == 8


async def test_points_that_fail_are_kept_and_counted_and_only_they_are_run_again(opened: Opened) -> None:
    module = ScriptedModule(answers=[growth_but(0.3)])
    async with opened(module) as home:
        state = await home.run(body())
        assert (state.status, state.points.completed, state.points.failed) == ("failed", 3, 1)
        failed = home.rows(state.sweep_id)[2]
        assert (failed["status"], failed["alpha/growth"]) == ("failed", "")
        assert "a rate is at most 0.5" in failed["message"]
        module.answers[:] = [growth]
        sweep = await home.resume(state.sweep_id)
        await sweep.wait()
        assert (sweep.state.status, sweep.state.points.completed, sweep.state.attempt) == ("completed", 4, 2)
        assert calls(module) == {0.1: 1, 0.2: 1, 0.3: 2, 0.4: 1}
        assert home.rows(state.sweep_id)[2]["run_id"] == failed["run_id"]


async def test_sweep_that_is_completed_is_not_resumed(opened: Opened) -> None:
    async with opened(ScriptedModule(answers=[growth])) as home:
        state = await home.run(body())
        with pytest.raises(ConflictError, match="is completed"):
            await home.resume(state.sweep_id)


async def test_sweep_that_goes_on_is_not_resumed(opened: Opened) -> None:
    async with opened(ScriptedModule(answers=[Gate()])) as home:
        sweep = await home.start(body())
        with pytest.raises(ConflictError, match="is running"):
            await home.resume(sweep.state.sweep_id)
        assert home.kept.state(sweep.state.sweep_id).status == "running"


async def test_sweep_has_no_more_runs_at_once_than_it_asks_for(opened: Opened) -> None:
    under_way: set[float] = set()
    most: list[int] = []
    two_are = asyncio.Event()

    async def answer(request: httpx2.Request) -> httpx2.Response:
        under_way.add(rate_of(request))
        most.append(len(under_way))
        if len(under_way) == 2:
            two_are.set()
        await two_are.wait()
        under_way.discard(rate_of(request))
        return growth(request)

    async with opened(ScriptedModule(answers=[answer]), at_once=4) as home:
        await home.run(body(concurrency=2))
    assert max(most) == 2


async def test_sweep_waits_when_the_queue_is_full(opened: Opened) -> None:
    gate = Gate()
    module = ScriptedModule(answers=[gate, growth])
    async with opened(module, at_once=1, most_waiting=0) as home:
        await home.runs.start(read_sweep(body()).scenario)
        await gate.asked.wait()
        sweep = await home.start(body())
        await sweep.wait(0)
        gate.opened.set()
        await sweep.wait()
        assert sweep.state.status == "completed"


async def test_service_that_stops_leaves_a_sweep_interrupted_and_the_next_goes_on_with_it(opened: Opened) -> None:
    gate = Gate()
    module = ScriptedModule(answers=[growth, gate])
    async with opened(module, at_once=1) as home:
        sweep = await home.start(body())
        await gate.asked.wait()
        sweep_id = sweep.state.sweep_id
    module.answers[:] = [growth]
    async with opened(module) as home:
        left = home.kept.state(sweep_id)
        assert (left.status, left.points.completed, left.points.pending) == ("interrupted", 1, 3)
        again = await home.resume(sweep_id)
        await again.wait()
        assert again.state.status == "completed"
        assert len({row["run_id"] for row in home.rows(sweep_id)}) == 4
        assert len(home.store.page(100).runs) == 4
    # The call that was under way is sent again; no other one is.
    assert calls(module) == {0.1: 1, 0.2: 2, 0.3: 1, 0.4: 1}


async def test_run_that_was_made_but_not_listed_when_its_process_died_is_not_made_again(opened: Opened, tmp_path: Path) -> None:
    gate = Gate()
    module = ScriptedModule(answers=[gate])
    async with opened(module, at_once=1) as home:
        sweep_id = (await home.start(body())).state.sweep_id
        await gate.asked.wait()
        run_id = home.store.page(1).runs[0].run_id
    aside, folder = tmp_path / run_id, tmp_path / "runs" / run_id
    folder.rename(aside)
    module.answers[:] = [growth]
    async with opened(module) as home:
        assert home.store.page(1).runs == []
        aside.rename(folder)
        await (await home.resume(sweep_id)).wait()
        assert len(home.store.page(100).runs) == 4
        assert home.rows(sweep_id)[0]["run_id"] == run_id


async def test_cancelled_sweep_ends_its_runs_and_starts_no_more(opened: Opened) -> None:
    gate = Gate()
    async with opened(ScriptedModule(answers=[growth, gate])) as home:
        sweep = await home.start(body())
        await gate.asked.wait()
        home.kept.ask_to_cancel(sweep.state.sweep_id, "a test")
        await sweep.wait()
        state = sweep.state
        assert state.status == "cancelled"
        assert state.error is not None
        assert "a test" in state.error["message"]
        assert {run.status for run in home.store.page(100).runs} == {"completed", "cancelled"}
        gate.opened.set()
        again = await home.resume(state.sweep_id)
        await again.wait()
        assert again.state.status == "completed"


async def test_scenario_that_cannot_be_planned_leaves_no_sweep(opened: Opened) -> None:
    async with opened(ScriptedModule()) as home:
        with pytest.raises(UnknownModuleError):
            await home.start(body(("nothing",)))
        assert home.kept.ids() == []


async def test_run_that_was_removed_keeps_its_figures_in_the_table(opened: Opened) -> None:
    module = ScriptedModule(answers=[growth_but(0.3)])
    async with opened(module) as home:
        state = await home.run(body())
        home.store.remove(home.rows(state.sweep_id)[0]["run_id"])
        module.answers[:] = [growth]
        again = await home.resume(state.sweep_id)
        await again.wait()
        assert home.rows(state.sweep_id)[0]["alpha/growth"] == "0.9"
        (note,) = again.state.notes
        assert note.startswith("the runs of point 1 are removed or cannot be read")
    assert calls(module)[0.1] == 1


def edited(home: Home, sweep_id: str, number: int, change: Callable[[dict[str, Any]], None]) -> None:
    """Change by hand what a sweep has noted of a point."""
    log = home.folder(sweep_id) / "points.jsonl"
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    for line in lines:
        if line["number"] == number:
            change(line)
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda line: line["figures"][0].update(value=99.5), id="a figure"),
        pytest.param(lambda line: line.update(result="0" * 64), id="the fingerprint"),
        pytest.param(lambda line: line.update(run_id=None), id="no run"),
    ],
)
async def test_edited_point_has_what_its_run_found(opened: Opened, change: Callable[[dict[str, Any]], None]) -> None:
    module = ScriptedModule(answers=[growth_but(0.3)])
    async with opened(module) as home:
        state = await home.run(body())
        rows, noted = home.rows(state.sweep_id), home.kept.outcomes(state.sweep_id, range(1, 5))
        edited(home, state.sweep_id, 2, change)
        again = await home.resume(state.sweep_id)
        await again.wait()
        assert (home.rows(state.sweep_id), home.kept.outcomes(state.sweep_id, range(1, 5))) == (rows, noted)
        assert again.state.notes == ("points.jsonl had something else than the runs of point 2; what the runs found is used",)
    assert calls(module) == {0.1: 1, 0.2: 1, 0.3: 2, 0.4: 1}


async def test_run_of_another_point_is_not_taken_for_that_of_an_edited_one(opened: Opened) -> None:
    async with opened(ScriptedModule(answers=[growth_but(0.3)])) as home:
        state = await home.run(body())
        rows = home.rows(state.sweep_id)
        edited(home, state.sweep_id, 2, lambda line: line.update(run_id=rows[0]["run_id"]))
        await (await home.resume(state.sweep_id)).wait()
        assert home.rows(state.sweep_id) == rows


async def test_failed_point_that_is_noted_as_completed_is_run_again(opened: Opened) -> None:
    module = ScriptedModule(answers=[growth_but(0.3)])
    async with opened(module) as home:
        state = await home.run(body(parameters={"/rate": [0.1, 0.3]}))
        edited(home, state.sweep_id, 2, lambda line: line.update(status="completed", message=""))
        again = await home.resume(state.sweep_id)
        await again.wait()
        assert (again.state.status, again.state.points.completed, again.state.points.failed) == ("failed", 1, 1)
        assert home.rows(state.sweep_id)[1]["status"] == "failed"
    assert calls(module)[0.3] == 2


async def test_sweeps_are_listed_newest_first_and_leave_the_runs_alone(opened: Opened) -> None:
    async with opened(ScriptedModule(answers=[growth])) as home:
        ids = [(await home.run(body(seeds=[seed]))).sweep_id for seed in (1, 2, 3)]
        first, cursor = home.kept.page(2)
        rest, end = home.kept.page(2, cursor)
        assert [state.sweep_id for state in (*first, *rest)] == sorted(ids, reverse=True)
        assert end is None
        assert home.store.left() == set()
        assert not home.store.recover()
        assert len(home.store.page(100).runs) == 12


async def test_state_of_a_sweep_without_its_last_lines_is_read_from_its_points(opened: Opened) -> None:
    async with opened(ScriptedModule(answers=[growth])) as home:
        state = await home.run(body())
        folder = home.folder(state.sweep_id)
        running = json.loads((folder / "sweep.json").read_bytes()) | {"status": "running"}
        (folder / "sweep.json").write_text(json.dumps(running))
        lines = (folder / "points.jsonl").read_bytes().splitlines(keepends=True)
        (folder / "points.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:10])
        left = home.kept.state(state.sweep_id)
        assert (left.status, left.points.completed) == ("interrupted", 2)
        again = await home.resume(state.sweep_id)
        await again.wait()
        assert again.state.status == "completed"
        assert len((folder / "points.jsonl").read_bytes().splitlines()) == 4
        assert len(home.store.page(100).runs) == 4


@pytest.mark.parametrize("name", ["../runs", "sweep_2026", "sweep_2026-01-09T12-34-56Z_ab12cd"])
async def test_sweep_that_is_not_there_is_not_found(opened: Opened, name: str) -> None:
    async with opened(ScriptedModule()) as home:
        with pytest.raises(NotFoundError):
            home.kept.state(name)


@pytest.mark.parametrize("name", ["sweep.json", "request.json"])
async def test_sweep_that_lost_a_file_is_damaged_and_there(opened: Opened, name: str) -> None:
    async with opened(ScriptedModule(answers=[growth_but(0.3)])) as home:
        state = await home.run(body())
        (home.folder(state.sweep_id) / name).unlink()
        reason = rf"sweeps/{state.sweep_id}/{name} is damaged: the file is missing; restore the sweep's folder"
        with pytest.raises(StoreError, match=reason):
            home.kept.table(state.sweep_id) if name == "request.json" else home.kept.state(state.sweep_id)
        with pytest.raises(StoreError, match=reason):
            await home.resume(state.sweep_id)


@pytest.mark.parametrize("status", ["completed", "running"])
async def test_lost_log_of_the_points_is_made_again_from_their_runs(opened: Opened, status: str) -> None:
    module = ScriptedModule(answers=[growth])
    async with opened(module) as home:
        state = await home.run(body())
        folder, rows = home.folder(state.sweep_id), home.rows(state.sweep_id)
        # `running` stands there after a kill.
        (folder / "sweep.json").write_text(json.dumps(json.loads((folder / "sweep.json").read_bytes()) | {"status": status}))
        (folder / "points.jsonl").unlink()
        with pytest.raises(
            StoreError, match=f"points.jsonl is damaged: the file is missing; `ops sweep resume {state.sweep_id}`"
        ):
            home.kept.outcomes(state.sweep_id, range(1, 5)) if status == "completed" else home.kept.state(state.sweep_id)
        again = await home.resume(state.sweep_id)
        await again.wait()
        assert (again.state.status, home.rows(state.sweep_id)) == ("completed", rows)
    assert calls(module) == dict.fromkeys(RATES, 1)


async def test_damaged_sweep_is_said_to_be(opened: Opened) -> None:
    async with opened(ScriptedModule(answers=[growth])) as home:
        state = await home.run(body())
        (home.folder(state.sweep_id) / "sweep.json").write_text("{}")
        with pytest.raises(StoreError, match=r"sweep\.json is damaged"):
            home.kept.state(state.sweep_id)


async def test_sweep_whose_end_cannot_be_written_says_why_and_goes_on_later(opened: Opened) -> None:
    gate = Gate()
    module = ScriptedModule(answers=[growth, gate])
    async with opened(module) as home:
        sweep_id = (await home.start(body())).state.sweep_id
        await gate.asked.wait()
        obstacle = home.folder(sweep_id) / "sweep.json.part"
        obstacle.mkdir()
        gate.opened.set()
        await home.found(sweep_id).wait()
        state = await home.sweeps.state(sweep_id)
        assert (state.status, state.error is not None) == ("errored", True)
        reason = f"cannot write in {home.folder(sweep_id)}: Is a directory; when that is repaired, `ops sweep resume"
        assert reason in str(state.error)
        with pytest.raises(StoreError, match=r"cannot write in .+: Is a directory"):
            await home.resume(sweep_id)
        # A process that did not see it knows at least what to do.
        assert f"`ops sweep resume {sweep_id}` goes on with it" in str(home.kept.state(sweep_id).error)
        obstacle.rmdir()
        module.answers[:] = [growth]
        await (await home.resume(sweep_id)).wait()
        ended = await home.sweeps.state(sweep_id)
        assert (ended.status, ended.error, ended.points.completed) == ("completed", None, 4)


def test_sweep_that_cannot_be_made_leaves_no_folder(tmp_path: Path) -> None:
    request = read_sweep(body())
    kept = SweepStore(FolderPlace(tmp_path, FullDisk()))
    state = SweepState.begun(new_sweep_id(), request)
    with pytest.raises(StoreError, match="No space left on device") as raised:
        kept.create(state, body())
    # The service tells how to make room when this is the cause.
    assert isinstance(raised.value.__cause__, OSError)
    assert kept.ids() == []
