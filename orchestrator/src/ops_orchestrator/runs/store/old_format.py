"""Ends a run that version 0.1.0 left: its log does not tell everything, so that its record counts."""

import hashlib
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from ops_orchestrator.runs.document_fields import Error, Time
from ops_orchestrator.runs.events import Event, RunEnded, interrupted
from ops_orchestrator.runs.json_text import json_document
from ops_orchestrator.runs.record import LOGS, MANIFEST, RECORD, RunRecord
from ops_orchestrator.runs.run_file import FileRef
from ops_orchestrator.runs.run_state import ended, fingerprints_of
from ops_orchestrator.runs.store.lease import FolderLease
from ops_orchestrator.runs.store.plain_file import all_files_in, open_below, read_below
from ops_orchestrator.runs.store.run_folder import STAGING, RunFolder, write_all
from ops_orchestrator.runs.store.stored_log import LARGEST_DOCUMENT_BYTES
from ops_orchestrator.runs.store.sync import Sync


class _LastLine(BaseModel):
    """The line of a log that says how the run ended."""

    event: Literal["run.ended"]
    status: Literal["completed", "failed", "errored", "cancelled", "interrupted"]
    error: Error | None = None
    timestamp: Time


def end_old_run(store: Path, record: RunRecord, lease: FolderLease, sync: Sync) -> RunRecord:
    """End a run whose lease is held: as its log says when it got that far, else as interrupted.

    Raises NotPlainError before anything is written when there is anything but plain files and folders, and OSError.
    """
    run_id = record.run_id
    names = [name for name in all_files_in(store, run_id) if name not in (RECORD, MANIFEST) and not name.startswith(STAGING)]
    what, at = _end(store, run_id, lease)
    what = replace(what, fingerprints=fingerprints_of(record, what.status))
    final = ended(record, what, at)
    folder = RunFolder(store / run_id, lease, files=[_ref(store, run_id, name) for name in names])
    folder.seal(json_document(final))
    sync.flush(folder.paths())
    folder.conclude()
    sync.flush(folder.last_paths())
    return final


def _end(store: Path, run_id: str, lease: FolderLease) -> tuple[RunEnded, str]:
    """How and when a dead run ended; that it was interrupted is added to its log."""
    complete, _, torn = read_below(store, f"{run_id}/{LOGS}", LARGEST_DOCUMENT_BYTES).rpartition(b"\n")
    with suppress(ValidationError):
        last = _LastLine.model_validate_json(complete.rpartition(b"\n")[2])
        return RunEnded(status=last.status, error=last.error), last.timestamp
    # One line an event, and no numbers: they are counted.
    event = Event(run_id=run_id, seq=complete.count(b"\n") + 2, what=interrupted())
    os.lseek(lease.log.fileno(), 0, os.SEEK_END)
    # A crash may have torn the last line; what follows gets a line of its own.
    write_all(lease.log.fileno(), (b"\n" if torn else b"") + event.as_line())
    return interrupted(), event.at


def _ref(store: Path, run_id: str, name: str) -> FileRef:
    with open_below(store, f"{run_id}/{name}") as file:
        return FileRef(name, hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size)
