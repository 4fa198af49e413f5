"""All runs on disk: creates, finds, lists and recovers run folders. Blocking; the event loop goes through `to_thread`."""

import base64
import binascii
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from ops_contract import Problem
from ops_orchestrator.errors import (
    ConfigurationError,
    DamagedRunError,
    InvalidRequestError,
    NotFoundError,
    RunExistsError,
    StoreError,
)
from ops_orchestrator.runs.log_reader import LogReader
from ops_orchestrator.runs.record import RECORD, RESULTS, ArtifactRecord, Results, RunRecord
from ops_orchestrator.runs.run_filter import EVERY_RUN, RunFilter
from ops_orchestrator.runs.run_id import RUN_ID
from ops_orchestrator.runs.run_summary import RunSummary
from ops_orchestrator.runs.store.index_update import Report
from ops_orchestrator.runs.store.plain_file import NotPlainError, OpenFile, files_in
from ops_orchestrator.runs.store.protocols import IndexedRun, Page, Position, RunIndex
from ops_orchestrator.runs.store.reading import (
    folder_of,
    open_log,
    parse_document,
    read_content,
    read_listed,
    read_record,
    read_version,
    run_ids_in,
    version_of,
)
from ops_orchestrator.runs.store.recovery import clear_unfinished, end_dead_run, lease_of_the_dead
from ops_orchestrator.runs.store.removal import delete_removed, size_of, take_away
from ops_orchestrator.runs.store.sqlite_index import SqliteIndex
from ops_orchestrator.runs.store.writer import FolderWriter

_ROOM_FOR_A_RUN_BYTES: Final = 64 * 1024
_POSITION: Final = re.compile(rb"(-?[0-9]{1,18}) (\S+)")


