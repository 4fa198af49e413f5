"""Hands one run to the threads that write: see Writer."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.events import Event, RunEnded, RunQueued, RunResumed, line_sha256
from ops_orchestrator.runs.feed import Line
from ops_orchestrator.runs.json_text import json_document
from ops_orchestrator.runs.record import RECORD, Results, RunRecord, results_text
from ops_orchestrator.runs.run_file import RunFile
from ops_orchestrator.runs.store.lease import FolderLease
from ops_orchestrator.runs.store.protocols import RunIndex
from ops_orchestrator.runs.store.room import Room, with_reserve
from ops_orchestrator.runs.store.run_folder import STAGING, RunFolder
from ops_orchestrator.runs.store.signed_log import Signer

_LARGE_BYTES: Final = 256 * 1024
"""Who writes more than this at once waits for it: while it waits in the queue, the next step would need as much again."""

_LINE_OVERHEAD_BYTES: Final = 512


class RunThreads(Protocol):
    """What writes for all runs."""

    @property
    def room(self) -> Room | None:
        """The room that runs have."""
        ...

    @property
    def index(self) -> RunIndex:
        """Which runs there are."""
        ...

    async def put(self, job: "Job") -> None:
        """Have the file thread do `job`; waits while too much is waiting already."""
        ...

    def finish(self, writer: "FolderWriter", lease: FolderLease, ended: RunEnded) -> RunRecord:
        """End the run of a writer that failed, as far as it was written. Blocking. Raises DamagedRunError, OSError."""
        ...


class FolderWriter:
    """A RunWriter for a folder, whose log begins with `queued` and ends with `last_line`, the event number `written`.

    `signer` signs its lines, and its end.
    """

    def __init__(  # noqa: PLR0913  # what the log of a run is gone on with
        self,
        writer: "RunThreads",
        folder: RunFolder,
        queued: RunQueued,
        written: int,
        last_line: bytes,
        *,
        signer: Signer | None = None,
    ) -> None:
        self.folder = folder
        self.error: Exception | None = None
        self.accepted = self.written = written
        self.has_shown_end = False
        self._writer = writer
        self._queued = queued
        self._signer = signer
        self._previous_sha256 = line_sha256(last_line)

    @property
    def staging(self) -> Path:
        """See RunWriter."""
        return self.folder.path / STAGING

    async def append(self, event: Event, files: Sequence[RunFile] = ()) -> None:
        """See RunWriter."""
        self._check()
        line = written(event, self._previous_sha256, self._signer)
        size = len(line) + _LINE_OVERHEAD_BYTES + sum(len(file.content) for file in files if isinstance(file.content, bytes))
        work = partial(self.folder.append, files, line)
        lines = (line_of(event, line, self._queued),)
        self._note_size(len(line) + sum(file.ref.size for file in files))
        if size < _LARGE_BYTES:
            await self._put_line(Job(work, size, self, lines=lines), event, line)
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._put_line(Job(work, size, self, answer=done, lines=lines), event, line)
        await self._wait(done)

    async def go_on(self, record: RunRecord, event: Event) -> None:
        """See RunWriter."""

        def work() -> None:
            # First of all: a run that goes on must be found by whoever recovers it.
            self._writer.index.put([record])
            self.folder.replace(RECORD, [json_document(record)])
            self.folder.log(line)
            self.folder.settle(event.what.files if isinstance(event.what, RunResumed) else ())

        line = written(event, self._previous_sha256, self._signer)
        await self._put_line(Job(work, len(line), self, lines=(line_of(event, line, self._queued),)), event, line)

    async def end(self, event: Event, record: RunRecord, results: Results, results_bytes: int) -> None:
        """See RunWriter."""
        self._check()
        line = written(event, self._previous_sha256, self._signer)

        def work() -> None:
            room = self._writer.room if self.folder.can_end_again else None
            document = json_document(record)
            with_reserve(room, lambda: self.folder.end(results_text(results), line, document, self._signer))
            self._note_size(results_bytes)

        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # In results.json the outputs stand twice.
        size = len(line) + _LINE_OVERHEAD_BYTES + 2 * results_bytes
        job = Job(work, size, self, answer=done, sync=Flush(self, done, record, line_of(event, line, self._queued)))
        await self._writer.put(job)
        await self._wait(done)

    async def durable(self) -> None:
        """See RunWriter."""
        self._check()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._writer.put(Job(nothing, 0, self, answer=done, sync=Flush(self, done)))
        await self._wait(done)

    async def finish(self, ended: RunEnded) -> RunRecord:
        """See RunWriter."""
        lease = await self._give_up()
        path = self.folder.path
        try:
            return await asyncio.to_thread(self._writer.finish, self, lease, ended)
        except OSError as error:
            raise StoreError(f"cannot write in {path}: {error.strerror}") from error

    async def abandon(self) -> None:
        """See RunWriter."""
        (await self._give_up()).release()

    def _note_size(self, size: int) -> None:
        if self._writer.room is not None:
            self._writer.room.wrote(size)

    async def _put_line(self, job: "Job", event: Event, line: bytes) -> None:
        """Have the file thread do `job`, which writes `line`; who is cancelled while there is no room has written nothing."""
        await self._writer.put(job)
        self.accepted = event.seq
        self._previous_sha256 = line_sha256(line)

    async def _give_up(self) -> FolderLease:
        """Write nothing any more; returns the lease, which is kept."""

        def work() -> FolderLease:
            self.fail(StoreError("nothing is written any more"))
            return self.folder.give_up()

        done: asyncio.Future[FolderLease] = asyncio.get_running_loop().create_future()
        await self._writer.put(Job(work, 0, self, answer=done, is_last=True))
        return await asyncio.shield(done)

    def fail(self, error: Exception) -> None:
        """Write nothing any more. Called in the threads; the run learns of it when it hands over more."""
        if self.error is None:
            self.error = error

    def _check(self) -> None:
        if self.error is not None:
            raise self._failed(self.error)

    def _failed(self, error: Exception) -> StoreError:
        reason = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        return StoreError(f"cannot write in {self.folder.path}: {reason}")

    async def _wait(self, done: "asyncio.Future[None]") -> None:
        """Wait for the threads. Whoever is cancelled meanwhile does not end their work."""
        try:
            await asyncio.shield(done)
        except StoreError:
            raise
        except Exception as error:
            raise self._failed(error) from error


@dataclass(slots=True)
class Flush:
    """What waits for a flush: the end of a run, with its record and its last line, or whoever wants to know."""

    writer: FolderWriter
    done: "asyncio.Future[None]"
    record: RunRecord | None = None
    line: Line | None = None


@dataclass(slots=True)
class Job:
    """Work of the file thread. `answer` is set when it is done, or else, with `sync`, when it is flushed."""

    work: Callable[[], Any]
    size: int
    writer: FolderWriter | None = None
    answer: "asyncio.Future[Any] | None" = None
    lines: tuple[Line, ...] = ()
    sync: Flush | None = None
    record: RunRecord | None = None
    is_last: bool = False


def written(event: Event, previous_sha256: str | None, signer: Signer | None) -> bytes:
    """The line of an event after the one that has such a hash, signed if anybody signs."""
    line = event.as_line(previous_sha256)
    return line if signer is None else signer.sign_line(line)


def line_of(event: Event, data: bytes, queued: RunQueued) -> Line:
    """The line of an event, of a run that began with `queued`, for those who follow the run."""
    return Line(event.run_id, event.seq, data, isinstance(event.what, RunEnded), event, queued)


def nothing() -> None:
    """A job that only has to have its turn."""
