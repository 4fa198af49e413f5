"""What is on disk when the service says so, seen from outside: its system calls while it answers requests."""

import json
import signal
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from local_service import HTTP, ROOT, command, service, stub_addresses
from run_records import begin
from system_calls import FLUSHES, SystemCall, on_disk, read_calls, strace

from ops_orchestrator.runs.events import StepStarted
from ops_orchestrator.runs.run_file import RunFile
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.sqlite_index import SqliteIndex
from ops_orchestrator.service.routes.prefer import Preference
from ops_orchestrator.service.run_answer import answer_when_over

pytestmark = pytest.mark.slow

EXAMPLE = ROOT / "examples" / "plan_and_execute.request.json"


@dataclass(frozen=True)
class TracedRun:
    """A run: its folder, the status of the answer, and the system calls of the service, which executed no run before it."""

    folder: Path
    status: int
    calls: list[SystemCall]

    @property
    def files(self) -> set[str]:
        """The files in the folder."""
        return {str(path) for path in self.folder.rglob("*") if path.is_file()}

    @property
    def everything(self) -> set[str]:
        """All files and folders of the run, its own folder, and the one in which that is an entry."""
        return {str(path) for path in (self.folder.parent, self.folder, *self.folder.rglob("*"))}

    @property
    def log_lines(self) -> list[SystemCall]:
        """The writes to the run's log, also before its folder was in place."""
        return [call for call in self.calls if call.name == "write" and call.path.endswith("/logs.jsonl")]

    @property
    def in_place(self) -> SystemCall:
        """The rename that put the run's folder into place."""
        return self._rename(str(self.folder))

    @property
    def over(self) -> SystemCall:
        """The rename that put the run.json into place that says that the run is over: there is no other."""
        return self._rename(f"{self.folder}/run.json")

    @property
    def module_calls(self) -> list[SystemCall]:
        """The requests that the service sent."""
        return [call for call in self.calls if call.text and call.text[0].startswith(("GET ", "POST "))]

    @property
    def answered(self) -> int:
        """When the answer began to leave the service."""
        answer = f"HTTP/1.1 {self.status} "
        return next(call.began for call in self.calls if call.text and call.text[0].startswith(answer))

    def _rename(self, target: str) -> SystemCall:
        (found,) = [call for call in self.calls if call.name.startswith("rename") and call.text[1] == target]
        return found


def flushed(calls: Iterable[SystemCall], before: int) -> set[str]:
    """Files and folders that a power cut at `before` leaves as they were then."""
    return {path for path, found in on_disk(calls, before).items() if found.flushed is not None}


def traced_run(home: Path, stubs: str, preference: str = "wait=600", **settings: str) -> TracedRun:
    """Run the example in a service of its own, to the end."""
    variables = {"OPS_MODULES_FILE": str(ROOT / "modules.yaml"), "OPS_RUNS_DIR": str(home / "runs"), **stub_addresses(stubs)}
    words = (*strace(home / "trace"), command("ops"), "serve", "--port", "0")
    with service(home, *words, **variables, **settings) as (process, url):
        headers = {"Content-Type": "application/json", "Prefer": preference}
        answer = HTTP.post(f"{url}/plan_and_execute", content=EXAMPLE.read_bytes(), headers=headers)
        run_id = answer.json()["run_id"]
        # The stream of events ends with the run.
        assert '"status":"completed"' in HTTP.get(f"{url}/runs/{run_id}/events").text
        process.send_signal(signal.SIGTERM)
        process.wait()
    return TracedRun(home / "runs" / run_id, answer.status_code, read_calls(home / "trace", process.pid))


@pytest.fixture(scope="module", params=["syncfs", "fsync"])
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, stubs: str, method: str) -> TracedRun:
    """A run whose answer was waited for."""
    return traced_run(tmp_path_factory.mktemp(method), stubs, OPS_SYNC=method)


def test_answer_is_sent_after_every_file_and_folder_of_the_run_and_its_entry_were_flushed(traced: TracedRun) -> None:
    assert traced.status == 200
    assert traced.everything <= flushed(traced.calls, traced.answered)


def test_run_shares_two_flushes_of_the_file_system(traced: TracedRun, method: str) -> None:
    flushes = [call for call in traced.calls if call.name == "syncfs" and call.returned < traced.answered]
    assert len(flushes) == (2 if method == "syncfs" else 0)


def test_record_that_says_that_a_run_is_over_comes_after_all_else_was_flushed(traced: TracedRun) -> None:
    assert traced.files - {f"{traced.folder}/run.json"} <= flushed(traced.calls, traced.over.began)


