"""All runs on disk: creates, finds, lists and recovers run folders. Blocking; the event loop goes through `to_thread`."""

import base64
import binascii
import os
import tempfile
from collections.abc import Mapping
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
from ops_orchestrator.runs.store.plain_file import NotPlainError, OpenFile, files_in
from ops_orchestrator.runs.store.protocols import Page, Position, RunIndex
from ops_orchestrator.runs.store.reading import (
    folder_of,
    open_log,
    parse_document,
    read_content,
    read_listed,
    read_record,
    run_ids_in,
)
from ops_orchestrator.runs.store.recovery import clear_unfinished, end_dead_run, lease_of_the_dead
from ops_orchestrator.runs.store.sqlite_index import SqliteIndex
from ops_orchestrator.runs.store.writer import FolderWriter

_ROOM_FOR_A_RUN_BYTES: Final = 64 * 1024


class FolderStore:
    """Keeps runs as folders below one folder. Several processes can share it. See RunStore."""

    def __init__(self, folder: Path, index: RunIndex) -> None:
        self.folder = folder
        self._index = index

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The store in `folder`, made when missing; its index is brought up to date."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            store = cls(folder, SqliteIndex.open(folder))
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

    def page(self, limit: int, cursor: str | None = None, scenario_id: str | None = None, status: str | None = None) -> Page:
        """See RunStore."""
        after = _position(cursor) if cursor else None
        found = self._index.page(limit + 1, scenario_id, status, after)
        read = [run for position in found[:limit] if (run := read_listed(self.folder, position.run_id))]
        runs = [run for run in read if status in (None, run.status) and scenario_id in (None, run.scenario_id)]
        # The index learns what was damaged or repaired since it was written.
        self._index.put(run for run in read if run.status == "damaged" or run not in runs)
        return Page(runs, _cursor(found[limit - 1]) if len(found) > limit else None)

    def recover(self) -> Mapping[str, OSError | StoreError | None]:
        """See RunStore. Folders that were never finished are removed."""
        clear_unfinished(self.folder)
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

    def _refresh(self) -> None:
        """Bring the index up to date with folders that came, went or were repaired while nobody looked."""
        present = run_ids_in(self.folder)
        known = self._index.run_ids()
        self._index.drop(known - present)
        unsure = present - known | self._index.run_ids("damaged") & present
        self._index.put(run for run_id in unsure if (run := read_listed(self.folder, run_id)))

    def _put_in_index(self, run_id: str) -> None:
        """Note how a run ended: what is on disk counts, and a full disk may keep it at `running`."""
        if run := read_listed(self.folder, run_id):
            self._index.put([run])


def _cursor(position: Position) -> str:
    return base64.urlsafe_b64encode(f"{position.started_at} {position.run_id}".encode()).decode().rstrip("=")


def _position(cursor: str) -> Position:
    try:
        started_at, run_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii").split(" ")
    except (binascii.Error, ValueError) as error:
        problem = Problem("cursor", "is not a cursor of this list")
        raise InvalidRequestError("Take cursor from next_cursor of the page before, or leave it out.", [problem]) from error
    return Position(started_at, run_id)
