"""All runs on disk: creates, finds, lists and recovers run folders. See RunStore.

What is not `async` blocks; the event loop goes through `to_thread`.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Final, Self

from ops_orchestrator.errors import (
    ConfigurationError,
    DamagedRunError,
    NotFoundError,
    StoreError,
)
from ops_orchestrator.runs.events import NOT_OVER, Event
from ops_orchestrator.runs.feed import Consumer
from ops_orchestrator.runs.json_text import json_document
from ops_orchestrator.runs.log_reader import LogReader
from ops_orchestrator.runs.record import (
    RECORD,
    RESULTS,
    ArtifactRecord,
    Results,
    RunRecord,
    StepRecord,
)
from ops_orchestrator.runs.run_filter import EVERY_RUN, RunFilter
from ops_orchestrator.runs.run_summary import RunSummary
from ops_orchestrator.runs.store.adoption import adopt
from ops_orchestrator.runs.store.all_runs import last_calls_in, page_of
from ops_orchestrator.runs.store.claimed_keys import free_abandoned_keys
from ops_orchestrator.runs.store.folder_run import FolderRun
from ops_orchestrator.runs.store.folder_source import FolderSource
from ops_orchestrator.runs.store.folder_writer import FolderWriter
from ops_orchestrator.runs.store.index_update import Report
from ops_orchestrator.runs.store.kept_artifact import kept_artifact
from ops_orchestrator.runs.store.left_runs import abandoned_runs, clear_leftovers, end_left_runs, left_runs
from ops_orchestrator.runs.store.listed_run import CallCounts, IndexedRun, Page, Repeats
from ops_orchestrator.runs.store.plain_file import NotPlainError, OpenFile, files_in
from ops_orchestrator.runs.store.protocols import Reopened, RunIndex, RunSource
from ops_orchestrator.runs.store.reading import (
    folder_of,
    is_kept_in_documents,
    open_log,
    parse_document,
    read_content,
    read_log_of,
    read_record,
    read_results,
    read_version,
    record_in,
    run_ids_in,
    version_of,
)
from ops_orchestrator.runs.store.recovery import damaged_by
from ops_orchestrator.runs.store.removal import size_of, take_away
from ops_orchestrator.runs.store.reopening import OpenedRun, reopen, take_over
from ops_orchestrator.runs.store.room import Room
from ops_orchestrator.runs.store.run_folder import paths_of
from ops_orchestrator.runs.store.signed_log import Signer
from ops_orchestrator.runs.store.sqlite_index import SqliteIndex
from ops_orchestrator.runs.store.sync import Sync, sync_of
from ops_orchestrator.runs.store.writer import Writer
from ops_orchestrator.settings import Durability, SyncMethod

_ROOM_FOR_A_RUN_BYTES: Final = 64 * 1024


class FolderStore:
    """Keeps runs as folders below one folder. Several processes can share it. See RunStore."""

    def __init__(  # noqa: PLR0913  # what a store is made of
        self,
        folder: Path,
        index: RunIndex,
        sync: Sync,
        consumers: Sequence[Consumer] = (),
        durability: Durability = "sync",
        *,
        signer: Signer | None = None,
        room: Room | None = None,
    ) -> None:
        self.folder = folder
        self._room = room
        self.durability: Durability = durability
        self._index = index
        self._sync = sync
        self._consumers = consumers
        self._signer = signer

    @classmethod
    def open(  # noqa: PLR0913  # what a store is made with, each by name
        cls,
        folder: Path,
        consumers: Sequence[Consumer] = (),
        *,
        durability: Durability = "sync",
        sync: SyncMethod = "syncfs",
        report: Report | None = None,
        in_background: bool = False,
        read_only: bool = False,
        signer: Signer | None = None,
        room: Room | None = None,
        make_index: Callable[[RunSource], RunIndex] | None = None,
    ) -> Self:
        """The store in `folder`, made when missing; its index is brought up to date, `in_background` if many runs came.

        `consumers` get the lines of runs that are written. `report` is called every few seconds while runs are read for the
        index, unless `make_index` makes that. Runs that end are signed by `signer`. New ones need `room`.
        With `read_only`, nothing is written into the folder, which must be there. Raises StoreError, ConfigurationError.
        """
        try:
            if read_only:
                durability = "os"  # there is nothing to flush
            else:
                folder.mkdir(parents=True, exist_ok=True)
            index: RunIndex
            if make_index is not None:
                index = make_index(FolderSource(folder))
            else:
                index = SqliteIndex.open(folder, report=report, in_background=in_background, read_only=read_only)
            return cls(folder, index, sync_of(folder, durability, sync), consumers, durability, signer=signer, room=room)
        except OSError as error:
            reason = "it is not a folder" if isinstance(error, FileExistsError) else error.strerror
            raise StoreError(f"cannot open the run store {folder}: {reason}; set OPS_RUNS_DIR to a folder") from error

    @classmethod
    def existing(cls, folder: Path, *, report: Report | None = None) -> Self:
        """The store in `folder`, for those who only read. Raises ConfigurationError when there is none."""
        if not folder.is_dir():
            reason = f"{folder} is not a folder" if folder.exists() else f"there is no run store at {folder}"
            raise ConfigurationError(f"{reason}; change into the project's folder or set OPS_RUNS_DIR")
        return cls.open(folder, report=report)

    def close(self) -> None:
        """See RunStore."""
        if "_writer" in vars(self):
            self._writer.close()
        if self._room is not None:
            self._room.close()
        self._sync.close()
        self._index.close()

    @cached_property
    def _writer(self) -> Writer:
        """Made for the first run that is written: whoever only reads needs no threads."""
        return Writer(self._index, self._sync, self._consumers, signer=self._signer, room=self._room)

    def location(self, run_id: str) -> Path:
        """See RunStore."""
        return self.folder / run_id

    def sweep(self) -> None:
        """See RunStore."""
        clear_leftovers(self.folder)

    def check_room(self) -> None:
        """See RunStore."""
        if self._room is not None:
            self._room.check()

    def unwritable(self) -> str | None:
        """Why no run can be stored now, in a sentence; None when one can."""
        if self._room is not None and (lacking := self._room.lacking()) is not None:
            return lacking
        try:
            with tempfile.TemporaryFile(dir=self.folder) as file:
                file.write(bytes(_ROOM_FOR_A_RUN_BYTES))
                file.flush()
                return None
        except OSError as error:
            return f"the run store {self.folder} cannot be written as user {os.getuid()}: {error.strerror}"

    async def create(self, events: Sequence[Event], record: RunRecord, modules: bytes) -> FolderWriter:
        """See RunStore."""
        return await self._writer.create(folder_of(self.folder, record.run_id), events, record, modules)

    async def reopen(self, run_id: str) -> Reopened:
        """See RunStore."""
        return await self._opened(reopen, run_id)

    async def take_over(self, run_id: str) -> Reopened:
        """See RunStore."""
        return await self._opened(partial(take_over, signer=self._signer), run_id)

    async def _opened(self, open_run: Callable[[Path, str], OpenedRun], run_id: str) -> Reopened:
        try:
            opened = await asyncio.to_thread(open_run, self.folder, run_id)
        except NotPlainError as error:
            raise damaged_by(self.folder, run_id, error) from error
        except OSError as error:
            raise StoreError(f"cannot go on in {self.folder / run_id}: {error.strerror}") from error
        writer = self._writer.writer_of(opened.folder, opened.log)
        return Reopened(writer, opened.log.state, opened.results, opened.modules)

    def adopt(self, run_id: str, fill: Callable[[Path], None]) -> RunRecord:
        """See RunStore."""
        self.check_room()
        record = adopt(folder_of(self.folder, run_id), fill, self._sync)
        self._index.put([record])
        return record

    def run(self, run_id: str) -> FolderRun:
        """See RunStore."""
        return FolderRun(self.folder, run_id)

    def record(self, run_id: str) -> RunRecord:
        """See RunStore."""
        return read_record(self.folder, run_id)

    def flush(self, run_id: str) -> None:
        """See RunStore."""
        files = read_log_of(self.folder, run_id).state.files
        try:
            self._sync.flush(paths_of(self.folder / run_id, files))
        except OSError as error:
            raise StoreError(f"cannot flush {run_id} in {self.folder}: {error.strerror}") from error

    def results(self, run_id: str) -> Results:
        """See RunStore."""
        return read_results(self.folder, run_id)

    def document(self, run_id: str, name: str) -> bytes:
        """See RunStore. Record and results are returned when they can be used, and come from the log while a run goes on."""
        if name == RESULTS and self._goes_on(run_id):
            return json_document(self.results(run_id))
        content = read_content(self.folder, run_id, name)
        if name == RECORD:
            record = record_in(self.folder, run_id, content)
            return content if is_kept_in_documents(record) else json_document(record)
        if name == RESULTS:
            parse_document(Results, self.folder / run_id, name, content)
        return content

    def _goes_on(self, run_id: str) -> bool:
        try:
            return not is_kept_in_documents(self.record(run_id))
        except DamagedRunError:
            return False  # its other documents may be whole

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
        """See RunStore."""
        artifact = kept_artifact(self.results(run_id), run_id, step, name)
        try:
            return artifact, OpenFile.below(self.folder, f"{run_id}/{artifact.path}")
        except FileNotFoundError as error:
            raise NotFoundError(f"The file of {name!r} is gone from {run_id}; its manifest says what it was.") from error
        except NotPlainError as error:
            raise NotFoundError(f"{run_id} has no file for {name!r} that can be served: {error.strerror}.") from error
        except OSError as error:
            raise StoreError(f"cannot read {name!r} of {run_id}: {error.strerror}") from error

    def address(self, run_id: str, step: str, name: str, seconds: int) -> None:  # noqa: ARG002  # see RunStore
        """See RunStore."""
        kept_artifact(self.results(run_id), run_id, step, name)

    def run_ids(self) -> set[str]:
        """See RunStore."""
        try:
            return run_ids_in(self.folder)
        except OSError as error:
            raise StoreError(f"cannot read the run store {self.folder}: {error.strerror}") from error

    def page(self, limit: int, cursor: str | None = None, where: RunFilter = EVERY_RUN) -> Page:
        """See RunStore."""
        return page_of(self._index, limit, cursor, where, self._listed)

    def repeats(self, recipe: str) -> Repeats:
        """See RunStore."""
        return self._index.repeats(recipe)

    def calls(self, module: str) -> CallCounts:
        """See RunStore."""
        return self._index.calls(module)

    def last_calls(self, module: str, limit: int) -> list[tuple[RunRecord, StepRecord]]:
        """See RunStore."""
        return last_calls_in(self._index, self.record, module, limit)

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

    def find_unlisted(self) -> None:
        """See RunStore."""
        unlisted = sorted(self.run_ids() - self._index.run_ids())
        found = (read_version(self.folder, run_id, None) for run_id in unlisted)
        self._index.learn([read for read in found if read is not None])

    def keep_up(self) -> None:
        """See RunStore."""
        self.find_unlisted()
        under_way = set[str]().union(*(self._index.run_ids(status) for status in NOT_OVER))
        found = (read_version(self.folder, run_id, None) for run_id in sorted(under_way))
        self._index.put([read.run for read in found if read is not None])

    def claim(self, key_sha256: str, run_id: str) -> str | None:
        """See RunStore."""
        return self._index.claim(key_sha256, run_id)

    def release(self, key_sha256: str, run_id: str) -> None:
        """See RunStore."""
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

    def left(self) -> set[str]:
        """See RunStore."""
        free_abandoned_keys(self.folder)
        return left_runs(self.folder, self._index)

    def abandoned(self) -> set[str]:
        """See RunStore."""
        return abandoned_runs(self.folder, self._index)

    def recover(self, run_ids: Iterable[str] | None = None) -> Mapping[str, OSError | StoreError | None]:
        """See RunStore."""
        left = self.left() if run_ids is None else run_ids
        return end_left_runs(self.folder, left, self._index, self._sync, self._signer)
