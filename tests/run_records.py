"""Runs for tests of what keeps and lists them: their records, and their folders, written by the real store."""

import asyncio
import json
from collections.abc import Coroutine
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from scripted_module import demo, envelope

from ops_contract import SuccessEnvelope, validate
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.attempt import Answered
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.module import Module
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.planning.steps import Step
from ops_orchestrator.runs.active_run import Work
from ops_orchestrator.runs.events import Event, ExchangeRecord, Occurrence, RunEnded, StepCompleted, StepStarted
from ops_orchestrator.runs.provenance import step_fingerprint
from ops_orchestrator.runs.record import RECORD, RunRecord
from ops_orchestrator.runs.recorder import Recorder
from ops_orchestrator.runs.run_state import RunState
from ops_orchestrator.runs.step_files import completed_files, step_results
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.protocols import RunStore, RunWriter

RUN_ID = "run_2026-01-09T12-34-56Z_ab12cd"
GOOD = "run_2026-01-09T12-34-57Z_000000"
_MODULES = b'{"modules": {}}\n'

Result = TypeVar("Result")


def record(number: int, scenario_id: str = "demo", status: str = "completed") -> RunRecord:
    """The record of run `number`, the higher the later."""
    return RunRecord.model_validate(
        {
            "run_id": f"run_{number}",
            "status": status,
            "request": {"scenario_id": scenario_id, "modules": ["alpha"], "inputs": {}, "run_options": {}},
            "plan": [],
            "started_at": f"2026-01-09T12:{number // 60:02}:{number % 60:02}.000Z",
            "versions": {},
            "steps": [],
        }
    )


@dataclass(frozen=True)
class OpenRun:
    """A run under way: what it is made from, who records it, and who writes it."""

    work: Work
    recorder: Recorder
    writer: RunWriter

    async def complete(self, number: int = 1, **outputs: Any) -> None:
        """Complete step `number`, whose module answers `outputs`."""
        step = self.work.plan.steps[number - 1]
        answered = _answered(step, outputs)
        results = step_results(step, answered, keep_artifacts=True)
        files = completed_files(step, answered, results, keep_artifacts=True)
        completed = StepCompleted(
            step=step.id,
            module=step.module.name,
            attempts=1,
            exchange=ExchangeRecord.of(answered.exchange),
            result=step_fingerprint(results, ()),
            module_version="1.2.3",
            files=tuple(file.ref for file in files),
        )
        await self.start_step(number)
        await self.recorder.add(completed, files, results)

    async def start_step(self, number: int = 1) -> None:
        """Begin step `number`."""
        step = self.work.plan.steps[number - 1]
        await self.recorder.add(StepStarted(step=step.id, module=step.module.name, url="http://a", ready_timeout_s=0.0))

    async def die(self) -> None:
        """Leave the run as a service that dies: its lock ends with the process, and nothing else can be seen of it."""
        await self.recorder.durable()
        await self.writer.abandon()


def first_events(
    *modules: str, run_id: str = RUN_ID, scenario_id: str = "demo", at: str = "2026-01-09T12:34:56.000Z"
) -> tuple[Work, list[Event]]:
    """What is executed, and the events of a run whose execution has begun."""
    names = modules or ("alpha",)
    scenario = demo(*names).model_copy(update={"scenario_id": scenario_id})
    registered = {name: Module(name=name, url=f"http://{name}.test") for name in names}
    work = Work(scenario, plan(scenario, Catalogue(registered)), _MODULES)
    occurrences: list[Occurrence] = [work.queued({}), work.started()]
    return work, [Event(run_id=run_id, seq=seq, at=at, what=what) for seq, what in enumerate(occurrences, start=1)]


async def begin(
    store: RunStore, *modules: str, run_id: str = RUN_ID, scenario_id: str = "demo", at: str = "2026-01-09T12:34:56.000Z"
) -> OpenRun:
    """A new run, whose execution has begun."""
    work, events = first_events(*modules, run_id=run_id, at=at, scenario_id=scenario_id)
    state = RunState.of(events)
    writer = await store.create(events, state.record, _MODULES)
    return OpenRun(work, Recorder(writer, state), writer)


async def keep(store: RunStore, run_id: str = RUN_ID, **fields: str) -> None:
    """A run that is completed."""
    run = await begin(store, run_id=run_id, **fields)
    await run.complete()
    await run.recorder.end(RunEnded(status="completed"))


async def hold_record(store: RunStore, record: RunRecord) -> RunWriter:
    """A run whose record is `record`, whatever that says; it is held until the writer is abandoned."""
    return await store.create(first_events(run_id=record.run_id, at=record.started_at)[1], record, _MODULES)


def keep_record(store: RunStore, record: RunRecord) -> None:
    """Keep a run whose record is `record`, which nobody holds any more."""

    async def work() -> None:
        await (await hold_record(store, record)).abandon()

    wait_for(work())


def make_folders(store: Path, count: int) -> list[str]:
    """Make so many folders of completed runs in `store`, which no index knows; returns the run ids, newest first."""
    text = record(1).model_dump_json()
    run_ids = [f"run_2026-01-09T12-{number // 60:02}-{number % 60:02}Z_{number:06x}" for number in range(count)]
    for run_id in run_ids:
        (store / run_id).mkdir(parents=True)
        (store / run_id / RECORD).write_text(text.replace('"run_1"', f'"{run_id}"'))
    return run_ids[::-1]


def store_two_runs(folder: Path) -> None:
    """Keep the runs RUN_ID and GOOD, both completed, in the store `folder`."""
    with closing(FolderStore.open(folder)) as store:
        for run_id in (RUN_ID, GOOD):
            wait_for(keep(store, run_id))


def leave(folder: Path) -> None:
    """Make of a run that is over one that a dead service left after its last step."""
    log = folder / "logs.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    for name in ("results.json", "manifest-sha256.txt"):
        (folder / name).unlink()
    file = folder / "run.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {"status": "running", "finished_at": None}))


def contents(folder: Path) -> dict[str, bytes | None]:
    """The content of each file below `folder`, by its path; None for a folder."""
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")}


def wait_for(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, in a test that is not asynchronous itself."""
    return asyncio.run(work)


def _answered(step: Step, outputs: dict[str, Any]) -> Answered:
    found = validate(SuccessEnvelope, envelope(step.module.name, outputs=outputs), "envelope")
    exchange = Exchange(
        method="POST",
        url="http://a",
        request_headers={},
        request=b"{}",
        status=200,
        headers={"content-type": "application/json"},
        response=b"{}",
    )
    return Answered(exchange, found, (), 0)
