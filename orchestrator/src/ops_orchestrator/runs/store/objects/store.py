"""All runs in a bucket: creates, finds, lists and recovers them. See RunStore.

The bucket has what counts. Below OPS_RUNS_DIR, runs are written before they are published, by the very code that keeps runs in
folders, and copies are kept of what is read. What is not `async` blocks.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from shutil import rmtree
from threading import Lock
from typing import Final, TypeVar

from ops_orchestrator.errors import (
    ConflictError,
    DamagedRunError,
    FencedError,
    NotFoundError,
    RunExistsError,
    StoreError,
    UnderWayError,
)
from ops_orchestrator.runs.events import NOT_OVER, Event
from ops_orchestrator.runs.feed import Consumer, Line
from ops_orchestrator.runs.log_reader import LogReader
from ops_orchestrator.runs.record import LOGS, ArtifactRecord, Results, RunRecord, StepRecord
from ops_orchestrator.runs.run_filter import EVERY_RUN, RunFilter
from ops_orchestrator.runs.store.all_runs import last_calls_in, page_of
from ops_orchestrator.runs.store.claimed_keys import free_abandoned_keys
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.listed_run import CallCounts, Page, Repeats
from ops_orchestrator.runs.store.objects import staging
from ops_orchestrator.runs.store.objects.bucket import Bucket
from ops_orchestrator.runs.store.objects.copies import Copies
from ops_orchestrator.runs.store.objects.fetching import fetched
from ops_orchestrator.runs.store.objects.object_run import ObjectRun
from ops_orchestrator.runs.store.objects.publication import Publication
from ops_orchestrator.runs.store.objects.reader import BucketReader
from ops_orchestrator.runs.store.objects.unlisted import Unlisted
from ops_orchestrator.runs.store.objects.writer import LINGER_S, ObjectWriter
from ops_orchestrator.runs.store.plain_file import OpenFile, all_files_in
from ops_orchestrator.runs.store.protocols import Reopened, RunIndex, RunSource
from ops_orchestrator.runs.store.room import Room
from ops_orchestrator.runs.store.signed_log import Signer
from ops_orchestrator.runs.store.sync import NoSync
from ops_orchestrator.settings import Durability

_PUBLISHED_AT_ONCE: Final = 32
_PUTS_AT_ONCE: Final = 32
_PATIENCE_FOR_A_NEW_RUN_S: Final = 10.0

_log: Final = logging.getLogger("ops_orchestrator.store")

Result = TypeVar("Result")


class ObjectStore:
    """Keeps runs in a bucket, and needs `folder` for what it writes and reads. See RunStore.

    The index that `make_index` makes may keep idempotency keys in `keys_folder`.
    """

    durability: Durability = "sync"
    """What the bucket has acknowledged counts as on disk."""

    def __init__(  # noqa: PLR0913  # what a store is made of
        self,
        bucket: Bucket,
        folder: Path,
        make_index: Callable[[RunSource], RunIndex],
        consumers: Sequence[Consumer] = (),
        *,
        keys_folder: Path,
        most_copied_bytes: int,
        signer: Signer | None = None,
        room: Room | None = None,
        linger_s: float = LINGER_S,
    ) -> None:
        self.folder = folder
        self._linger_s = linger_s
        self._bucket = bucket
        self._keys_folder = keys_folder
        self._consumers = consumers
        self._staging = staging.Staging.open(folder)
        self._publications: dict[str, Publication] = {}
        self._held: set[str] = set()
        self._holding = Lock()
        self._written = FolderStore(self._staging.written, Unlisted(), NoSync(), (self,), "os", signer=signer, room=room)
        self._copies = Copies(bucket, self._staging.copies, most_copied_bytes)
        self._reader = BucketReader(bucket, self._copies)
        self._publishers = ThreadPoolExecutor(_PUBLISHED_AT_ONCE, "run-objects")
        self._puts = ThreadPoolExecutor(_PUTS_AT_ONCE, "run-puts")
        try:
            self.index = make_index(self._reader)
        except BaseException:
            self._let_go()
            raise

    def close(self) -> None:
        """See RunStore."""
        self._written.close()
        self._let_go()
        self.index.close()

    def _let_go(self) -> None:
        self._publishers.shutdown()
        self._puts.shutdown()
        self._staging.close()

    def location(self, run_id: str) -> str:
        """See RunStore."""
        return self._bucket.address.location(run_id)

    def sweep(self) -> None:
        """See RunStore."""
        staging.sweep(self.folder)

    def check_room(self) -> None:
        """See RunStore."""
        self._written.check_room()

    def unwritable(self) -> str | None:
        """See RunStore."""
        return self._written.unwritable() or self._bucket.unwritable()

    async def create(self, events: Sequence[Event], record: RunRecord, modules: bytes) -> ObjectWriter:
        """See RunStore. It is in the bucket when this returns."""
        run_id = record.run_id
        if not self._hold(run_id):
            raise RunExistsError(f"there is a run {run_id} already")
        publication = self._publications[run_id] = self._new_publication(run_id)
        try:
            local = await self._written.create(events, record, modules)
        except BaseException:
            self.forget(run_id)
            raise
        writer = ObjectWriter(local, publication, self, self._linger_s)
        try:
            self.tell(await self.in_thread(partial(self._begin, publication, record)))
        except BaseException as error:
            await writer.abandon()
            if isinstance(error, FencedError):
                raise RunExistsError(f"there is a run {run_id} already") from error
            raise
        return writer

    def _begin(self, publication: Publication, record: RunRecord) -> list[Line]:
        publication.prepare(_PATIENCE_FOR_A_NEW_RUN_S)
        # First: a run that is in the bucket must be found by whoever recovers it, also when nobody knows whether it is.
        self.index.put([record])
        return publication.begin(_PATIENCE_FOR_A_NEW_RUN_S)

    async def reopen(self, run_id: str) -> Reopened:
        """See RunStore."""
        return await self._opened(run_id, self._written.reopen)

    async def take_over(self, run_id: str) -> Reopened:
        """See RunStore. Whoever executes it until then is fenced by the line with which it goes on."""
        return await self._opened(run_id, self._written.take_over)

    async def _opened(self, run_id: str, open_run: Callable[[str], Awaitable[Reopened]]) -> Reopened:
        publication = await self.in_thread(partial(self._fetched, run_id))
        try:
            reopened = await open_run(run_id)
        except BaseException:
            await self.in_thread(partial(self.forget, run_id))
            raise
        writer = ObjectWriter(reopened.writer, publication, self, self._linger_s)
        return Reopened(writer, reopened.state, reopened.results, reopened.modules)

    def _fetched(self, run_id: str) -> Publication:
        """Fetch a run to write it. Raises NotFoundError, ConflictError when a process of this machine writes it, StoreError."""
        if run_id in staging.runs_written(self.folder) or not self._hold(run_id):
            raise UnderWayError(run_id, "being executed, or resumed already")
        try:
            publication = fetched(self._bucket, self._staging.written, run_id, self._puts)
        except BaseException as error:
            self.forget(run_id)
            if isinstance(error, OSError):
                raise StoreError(f"cannot fetch {run_id} into {self.folder}: {error.strerror}") from error
            raise
        self._publications[run_id] = publication
        return publication

    def _new_publication(self, run_id: str) -> Publication:
        return Publication(self._bucket, self._staging.written, run_id, self._puts)

    def _hold(self, run_id: str) -> bool:
        """Have nobody else in this process write a run until it is forgotten; whether nobody does."""
        with self._holding:
            is_free = run_id not in self._held
            self._held.add(run_id)
        return is_free

    def adopt(self, run_id: str, fill: Callable[[Path], None]) -> RunRecord:
        """See RunStore."""
        if self._reader.has(run_id) or not self._hold(run_id):
            raise RunExistsError(f"there is a run {run_id} already")
        try:
            record = self._written.adopt(run_id, fill)
            files = all_files_in(self._staging.written, run_id)
            if LOGS not in files:
                raise DamagedRunError(Path(run_id), LOGS, "the file is missing, by which a bucket knows its runs")
            self._new_publication(run_id).adopt(files)
        except FencedError as error:
            raise RunExistsError(f"there is a run {run_id} already") from error
        except OSError as error:
            raise StoreError(f"cannot take {run_id} into {self._bucket.address}: {error.strerror}") from error
        finally:
            self.forget(run_id)
        self.index.put([record])
        return record

    def run(self, run_id: str) -> ObjectRun:
        """See RunStore."""
        return ObjectRun(self._reader, run_id, self._staging.copies / run_id)

    def record(self, run_id: str) -> RunRecord:
        """See RunStore."""
        return self._reader.record(run_id)

    def flush(self, run_id: str) -> None:
        """See RunStore. What the bucket has is on disk."""
        self._reader.record(run_id)

    def results(self, run_id: str) -> Results:
        """See RunStore."""
        return self._reader.results(run_id)

    def document(self, run_id: str, name: str) -> bytes:
        """See RunStore."""
        return self._reader.document(run_id, name)

    def log(self, run_id: str) -> LogReader:
        """See RunStore."""
        return self._reader.log(run_id)

    def documents(self, run_id: str, folder: str) -> list[str]:
        """See RunStore."""
        return self._reader.documents(run_id, folder)

    def artifact(self, run_id: str, step: str, name: str) -> tuple[ArtifactRecord, OpenFile]:
        """See RunStore. It is streamed."""
        return self._reader.artifact(run_id, step, name)

    def address(self, run_id: str, step: str, name: str, seconds: int) -> str:
        """See RunStore."""
        return self._reader.address(run_id, step, name, seconds)

    def run_ids(self) -> set[str]:
        """See RunStore."""
        return self.index.run_ids()

    def page(self, limit: int, cursor: str | None = None, where: RunFilter = EVERY_RUN) -> Page:
        """See RunStore. The bucket is not asked."""
        return page_of(self.index, limit, cursor, where, lambda indexed: indexed.summary)

    def repeats(self, recipe: str) -> Repeats:
        """See RunStore."""
        return self.index.repeats(recipe)

    def calls(self, module: str) -> CallCounts:
        """See RunStore."""
        return self.index.calls(module)

    def last_calls(self, module: str, limit: int) -> list[tuple[RunRecord, StepRecord]]:
        """See RunStore."""
        return last_calls_in(self.index, self.record, module, limit)

    @property
    def is_complete(self) -> bool:
        """See RunStore."""
        return self.index.is_complete

    def wait_until_complete(self, seconds: float) -> bool:
        """See RunStore."""
        return self.index.wait_until_complete(seconds)

    def find_unlisted(self) -> None:
        """See RunStore. Lists the bucket."""
        unlisted = sorted(self._reader.run_ids() - self.index.run_ids())
        found = (self._reader.read(run_id, None) for run_id in unlisted)
        self.index.learn([read for read in found if read is not None])

    def keep_up(self) -> None:
        """See RunStore."""
        self.find_unlisted()

    def claim(self, key_sha256: str, run_id: str) -> str | None:
        """See RunStore."""
        return self.index.claim(key_sha256, run_id)

    def release(self, key_sha256: str, run_id: str) -> None:
        """See RunStore."""
        self.index.release(key_sha256, run_id)

    def remove(self, run_id: str) -> bool:
        """See RunStore. Its log goes first, without which there is no run."""
        if run_id in staging.runs_written(self.folder) or not self.record(run_id).is_over:
            return False
        names = self._bucket.below(run_id).keys() - {LOGS}
        self._bucket.delete([f"{run_id}/{LOGS}"])
        self._bucket.delete(f"{run_id}/{name}" for name in names)
        self.index.drop([run_id])
        return True

    def size(self, run_id: str) -> int:
        """See RunStore."""
        return self._reader.size(run_id)

    def left(self) -> set[str]:
        """See RunStore."""
        self.sweep()
        free_abandoned_keys(self._keys_folder, self._reader.has)
        return set[str]().union(*(self.index.run_ids(status) for status in NOT_OVER))

    def abandoned(self) -> set[str]:
        """See RunStore. Only processes of this machine are known to live; a queue knows of others."""
        found = set[str]().union(*(self.index.run_ids(status) for status in NOT_OVER))
        return found - staging.runs_written(self.folder) if found else found

    def recover(self, run_ids: Iterable[str] | None = None) -> Mapping[str, OSError | StoreError | None]:
        """See RunStore."""
        ended: dict[str, OSError | StoreError | None] = {}
        for run_id in sorted(self.left() if run_ids is None else run_ids):
            try:
                if self._end_if_left(run_id):
                    ended[run_id] = None
            except NotFoundError:
                self.index.drop([run_id])  # it was never made to the end, or is removed
            except (ConflictError, FencedError):
                pass  # somebody executes it
            except (OSError, StoreError) as error:
                ended[run_id] = error
        return ended

    def _end_if_left(self, run_id: str) -> bool:
        if run_id in staging.runs_written(self.folder):
            return False
        with suppress(DamagedRunError):
            record = self.record(run_id)
            if record.is_over:
                self.index.put([record])
                return False
        publication = self._fetched(run_id)
        try:
            outcome = self._written.recover([run_id])
            if (problem := outcome.get(run_id)) is not None:
                raise problem
            if run_id in outcome:
                publication.end()
            self.index.put([self.record(run_id)])
        finally:
            self.forget(run_id)
        return run_id in outcome

    def take(self, lines: Sequence[Line]) -> None:
        """Note what is written in folders. See Consumer."""
        for line in lines:
            if (publication := self._publications.get(line.run_id)) is not None:
                publication.wrote(line)

    def tell(self, lines: Sequence[Line]) -> None:
        """See Publishing."""
        for consumer in self._consumers if lines else ():
            try:
                consumer.take(lines)
            except Exception:  # noqa: BLE001  # one consumer keeps neither runs nor the others from going on
                _log.exception("consumer.failed: %s", type(consumer).__name__)

    async def in_thread(self, work: Callable[[], Result]) -> Result:
        """See Publishing."""
        return await asyncio.get_running_loop().run_in_executor(self._publishers, work)

    def forget(self, run_id: str) -> None:
        """See Publishing."""
        rmtree(self._staging.written / run_id, ignore_errors=True)
        self._publications.pop(run_id, None)
        with self._holding:
            self._held.discard(run_id)
