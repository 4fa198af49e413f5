"""All runs on disk: creates, finds, lists and recovers run folders. Blocking; the event loop goes through `to_thread`."""

import base64
import binascii
import fcntl
import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Final, Self, TypeVar

from pydantic import ValidationError

from ops_contract import Problem
from ops_orchestrator.errors import ConfigurationError, InvalidRequestError, NotFoundError, StoreError
from ops_orchestrator.runs.events import RunEnded, RunStarted, interrupted, log_line, now
from ops_orchestrator.runs.record import LOGS, RECORD, RESULTS, ArtifactRecord, Results, RunRecord, ended
from ops_orchestrator.runs.store.sqlite_index import Position, RunIndex
from ops_orchestrator.runs.store.writer import NEW_PREFIX, RunFolder, conclude, json_line

_RUN_ID: Final = re.compile(r"run_[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}Z_[0-9a-f]{6}")
"""The seed's form: run_2026-01-09T12-34-56Z_ab12cd. Safe as a name of a folder."""

_ROOM_FOR_A_RUN_BYTES: Final = 64 * 1024
_LONGEST_CREATION_S: Final = 60.0

Document = TypeVar("Document", RunRecord, Results)


@dataclass(frozen=True)
class Page:
    """Part of the list of runs, newest first; `next_cursor` is None on the last."""

    runs: list[RunRecord]
    next_cursor: str | None


class RunStore:
    """The run folders below one folder. Raises StoreError when it cannot be read or written."""

    def __init__(self, folder: Path, index: RunIndex) -> None:
        self.folder = folder
        self._index = index

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The store in `folder`, made when missing; its index is brought up to date."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            store = cls(folder, RunIndex.open(folder))
            store._refresh()
        except OSError as error:
            raise StoreError(f"cannot open the run store {folder}: {error.strerror}; set OPS_RUNS_DIR") from error
        return store

    @classmethod
    def existing(cls, folder: Path) -> Self:
        """The store in `folder`, for those who only read. Raises ConfigurationError when there is none."""
        if not folder.is_dir():
            raise ConfigurationError(f"there is no run store at {folder}; change into the project's folder or set OPS_RUNS_DIR")
        return cls.open(folder)

    def close(self) -> None:
        """Close the index."""
        self._index.close()

    def unwritable(self) -> str | None:
        """Why no run can be stored now, in a sentence; None when one can."""
        try:
            with tempfile.TemporaryFile(dir=self.folder) as file:
                file.write(bytes(_ROOM_FOR_A_RUN_BYTES))
                file.flush()
                return None
        except OSError as error:
            return f"the run store {self.folder} cannot be written as user {os.getuid()}: {error.strerror}"

    def create(self, started: RunStarted) -> RunFolder:
        """Make the folder of a new run, under a fresh id when the event's is taken."""
        while True:
            try:
                folder = RunFolder.create(self.folder / started.run_id, started)
            except FileExistsError:
                started = replace(started, run_id=new_run_id())
            except OSError as error:
                raise StoreError(f"cannot write a run in {self.folder}: {error.strerror}") from error
            else:
                self._index.put([folder.state.record])
                return folder

    def ended(self, run_id: str) -> None:
        """Note in the index how a run ended: what is on disk counts, which a full disk may keep at `running`."""
        if record := self._try_record(run_id):
            self._index.put([record])

    def record(self, run_id: str) -> RunRecord:
        """run.json of a run. Raises NotFoundError, StoreError."""
        return self._parsed(RunRecord, run_id, RECORD)

    def results(self, run_id: str) -> Results:
        """results.json of a run. Raises NotFoundError, StoreError."""
        return self._parsed(Results, run_id, RESULTS)

    def document(self, run_id: str, name: str) -> bytes:
        """The bytes of one of a run's documents. Raises NotFoundError."""
        try:
            return (self._path(run_id) / name).read_bytes()
        except FileNotFoundError as error:
            there = self._path(run_id).is_dir()
            message = f"{run_id} has no {name}." if there else f"There is no run {run_id}. GET /runs lists those there are."
            raise NotFoundError(message) from error
        except OSError as error:
            raise StoreError(f"cannot read {name} of {run_id}: {error.strerror}") from error

    def artifact(self, run_id: str, step: str, name: str) -> tuple[ArtifactRecord, Path]:
        """A stored artifact and its file. It is looked up in the results, never built from `name`. Raises NotFoundError."""
        results = self.results(run_id)
        known = {artifact.name: artifact for artifact in results.steps[step].artifacts} if step in results.steps else {}
        artifact = known.get(name)
        if artifact is None:
            raise NotFoundError(f"{run_id} has no artifact {name!r} of a step {step!r}. GET /runs/{run_id}/results names them.")
        if artifact.path is None:
            raise NotFoundError(f"{run_id} was made with save_artifacts false: only the hash of {name!r} was kept.")
        path = self._path(run_id) / artifact.path
        if not path.is_file():
            raise NotFoundError(f"The file of {name!r} is gone from {run_id}; its manifest says what it was.")
        return artifact, path

    def page(self, limit: int, cursor: str | None = None, scenario_id: str | None = None, status: str | None = None) -> Page:
        """Up to `limit` runs, newest first. Raises InvalidRequestError for a cursor that this store did not give."""
        after = _position(cursor) if cursor else None
        found = self._index.page(limit + 1, scenario_id, status, after)
        runs = [record for position in found[:limit] if (record := self._try_record(position.run_id))]
        return Page(runs, _cursor(found[limit - 1]) if len(found) > limit else None)

    def recover(self) -> dict[str, OSError | None]:
        """Mark runs as interrupted that a dead service left running; by run id, why that could not be done, or None."""
        for unfinished in self.folder.glob(f"{NEW_PREFIX}run_*"):
            self._clear_if_dead(unfinished)
        recovered: dict[str, OSError | None] = {}
        for run_id in sorted(self._index.run_ids("running")):
            try:
                if self._end_if_dead(run_id):
                    recovered[run_id] = None
            except OSError as error:
                recovered[run_id] = error
        return recovered

    def _refresh(self) -> None:
        """Bring the index up to date with folders that came or went while nobody looked."""
        there = {entry.name for entry in os.scandir(self.folder) if _RUN_ID.fullmatch(entry.name)}
        known = self._index.run_ids()
        self._index.drop(known - there)
        self._index.put(record for run_id in there - known if (record := self._try_record(run_id)))

    def _end_if_dead(self, run_id: str) -> bool:
        folder = self._path(run_id)
        with _lock_if_dead(folder) as log:
            # Read under the lock: the record of a run that just ended is final.
            record = self._try_record(run_id)
            if log is None or record is None:
                return False
            left_running = record.status == "running"
            if left_running:
                record = ended(record, _end_in_log(log, run_id))
                conclude(folder, record, {})
        self._index.put([record])
        return left_running

    def _clear_if_dead(self, unfinished: Path) -> None:
        with suppress(OSError), _lock_if_dead(unfinished) as log:
            # Without a log yet, it is just being made, or a crash left it: its age tells.
            old = time.time() - unfinished.stat().st_mtime > _LONGEST_CREATION_S
            if log is not None or (old and not (unfinished / LOGS).exists()):
                shutil.rmtree(unfinished, ignore_errors=True)

    def _try_record(self, run_id: str) -> RunRecord | None:
        # A folder whose record is damaged or being removed must not take the list of all others down.
        try:
            return self.record(run_id)
        except (NotFoundError, StoreError):
            return None

    def _parsed(self, model: type[Document], run_id: str, name: str) -> Document:
        try:
            return model.model_validate_json(self.document(run_id, name))
        except ValidationError as error:
            raise StoreError(f"{self._path(run_id) / name} is damaged: {error.errors()[0]['msg']}") from error

    def _path(self, run_id: str) -> Path:
        if not _RUN_ID.fullmatch(run_id):
            raise NotFoundError(f"{run_id!r} is not the id of a run. GET /runs lists those there are.")
        return self.folder / run_id


