"""Writes all runs of the process: one thread writes files, another flushes them to disk, for many runs at once.

The event loop hands over what is to be written and goes on. Each run's files and lines are written in the order in which they
came, each in one of the batches that the file thread takes. Runs that end together share a flush:

    file thread    files and lines ... results, last line, manifest, final record under another name
    sync thread    flush; put the final record into place; flush (with the files of the next batch); answer
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ops_orchestrator.errors import RunExistsError, StoreError
from ops_orchestrator.runs.events import Event, RunEnded, RunQueued, line_sha256
from ops_orchestrator.runs.feed import Consumer, Line
from ops_orchestrator.runs.json_text import json_document
from ops_orchestrator.runs.line_signature import parted
from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.store.folder_writer import Flush, FolderWriter, Job, line_of, nothing, written
from ops_orchestrator.runs.store.lease import FolderLease
from ops_orchestrator.runs.store.protocols import RunIndex
from ops_orchestrator.runs.store.recovery import finish
from ops_orchestrator.runs.store.room import Room, with_reserve
from ops_orchestrator.runs.store.run_folder import RunFolder
from ops_orchestrator.runs.store.signed_log import Signer, is_signed_by
from ops_orchestrator.runs.store.stored_log import StoredLog
from ops_orchestrator.runs.store.sync import Sync
from ops_orchestrator.runs.store.write_queue import WriteQueue, tell, waiting

MOST_QUEUED_BYTES: Final = 64 * 1024 * 1024
"""So much may wait to be written; who has more to write waits as well."""

_NOT_SIGNED: Final = "goes on unsigned: not each line of its log is signed with the key of OPS_SIGNING_KEY, or none is set here"

_log: Final = logging.getLogger("ops_orchestrator.store")


class Writer:
    """The threads, and what waits for them. Its methods are called on one event loop; `close` waits for what is handed over.

    `consumers` are called in the threads, with the lines that were written: the last one of a run when it is flushed.
    """

    def __init__(  # noqa: PLR0913  # what a writer is made of
        self,
        index: RunIndex,
        sync: Sync,
        consumers: Sequence[Consumer] = (),
        most_queued_bytes: int = MOST_QUEUED_BYTES,
        *,
        signer: Signer | None = None,
        room: Room | None = None,
    ) -> None:
        self.index = index
        self.room = room
        self._signer = signer
        self._sync = sync
        self._consumers = consumers
        self._open: set[FolderWriter] = set()
        self._jobs: WriteQueue[Job] = WriteQueue(most_queued_bytes)
        self._syncs: queue.SimpleQueue[Flush | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._write_files, name="run-files", daemon=True),
            threading.Thread(target=self._flush_runs, name="run-sync", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    async def create(self, path: Path, events: Sequence[Event], record: RunRecord, modules: bytes) -> FolderWriter:
        """The writer of a new run in the folder `path`, which is in place. Raises RunExistsError, NoRoomError, StoreError."""
        queued = events[0].what
        assert isinstance(queued, RunQueued)  # noqa: S101  # the first event of a run
        lines = _lines(events, queued, self._signer)

        def work() -> FolderWriter:
            if self.room is not None:
                self.room.check()
            text = b"".join(line.data for line in lines)
            folder = RunFolder.create(path, json_document(record), modules, text)
            return FolderWriter(self, folder, queued, lines[-1].seq, lines[-1].data, signer=self._signer)

        answer: asyncio.Future[FolderWriter] = asyncio.get_running_loop().create_future()
        await self._jobs.put(Job(work, len(modules), answer=answer, lines=tuple(lines), record=record))
        try:
            return await answer
        except FileExistsError as error:
            raise RunExistsError(f"there is a run {path.name} already") from error
        except OSError as error:
            raise StoreError(f"cannot write a run in {path.parent}: {error.strerror}") from error

    def writer_of(self, folder: RunFolder, log: StoredLog) -> FolderWriter:
        """The writer of a run that goes on after what `log` tells. It is signed if all of that was signed with the same key."""
        signer = self._signer if is_signed_by(self._signer, log) else None
        if signer is None and (self._signer is not None or parted(log.last_line)[1] is not None):
            _log.warning("run.unsigned: %s", _NOT_SIGNED, extra={"run_id": folder.path.name})
        writer = FolderWriter(self, folder, log.state.queued, log.state.seq, log.last_line, signer=signer)
        self._open.add(writer)
        return writer

    def finish(self, writer: FolderWriter, lease: FolderLease, ended: RunEnded) -> RunRecord:
        """End the run of a writer that failed, as far as it was written. Blocking. Raises DamagedRunError, OSError."""
        path = writer.folder.path
        writer.has_shown_end = True
        record, last = with_reserve(self.room, lambda: finish(path.parent, path.name, lease, self._sync, ended, self._signer))
        self._open.discard(writer)
        self.index.put([record])
        self._publish([last])
        lease.release()
        return record

    async def put(self, job: Job) -> None:
        """Have the file thread do `job`; waits while too much is waiting already."""
        await self._jobs.put(job)

    def close(self) -> None:
        """Write and flush what is handed over, end the threads, and release the leases that are left."""
        self._jobs.close()
        for thread in self._threads:
            thread.join()
        # Runs that are not over count as left from now on.
        for writer in self._open:
            writer.folder.close()

    def _write_files(self) -> None:
        """The file thread."""
        while jobs := self._jobs.take():
            outcomes = [self._outcome(job) for job in jobs]
            done = [job for job, outcome in zip(jobs, outcomes, strict=True) if not isinstance(outcome, Exception)]
            if created := [job.record for job in done if job.record is not None]:
                self.index.put(created)
            self._publish([line for job in done for line in job.lines])
            for job in done:
                if job.sync is not None:
                    self._syncs.put(job.sync)
            answers = [
                (job.answer, outcome)
                for job, outcome in zip(jobs, outcomes, strict=True)
                if job.answer is not None and (job.sync is None or isinstance(outcome, Exception))
            ]
            tell(answers + self._jobs.free(sum(job.size for job in jobs)))
        self._syncs.put(None)

    def _outcome(self, job: Job) -> Any:
        """What comes of a job: the result of its work, or the error that keeps it from being done."""
        writer = job.writer
        if writer is not None and writer.error is not None and not job.is_last:
            return writer.error
        try:
            work, job.work = job.work, nothing  # what is written need not stay in memory until the batch is done
            result = work()
            del work
        except Exception as error:  # noqa: BLE001  # whatever it is ends one run, and not the thread
            if writer is not None:
                writer.fail(error)
            return error
        if writer is not None and job.lines:
            writer.written = job.lines[-1].seq
        if isinstance(result, FolderWriter):
            self._open.add(result)
        return result

    def _flush_runs(self) -> None:
        """The sync thread. A flush is for runs that ended, and also for the final records of those that did so before."""
        concluded: list[Flush] = []
        while (fresh := waiting(self._syncs, block=not concluded)) or concluded:
            batch = fresh + concluded
            try:
                self._sync.flush(_paths(fresh, concluded))
            except OSError as error:
                self._fail(batch, error)
                concluded = []
            else:
                self._finish(concluded + [item for item in fresh if item.record is None])
                concluded = [item for item in fresh if item.record is not None and self._conclude(item)]

    def _conclude(self, item: Flush) -> bool:
        """Put the final record of a run into place, all of whose other files are flushed."""
        item.writer.has_shown_end = True
        try:
            item.writer.folder.conclude()
        except OSError as error:
            item.writer.fail(error)
            tell([(item.done, error)])
            return False
        return True

    def _finish(self, flushed: list[Flush]) -> None:
        """Answer those who wait for a flush, and let go of the runs that are over."""
        over = [item for item in flushed if item.record is not None]
        if over:
            self.index.put([item.record for item in over if item.record is not None])
        for item in over:
            self._open.discard(item.writer)
            # Before anybody hears of it, also in another process: who knows that the run is over may resume it at once.
            item.writer.folder.close()
        self._publish([item.line for item in over if item.line is not None])
        tell([(item.done, None) for item in flushed])

    def _fail(self, batch: list[Flush], error: OSError) -> None:
        """Nobody knows what the disk lost, and it is reported once: no run under way can be trusted to be whole."""
        for writer in tuple(self._open):
            writer.fail(error)
        tell([(item.done, error) for item in batch])

    def _publish(self, lines: list[Line]) -> None:
        for consumer in self._consumers if lines else ():
            try:
                consumer.take(lines)
            except Exception:  # noqa: BLE001  # one consumer keeps neither runs nor the others from going on
                _log.exception("consumer.failed: %s", type(consumer).__name__)


def _lines(events: Sequence[Event], queued: RunQueued, signer: Signer | None) -> list[Line]:
    """The first lines of a log."""
    lines: list[Line] = []
    for event in events:
        previous_sha256 = line_sha256(lines[-1].data) if lines else None
        lines.append(line_of(event, written(event, previous_sha256, signer), queued))
    return lines


def _paths(fresh: Sequence[Flush], concluded: Sequence[Flush]) -> Iterator[str]:
    """What has to be flushed; put together only for a Sync that asks for it."""
    for item in fresh:
        yield from item.writer.folder.paths()
    for item in concluded:
        yield from item.writer.folder.last_paths()
