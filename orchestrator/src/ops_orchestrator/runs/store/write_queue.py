"""What an event loop hands to a thread, and what the thread answers."""

import asyncio
import queue
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, Generic, Protocol, TypeVar

_LINGER_S: Final = 0.005
"""What nobody waits for is handed over together: a thread that is woken for each takes a third of a run's time."""

Item = TypeVar("Item")
Answers = list[tuple["asyncio.Future[Any]", Any]]
"""What to set: futures, each with its result or the error that it raises."""


class Job(Protocol):
    """Something to do for the thread: about so many bytes, and who waits for it, if anybody does."""

    size: int
    answer: "asyncio.Future[Any] | None"


AJob = TypeVar("AJob", bound=Job)


class WriteQueue(Generic[AJob]):
    """Jobs in the order in which they came, of at most so many bytes: who has more waits. `put` and `wake` are for the loop."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._room: list[asyncio.Future[None]] = []
        self._pending: list[AJob] = []
        self._timer: asyncio.TimerHandle | None = None
        self._batches: queue.SimpleQueue[list[AJob] | None] = queue.SimpleQueue()

    async def put(self, job: AJob) -> None:
        """Have the thread do `job`; waits while too much is waiting already."""
        loop = asyncio.get_running_loop()
        while (room := self._room_for(job.size, loop)) is not None:
            self.wake()
            await room
        self._pending.append(job)
        if job.answer is not None:
            self.wake()
        elif self._timer is None:
            self._timer = loop.call_later(_LINGER_S, self.wake)

    def wake(self) -> None:
        """Hand over what lingers."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pending:
            self._batches.put(self._pending)
            self._pending = []

    def close(self) -> None:
        """Let the thread end when it has done what was put."""
        self.wake()
        self._batches.put(None)

    def take(self) -> list[AJob]:
        """All jobs that wait, at least one; none when the queue is closed. For the thread."""
        return [job for batch in waiting(self._batches) for job in batch]

    def free(self, size: int) -> Answers:
        """Make room for what waits to be put; returns those who wait. For the thread."""
        with self._lock:
            self._bytes -= size
            waiting_for_room, self._room = self._room, []
        return [(room, None) for room in waiting_for_room]

    def _room_for(self, size: int, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[None] | None":
        """Take room for `size` bytes; when there is not enough, what to wait for before trying again."""
        with self._lock:
            # What is larger than the whole queue has it alone.
            if not self._bytes or self._bytes + size <= self._most_bytes:
                self._bytes += size
                return None
            room: asyncio.Future[None] = loop.create_future()
            self._room.append(room)
            return room


def tell(answers: Answers) -> None:
    """Set what an event loop waits for, in one call of the loop."""
    by_loop: dict[asyncio.AbstractEventLoop, Answers] = {}
    for answer in answers:
        by_loop.setdefault(answer[0].get_loop(), []).append(answer)
    for loop, own in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(_set_all, own)


def waiting(items: "queue.SimpleQueue[Item | None]", *, block: bool = True) -> list[Item]:
    """All that waits in the queue, at least one with `block`; none any more once the None at its end is reached."""
    found: list[Item] = []
    while True:
        try:
            item = items.get(block=block and not found)
        except queue.Empty:
            return found
        if item is None:
            items.put(None)
            return found
        found.append(item)


def _set_all(answers: Sequence[tuple["asyncio.Future[Any]", Any]]) -> None:
    for future, outcome in answers:
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