@contextmanager
def _lock_if_dead(folder: Path) -> Iterator[IO[bytes] | None]:
    """The log of a run, locked, or None while the process that executes it lives, or when there is none."""
    try:
        log = (folder / LOGS).open("r+b")
    except FileNotFoundError:
        yield None
        return
    with log:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield log


def _end_in_log(log: IO[bytes], run_id: str) -> RunEnded:
    """How a dead run ended: as its log says when it got that far, else interrupted, which is then added to the log."""
    complete, _, torn = log.read().rpartition(b"\n")
    with suppress(ValueError, LookupError):
        told = json.loads(complete.rpartition(b"\n")[2])
        if told["event"] == RunEnded.name:
            return RunEnded(status=told["status"], error=told.get("error"), at=datetime.fromisoformat(told["timestamp"]))
    event = interrupted()
    # A crash may have torn the last line; what follows gets a line of its own.
    log.write((b"\n" if torn else b"") + json_line(log_line(event, run_id)))
    log.flush()
    return event


def new_run_id() -> str:
    """A fresh run id in the seed's form."""
    return f"run_{now():%Y-%m-%dT%H-%M-%SZ}_{secrets.token_hex(3)}"


def _cursor(position: Position) -> str:
    return base64.urlsafe_b64encode(f"{position.started_at} {position.run_id}".encode()).decode().rstrip("=")


def _position(cursor: str) -> Position:
    try:
        started_at, run_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii").split(" ")
    except (binascii.Error, ValueError) as error:
        problem = Problem("cursor", "is not a cursor of this list")
        raise InvalidRequestError("Take cursor from next_cursor of the page before, or leave it out.", [problem]) from error
    return Position(started_at, run_id)
