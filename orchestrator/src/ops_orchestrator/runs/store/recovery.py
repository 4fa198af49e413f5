"""What a dead service left in a folder of runs: runs that never ended, and folders that were never finished."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ValidationError

from ops_orchestrator.runs.document_fields import Error, Time
from ops_orchestrator.runs.events import Event, RunEnded, interrupted
from ops_orchestrator.runs.record import LOGS, RunRecord, ended
from ops_orchestrator.runs.store.lease import FolderLease
from ops_orchestrator.runs.store.plain_file import open_below, read_all
from ops_orchestrator.runs.store.reading import LARGEST_DOCUMENT_BYTES
from ops_orchestrator.runs.store.writer import seal, unfinished_path

_LONGEST_CREATION_S: Final = 60.0


class _LastLine(BaseModel):
    """The line of a log that says how the run ended."""

    event: Literal["run.ended"]
    status: Literal["completed", "failed", "errored", "cancelled", "interrupted"]
    error: Error | None = None
    timestamp: Time


@contextmanager
def lease_of_the_dead(folder: Path) -> Iterator[FolderLease | None]:
    """The lease of a run, released at the end; None while the process that executes it lives, or when there is no log."""
    try:
        lease = FolderLease.take(folder / LOGS)
    except FileNotFoundError:
        lease = None
    try:
        yield lease
    finally:
        if lease is not None:
            lease.release()


def end_dead_run(folder: Path, record: RunRecord) -> RunRecord:
    """End a run whose lease is held: as its log says when it got that far, else as interrupted. Raises OSError."""
    final = ended(record, *_end(folder / LOGS, record.run_id))
    seal(folder, final, {})
    return final


def clear_unfinished(store: Path) -> None:
    """Remove the folders that a dead service was making."""
    for folder in store.glob(unfinished_path(store / "run_*").name):
        with suppress(OSError), lease_of_the_dead(folder) as lease:
            # Without a log yet, it is just being made, or a crash left it: its age decides.
            old = time.time() - folder.stat().st_mtime > _LONGEST_CREATION_S
            if lease is not None or (old and not (folder / LOGS).exists()):
                shutil.rmtree(folder, ignore_errors=True)


def _end(log: Path, run_id: str) -> tuple[RunEnded, datetime]:
    """How and when a dead run ended; that it was interrupted is added to its log."""
    with open_below(log.parent.parent, f"{log.parent.name}/{log.name}", to_change=True) as file:
        complete, _, torn = read_all(file, LOGS, LARGEST_DOCUMENT_BYTES).rpartition(b"\n")
        with suppress(ValidationError):
            last = _LastLine.model_validate_json(complete.rpartition(b"\n")[2])
            return RunEnded(status=last.status, error=last.error), datetime.fromisoformat(last.timestamp)
        # One line an event: also logs of version 0.1.0, whose lines have no numbers, are numbered by counting.
        event = Event(run_id=run_id, seq=complete.count(b"\n") + 2, what=interrupted())
        # A crash may have torn the last line; what follows gets a line of its own.
        file.write((b"\n" if torn else b"") + event.as_line())
    return interrupted(), event.at