class FolderStore:
    """Keeps runs as folders below one folder. Several processes can share it. See RunStore."""

    def __init__(self, folder: Path, index: RunIndex) -> None:
        self.folder = folder
        self._index = index

    @classmethod
    def open(cls, folder: Path, *, report: Report | None = None, in_background: bool = False) -> Self:
        """The store in `folder`, made when missing; its index is brought up to date, `in_background` if many runs came.

        `report` is called every few seconds while runs are read. Raises StoreError.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return cls(folder, SqliteIndex.open(folder, report=report, in_background=in_background))
        except OSError as error:
            raise StoreError(f"cannot open the run store {folder}: {error.strerror}; set OPS_RUNS_DIR") from error

    @classmethod
    def existing(cls, folder: Path, *, report: Report | None = None) -> Self:
        """The store in `folder`, for those who only read. Raises ConfigurationError when there is none."""
        if not folder.is_dir():
            raise ConfigurationError(f"there is no run store at {folder}; change into the project's folder or set OPS_RUNS_DIR")
        return cls.open(folder, report=report)

    def close(self) -> None:
        """See RunStore."""
        self._index.close()

    def location(self, run_id: str) -> Path:
        """See RunStore."""
        return self.folder / run_id

    def unwritable(self) -> str | None:
        """Why no run can be stored now, in a sentence; None when one can."""
        try:
            with tempfile.TemporaryFile(dir=self.folder) as file:
                file.write(bytes(_ROOM_FOR_A_RUN_BYTES))
                file.flush()
                return None
        except OSError as error:
            return f"the run store {self.folder} cannot be written as user {os.getuid()}: {error.strerror}"

    def create(self, line: bytes, record: RunRecord, results: Results) -> FolderWriter:
        """See RunStore."""
        run_id = record.run_id
        try:
            writer = FolderWriter.create(
                folder_of(self.folder, run_id), line, record, results, lambda: self._put_in_index(run_id)
            )
        except FileExistsError as error:
            raise RunExistsError(f"there is a run {run_id} already") from error
        except OSError as error:
            raise StoreError(f"cannot write a run in {self.folder}: {error.strerror}") from error
        self._index.put([record])
        return writer

    def record(self, run_id: str) -> RunRecord:
        """See RunStore."""
        return read_record(self.folder, run_id)

    def results(self, run_id: str) -> Results:
        """See RunStore."""
        content = read_content(self.folder, run_id, RESULTS)
        return parse_document(Results, self.folder / run_id, RESULTS, content)

    def document(self, run_id: str, name: str) -> bytes:
        """See RunStore. Record and results are returned only when they can be used."""
        content = read_content(self.folder, run_id, name)
        if name == RECORD:
            parse_document(RunRecord, self.folder / run_id, name, content)
        elif name == RESULTS:
            parse_document(Results, self.folder / run_id, name, content)
        return content

    def log(self, run_id: str) -> LogReader:
        """See RunStore."""
        return open_log(self.folder, run_id)

    def documents(self, run_id: str, folder: str) -> list[str]:
        """See RunStore."""
        path = folder_of(self.folder, run_id)
        try:
            files, _ = files_in(self.folder, f"{run_id}/{folder}")
        except FileNotFoundError:
            return []
        except NotPlainError as error:
            raise DamagedRunError(path, folder, f"{error.name!r} {error.reason}") from error
        except OSError as error:
            raise StoreError(f"cannot read {folder} of {run_id}: {error.strerror}") from error
        return [f"{folder}/{name}" for name in files]

    def artifact(self, run_id: str, step: str, name: str) -> tuple[ArtifactRecord, OpenFile]:
        """See RunStore. The path is looked up in the results, never built from `name`."""
        results = self.results(run_id)
        known = {artifact.name: artifact for artifact in results.steps[step].artifacts} if step in results.steps else {}
        artifact = known.get(name)
        if artifact is None:
            raise NotFoundError(f"{run_id} has no artifact {name!r} of a step {step!r}.", f"/runs/{run_id}/results")
        if artifact.path is None:
            raise NotFoundError(f"{run_id} was made with save_artifacts false: only the hash of {name!r} was kept.")
        try:
            return artifact, OpenFile.below(self.folder, f"{run_id}/{artifact.path}")
        except FileNotFoundError as error:
            raise NotFoundError(f"The file of {name!r} is gone from {run_id}; its manifest says what it was.") from error
        except NotPlainError as error:
            raise NotFoundError(f"{run_id} has no file for {name!r} that can be served: {error.strerror}.") from error
        except OSError as error:
            raise StoreError(f"cannot read {name!r} of {run_id}: {error.strerror}") from error

    def page(self, limit: int, cursor: str | None = None, where: RunFilter = EVERY_RUN) -> Page:
        """See RunStore."""
        found = self._index.page(limit + 1, where, _position(cursor) if cursor else None)
        runs = [run for indexed in found[:limit] if (run := self._listed(indexed)) and where.accepts(run)]
        last = found[limit - 1].position if len(found) > limit else None
        return Page(runs, _cursor(last) if last else None, is_complete=self._index.is_complete)

    def _listed(self, indexed: IndexedRun) -> RunSummary | None:
        """A run in a list, read again unless it was over and is as the index knows it; None when it cannot be read."""
        run_id = indexed.position.run_id
        is_over = indexed.summary.finished_at is not None
        if is_over and indexed.version is not None and indexed.version == version_of(self.folder, run_id):
            return indexed.summary
        read = read_version(self.folder, run_id, indexed.version)
        if read is None:
            return None
        summary = RunSummary.model_validate(read.run.summary())
        if summary != indexed.summary:
            # The index learns what was damaged or repaired since it was written.
            self._index.learn([read])
        return summary

    @property
    def is_complete(self) -> bool:
        """See RunStore."""
        return self._index.is_complete

    def wait_until_complete(self, seconds: float) -> bool:
        """See RunStore."""
        return self._index.wait_until_complete(seconds)

    def claim(self, key_sha256: str, run_id: str) -> str:
        """See RunIndex."""
        return self._index.claim(key_sha256, run_id)

    def release(self, key_sha256: str, run_id: str) -> None:
        """See RunIndex."""
        self._index.release(key_sha256, run_id)

    def remove(self, run_id: str) -> bool:
        """See RunStore."""
        try:
            removed = take_away(self.folder, folder_of(self.folder, run_id).name)
        except OSError as error:
            raise StoreError(f"cannot remove {run_id}: {error.strerror}") from error
        if removed is None:
            return False
        self._index.drop([run_id])
        # What cannot be deleted now is deleted at the next start.
        shutil.rmtree(removed, ignore_errors=True)
        return True

    def size(self, run_id: str) -> int:
        """See RunStore."""
        return size_of(folder_of(self.folder, run_id))

    def recover(self) -> Mapping[str, OSError | StoreError | None]:
        """See RunStore. Folders that were never finished are removed."""
        clear_unfinished(self.folder)
        delete_removed(self.folder)
        recovered: dict[str, OSError | StoreError | None] = {}
        for run_id in sorted(self._index.run_ids("running") & run_ids_in(self.folder)):
            try:
                if self._recover(run_id):
                    recovered[run_id] = None
            except (OSError, StoreError) as error:
                recovered[run_id] = error
                self._put_in_index(run_id)
        return recovered

    def _recover(self, run_id: str) -> bool:
        with lease_of_the_dead(self.folder / run_id) as lease:
            if lease is None:
                return False
            # Read under the lease: the record of a run that just ended is final.
            record = read_record(self.folder, run_id)
            left_running = record.status == "running"
            if left_running:
                record = end_dead_run(self.folder / run_id, record)
        self._index.put([record])
        return left_running

    def _put_in_index(self, run_id: str) -> None:
        """Note how a run ended: what is on disk counts, and a full disk may keep it at `running`."""
        if run := read_listed(self.folder, run_id):
            self._index.put([run])


def _cursor(position: Position) -> str:
    return base64.urlsafe_b64encode(f"{position.started_us} {position.run_id}".encode()).decode().rstrip("=")


def _position(cursor: str) -> Position:
    text = b""
    with suppress(binascii.Error, ValueError):
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    if (read := _POSITION.fullmatch(text)) and RUN_ID.fullmatch(run_id := read[2].decode(errors="replace")):
        return Position(int(read[1]), run_id)
    problem = Problem("cursor", "is not a cursor of this list")
    raise InvalidRequestError("Take cursor from next_cursor of the page before, or leave it out.", [problem])
