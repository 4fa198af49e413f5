"""All runs on disk: creates, finds, lists and recovers run folders. Blocking; the event loop goes through `to_thread`."""

import base64
import binascii
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self, TypeVar

from pydantic import ValidationError

from ops_contract import Problem, problems_of
from ops_orchestrator.errors import ConfigurationError, InvalidRequestError, NotFoundError, RunExistsError, StoreError
from ops_orchestrator.runs.record import RECORD, RESULTS, ArtifactRecord, Results, RunRecord
from ops_orchestrator.runs.run_id import RUN_ID
from ops_orchestrator.runs.store.plain_file import NotPlainError, OpenFile
from ops_orchestrator.runs.store.protocols import Page, Position, RunIndex
from ops_orchestrator.runs.store.recovery import clear_unfinished, end_dead_run, lease_of_the_dead
from ops_orchestrator.runs.store.sqlite_index import SqliteIndex
from ops_orchestrator.runs.store.writer import FolderWriter

_ROOM_FOR_A_RUN_BYTES: Final = 64 * 1024

Document = TypeVar("Document", RunRecord, Results)


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
            writer = FolderWriter.create(self._path(run_id), line, record, results, lambda: self._put_in_index(run_id))
        except FileExistsError as error:
            raise RunExistsError(f"there is a run {run_id} already") from error
        except OSError as error:
            raise StoreError(f"cannot write a run in {self.folder}: {error.strerror}") from error
        self._index.put([record])
        return writer

    def record(self, run_id: str) -> RunRecord:
        """See RunStore."""
        return self._parsed(RunRecord, run_id, RECORD)

    def results(self, run_id: str) -> Results:
        """See RunStore."""
        return self._parsed(Results, run_id, RESULTS)

    def document(self, run_id: str, name: str) -> bytes:
        """See RunStore."""
        try:
            return (self._path(run_id) / name).read_bytes()
        except FileNotFoundError as error:
            exists = self._path(run_id).is_dir()
            message = f"{run_id} has no {name}." if exists else f"There is no run {run_id}. GET /runs lists those there are."
            raise NotFoundError(message) from error
        except OSError as error:
            raise StoreError(f"cannot read {name} of {run_id}: {error.strerror}") from error

    def documents(self, run_id: str, folder: str) -> list[str]:
        """See RunStore."""
        try:
            return sorted(f"{folder}/{entry.name}" for entry in os.scandir(self._path(run_id) / folder) if entry.is_file())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"cannot read {folder} of {run_id}: {error.strerror}") from error

    def artifact(self, run_id: str, step: str, name: str) -> tuple[ArtifactRecord, OpenFile]:
        """See RunStore. The path is looked up in the results, never built from `name`."""
        results = self.results(run_id)
        known = {artifact.name: artifact for artifact in results.steps[step].artifacts} if step in results.steps else {}
        artifact = known.get(name)
        if artifact is None:
            raise NotFoundError(f"{run_id} has no artifact {name!r} of a step {step!r}. GET /runs/{run_id}/results names them.")
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
        runs = [record for position in found[:limit] if (record := self._try_record(position.run_id))]
        return Page(runs, _cursor(found[limit - 1]) if len(found) > limit else None)

    def recover(self) -> Mapping[str, OSError | None]:
        """See RunStore. Folders that were never finished are removed."""
        clear_unfinished(self.folder)
        recovered: dict[str, OSError | None] = {}
        for run_id in sorted(self._index.run_ids("running")):
            try:
                if self._recover(run_id):
                    recovered[run_id] = None
            except OSError as error:
                recovered[run_id] = error
        return recovered

    def _recover(self, run_id: str) -> bool:
        with lease_of_the_dead(self._path(run_id)) as lease:
            # Read under the lease: the record of a run that just ended is final.
            record = self._try_record(run_id)
            if lease is None or record is None:
                return False
            left_running = record.status == "running"
            if left_running:
                record = end_dead_run(self._path(run_id), record)
        self._index.put([record])
        return left_running

    def _refresh(self) -> None:
        """Bring the index up to date with folders that came or went while nobody looked."""
        present = {entry.name for entry in os.scandir(self.folder) if RUN_ID.fullmatch(entry.name)}
        known = self._index.run_ids()
        self._index.drop(known - present)
        self._index.put(record for run_id in present - known if (record := self._try_record(run_id)))

    def _put_in_index(self, run_id: str) -> None:
        """Note how a run ended: what is on disk counts, and a full disk may keep it at `running`."""
        if record := self._try_record(run_id):
            self._index.put([record])

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
            raise StoreError(f"{self._path(run_id) / name} is damaged: {problems_of(error)[0]}") from error

    def _path(self, run_id: str) -> Path:
        if not RUN_ID.fullmatch(run_id):
            raise NotFoundError(f"{run_id!r} is not the id of a run. GET /runs lists those there are.")
        return self.folder / run_id


def _cursor(position: Position) -> str:
    return base64.urlsafe_b64encode(f"{position.started_at} {position.run_id}".encode()).decode().rstrip("=")


def _position(cursor: str) -> Position:
    try:
        started_at, run_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii").split(" ")
    except (binascii.Error, ValueError) as error:
        problem = Problem("cursor", "is not a cursor of this list")
        raise InvalidRequestError("Take cursor from next_cursor of the page before, or leave it out.", [problem]) from error
    return Position(started_at, run_id)
