"""What is on disk when the service says so, seen from outside: its system calls while it answers one request."""

import signal
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from local_service import ROOT, command, service, stub_addresses
from system_calls import SystemCall, on_disk, read_calls, strace

EXAMPLE = ROOT / "examples" / "plan_and_execute.request.json"


@dataclass(frozen=True)
class TracedRun:
    """A run that was answered synchronously: its folder, the files in it, and the system calls of the service."""

    folder: Path
    files: set[str]
    calls: list[SystemCall]

    @property
    def log_lines(self) -> list[SystemCall]:
        """The writes to the run's log."""
        return [call for call in self.calls if call.name == "write" and call.path.endswith("/logs.jsonl")]

    @property
    def records(self) -> list[SystemCall]:
        """The renames that put a new run.json into place."""
        return [call for call in self.calls if call.name.startswith("rename") and call.text[1].endswith("/run.json")]

    @property
    def answered(self) -> int:
        """When the answer began to leave the service."""
        (answer,) = [call for call in self.calls if call.text and call.text[0].startswith("HTTP/1.1 200 ")]
        return answer.began

    def flushed(self, before: int) -> set[str]:
        """Files and folders that a power cut at `before` leaves as they were then."""
        return {path for path, found in on_disk(self.calls, before).items() if found.flushed is not None}


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, stubs: str) -> TracedRun:
    home = tmp_path_factory.mktemp("traced")
    variables = {"OPS_MODULES_FILE": str(ROOT / "modules.yaml"), "OPS_RUNS_DIR": str(home / "runs"), **stub_addresses(stubs)}
    words = (*strace(home / "trace"), command("ops"), "serve", "--port", "0")
    with service(home, *words, **variables) as (process, url):
        headers = {"Content-Type": "application/json"}
        answer = httpx2.post(f"{url}/plan_and_execute", content=EXAMPLE.read_bytes(), headers=headers, timeout=None)
        process.send_signal(signal.SIGTERM)
        process.wait()
    assert answer.json()["status"] == "completed"
    folder = home / "runs" / answer.json()["run_id"]
    files = {str(path) for path in folder.rglob("*") if path.is_file()}
    return TracedRun(folder, files, read_calls(home / "trace", process.pid))


def test_answer_is_sent_after_every_file_and_the_folder_of_the_run_were_flushed(traced: TracedRun) -> None:
    assert traced.files | {str(traced.folder)} <= traced.flushed(traced.answered)


def test_record_that_says_that_a_run_is_over_comes_after_all_else_was_flushed(traced: TracedRun) -> None:
    last = traced.records[-1]
    assert traced.files - {str(traced.folder / "run.json")} <= traced.flushed(last.began)


@pytest.mark.parametrize("step", ["policy-simulator", "strategy-agent"])
def test_files_of_a_step_are_in_place_before_the_log_says_that_it_is_completed(traced: TracedRun, step: str) -> None:
    (claim,) = [line for line in traced.log_lines if '"step.completed"' in line.text[0] and f'"step":"{step}"' in line.text[0]]
    claimed = {path for path in traced.files if f"/artifacts/{step}/" in path or f"-{step}/" in path}
    assert {Path(path).name for path in claimed} > {"request.json", "response.json"}
    then, in_the_end = on_disk(traced.calls, claim.began), on_disk(traced.calls, traced.answered)
    assert {path: then[path].changed for path in claimed if path in then} == {
        path: in_the_end[path].changed for path in claimed
    }


def test_record_follows_the_line_of_the_log_that_tells_of_the_same_event(traced: TracedRun) -> None:
    assert len(traced.records) > 2
    # The nth record holds the first n events or more, so at least n lines come before it.
    assert all(line.returned < record.began for line, record in zip(traced.log_lines, traced.records, strict=False))
