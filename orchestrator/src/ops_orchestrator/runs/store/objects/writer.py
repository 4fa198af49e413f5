"""Writes one run: in a folder of this process first, and from there into the bucket, step by step.

What a step leaves is put as soon as it is written, while the next one goes on, and never more than one step behind. A line that
names no file waits a moment for the next one, so that a run of short steps puts its log once a step.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeVar

from ops_orchestrator.errors import FencedError, StoreError, UnderWayError
from ops_orchestrator.runs.events import Event, RunEnded, RunResumed
from ops_orchestrator.runs.feed import Line
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.run_file import RunFile
from ops_orchestrator.runs.store.objects.publication import Publication
from ops_orchestrator.runs.store.protocols import RunIndex, RunWriter

LINGER_S: Final = 1.0
"""So long a line that names no file waits for the next one."""

_AT_ONCE_S: Final = 0.0

Result = TypeVar("Result")


class Publishing(Protocol):
    """What publishes all runs of the process."""

    @property
    def index(self) -> RunIndex:
        """Which runs there are."""
        ...

    async def in_thread(self, work: Callable[[], Result]) -> Result:
        """What `work` returns, which blocks."""
        ...

    def tell(self, lines: Sequence[Line]) -> None:
        """Give lines that are in the bucket to those who follow runs."""
        ...

    def forget(self, run_id: str) -> None:
        """Remove the folder in which a run was written here. Blocking."""
        ...


class ObjectWriter:
    """A RunWriter for a run that `local` writes in a folder, from which `publication` takes it."""

    def __init__(self, local: RunWriter, publication: Publication, publishing: Publishing, linger_s: float) -> None:
        self._local = local
        self._publication = publication
        self._publishing = publishing
        self._linger_s = linger_s
        self.has_shown_end = False
        self._error: StoreError | None = None
        self._ended: RunRecord | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._round: asyncio.Task[None] | None = None
        self._is_wanted = False

    @property
    def staging(self) -> Path:
        """See RunWriter."""
        return self._local.staging

    @property
    def accepted(self) -> int:
        """See RunWriter."""
        return self._local.accepted

    @property
    def written(self) -> int:
        """See RunWriter."""
        return self._local.written

    async def append(self, event: Event, files: Sequence[RunFile] = ()) -> None:
        """See RunWriter."""
        if files and self._round is not None:
            await asyncio.shield(self._round)
        self._check()
        await self._local.append(event, files)
        if files:
            self._publish_now()
        else:
            self._publish_soon()

    async def go_on(self, record: RunRecord, event: Event) -> None:
        """See RunWriter. A run that is taken over is ours when this returns. Raises ConflictError if somebody was faster."""
        await self._publishing.in_thread(partial(self._publishing.index.put, [record]))
        if not isinstance(event.what, RunResumed):
            await self._local.go_on(record, event)
            self._publish_soon()
            return
        self._publication.went_on()
        await self._local.go_on(record, event)
        try:
            await self._published()
        except FencedError as error:
            raise UnderWayError(event.run_id, "being resumed already") from error

    async def end(self, event: Event, record: RunRecord, results: Results, results_bytes: int) -> None:
        """See RunWriter. All files are there before; an end that was sent stays the run's, since the bucket may have it."""
        await self._rest()
        self._check()
        await self._local.durable()
        # Their lines come with the end, so that the log is put once for both.
        await self._in_thread(self._publication.put_files)
        await self._local.end(event, record, results, results_bytes)
        self._ended = record
        await self._conclude(None)

    async def durable(self) -> None:
        """See RunWriter."""
        self._check()
        await self._published()

    async def finish(self, ended: RunEnded) -> RunRecord:
        """See RunWriter."""
        await self._rest()
        if isinstance(self._error, FencedError):
            raise self._error
        if self._ended is None:
            self._ended = await self._local.finish(ended)
        await self._conclude(_AT_ONCE_S)
        return self._ended

    async def abandon(self) -> None:
        """See RunWriter."""
        await self._rest()
        if self._ended is None:
            with suppress(StoreError):
                await self._local.abandon()
        await self._publishing.in_thread(self._forget)

    async def _conclude(self, patience_s: float | None) -> None:
        """Publish the end of the run, which is in its folder."""
        record = self._ended
        assert record is not None  # noqa: S101  # see above
        lines = await self._in_thread(partial(self._publication.end, patience_s))
        self.has_shown_end = True
        await self._publishing.in_thread(partial(self._publishing.index.put, [record]))
        self._publishing.tell(lines)
        await self._publishing.in_thread(self._forget)

    def _publish_now(self) -> None:
        self._cancel_timer()
        self._is_wanted = True
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._in_rounds())

    def _publish_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._linger_s, self._publish_now)

    async def _in_rounds(self) -> None:
        while self._is_wanted and self._error is None:
            self._is_wanted = False
            with suppress(StoreError):  # the next call raises it
                await self._published()

    async def _published(self) -> None:
        """Publish what was handed over so far. Raises StoreError."""
        await self._local.durable()
        if self._publication.has_more:
            self._publishing.tell(await self._in_thread(self._publication.publish))

    async def _in_thread(self, publish: Callable[[], Result]) -> Result:
        try:
            return await self._publishing.in_thread(publish)
        except OSError as error:
            self._error = StoreError(f"cannot read what was written of {self._publication.run_id}: {error.strerror}")
            raise self._error from error
        except StoreError as error:
            self._error = error
            raise

    async def _rest(self) -> None:
        """Let what is being published come to its end, and begin no more."""
        self._cancel_timer()
        self._is_wanted = False
        if self._round is not None:
            await asyncio.shield(self._round)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _forget(self) -> None:
        self._publishing.forget(self._publication.run_id)