@pytest.mark.parametrize("step", ["policy-simulator", "strategy-agent"])
def test_files_of_a_step_are_in_place_before_the_log_says_that_it_is_completed(traced: TracedRun, step: str) -> None:
    (claim,) = [line for line in traced.log_lines if '"step.completed"' in line.text[0] and f'"step":"{step}"' in line.text[0]]
    claimed = {path for path in traced.files if f"/artifacts/{step}/" in path or f"-{step}/" in path}
    assert {Path(path).name for path in claimed} > {"request.json", "response.json", "result.json"}
    then, in_the_end = on_disk(traced.calls, claim.began), on_disk(traced.calls, traced.answered)
    assert {path: then[path].changed for path in claimed if path in then} == {
        path: in_the_end[path].changed for path in claimed
    }


def test_no_module_is_called_before_the_folder_of_the_run_is_in_place_with_its_first_line(traced: TracedRun) -> None:
    first = traced.log_lines[0]
    assert '"event":"run.queued"' in first.text[0]
    assert first.returned < traced.in_place.began
    assert traced.in_place.returned < min(call.began for call in traced.module_calls)


def test_every_file_of_a_run_is_written_by_one_call_and_every_folder_is_made_by_one(traced: TracedRun) -> None:
    of_the_run = [call for call in traced.calls if traced.folder.name in (call.path or call.text[0])]
    written = Counter(call.path for call in of_the_run if call.name == "write" and not call.path.endswith("/logs.jsonl"))
    made = Counter(call.text[0] for call in of_the_run if call.name.startswith("mkdir"))
    assert len(written) > len(made) > 3
    assert {*written.values(), *made.values()} == {1}


def test_answer_that_a_run_goes_on_is_sent_after_its_folder_was_flushed(tmp_path: Path, stubs: str, method: str) -> None:
    run = traced_run(tmp_path, stubs, preference="respond-async", OPS_SYNC=method)
    assert run.status == 202
    # The run goes on meanwhile: what counts is what it had when its folder was put into place.
    of_the_new_run = [call for call in run.calls if call.returned <= run.in_place.returned or call.name in FLUSHES]
    names = ("run.json", "modules.json", "logs.jsonl", "artifacts", "steps")
    acknowledged = {str(path) for path in (run.folder.parent, run.folder, *(run.folder / name for name in names))}
    assert acknowledged <= flushed(of_the_new_run, run.answered)


def test_service_that_leaves_it_to_the_operating_system_flushes_nothing_of_a_run(tmp_path: Path, stubs: str) -> None:
    run = traced_run(tmp_path, stubs, OPS_DURABILITY="os")
    assert (run.status, json.loads((run.folder / "run.json").read_bytes())["durability"]) == (200, "os")
    flushes = [call for call in run.calls if call.name in FLUSHES and call.began > run.in_place.began]
    # SQLite flushes the index when it is closed.
    assert all("/.index.sqlite3" in call.path and call.began > run.answered for call in flushes)


class KeptFlushes:
    """A Sync that keeps what it is to flush."""

    def __init__(self) -> None:
        self.paths: list[set[str]] = []

    def flush(self, paths: Iterable[str]) -> None:
        """See Sync."""
        self.paths.append(set(paths))

    def close(self) -> None:
        """See Sync."""


async def test_folder_that_was_flushed_is_flushed_again_when_a_file_is_added(tmp_path: Path) -> None:
    sync = KeptFlushes()
    started = StepStarted(step="alpha", module="alpha", url="http://a", ready_timeout_s=0.0)
    with closing(FolderStore(tmp_path, SqliteIndex.open(tmp_path), sync)) as store:
        run = await begin(store)
        for path in ("steps/1-alpha/attempts/1/request.json", "steps/1-alpha/request.json"):
            await run.recorder.add(started, [RunFile.of(path, b"{}")])
            await run.recorder.durable()
        await run.die()
        assert str(store.location(run.recorder.record.run_id) / "steps/1-alpha") in sync.paths[1]


async def test_answer_about_a_run_that_another_process_writes_comes_after_all_that_it_has_was_flushed(tmp_path: Path) -> None:
    sync = KeptFlushes()
    with (
        closing(FolderStore.open(tmp_path, durability="os")) as store,
        closing(FolderStore(tmp_path, SqliteIndex.open(tmp_path), sync)) as other,
    ):
        run = await begin(store)
        await run.complete()
        await run.die()
        answer = await answer_when_over(other.record(run.recorder.record.run_id), other, Preference())
        folder = store.location(run.recorder.record.run_id)
    assert answer.status_code == 202
    assert sync.paths[0] >= {str(path) for path in (tmp_path, folder, *folder.rglob("*"))}
