"""The answers that a stub has given, kept so that a repeated call gets the same answer (OPS-IDM-001 to -003)."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from starlette.responses import Response

from ops_contract import RefusalError
from ops_stubs.module import File

__all__ = ["Answer", "AnswerStore", "KeptAnswers", "Key"]

Key = tuple[str, str]
"""`run_id` and `step_id`."""

_LONGEST_WAIT_S: Final = 86_400.0


class Answer(Protocol):
    """The answer to a call; `files` are its artifacts that are fetched by `href`, by name."""

    @property
    def files(self) -> Mapping[str, File]:
        """The files that can be fetched as long as the answer is kept."""

    @property
    def size_bytes(self) -> int:
        """The memory that keeping the answer takes."""

    @property
    def is_success(self) -> bool:
        """Whether the call succeeded; only such answers are kept."""

    def response(self, trace: Mapping[str, Any]) -> Response:
        """The HTTP response; `trace` holds the fields of `meta` that come from the request."""


class KeptAnswers(Protocol):
    """What a stub has answered, as far as it remembers."""

    def keeps(self, key: Key | None, /) -> bool:
        """Whether the call `key` gets its earlier answer again."""

    def clear(self) -> None:
        """Forget it."""


@dataclass
class _Running:
    fingerprint: str
    task: "asyncio.Task[Answer]"
    waiting: int = 0


@dataclass(frozen=True)
class _Kept:
    fingerprint: str
    answer: Answer


class AnswerStore:
    """Executes every call once, as long as its answer is among the most recent ones (by number and by bytes).

    Only successes are kept: a call that failed, or took too long, may be repeated, also with a corrected body.
    """

    def __init__(self, *, max_answers: int = 1000, max_bytes: int = 64 * 2**20) -> None:
        self._max_answers = max_answers
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._running: dict[Key, _Running] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def once(self, key: Key, fingerprint: str, compute: Callable[[], Awaitable[Answer]], *, wait_s: float) -> Answer:
        """The answer to the call `key`: a kept one, that of a running duplicate, or a new one; waits at most `wait_s` seconds.

        Raises RefusalError: 422 when `key` was used with another body, 503 when time is up. When a caller leaves, the
        computation goes on; when the time of the last one is up, it ends, because its answer is not kept.
        """
        if (kept := self._kept.get(key)) is not None:
            _check_same(kept.fingerprint, fingerprint)
            self._kept.move_to_end(key)
            return kept.answer
        running = self._running.get(key)
        if running is None:
            running = self._start(key, fingerprint, compute)
        _check_same(running.fingerprint, fingerprint)
        running.waiting += 1
        try:
            # `wait` leaves the task alone when time is up and when the caller is cancelled.
            done, _ = await asyncio.wait({running.task}, timeout=min(max(wait_s, 0), _LONGEST_WAIT_S))
        finally:
            running.waiting -= 1
        if not done:
            self._forget(key, running)
            if not running.waiting:
                running.task.cancel()
                await asyncio.wait({running.task})
            raise RefusalError.deadline_exceeded()
        return running.task.result()

    def keeps(self, key: Key | None) -> bool:
        """Whether the answer to the call `key` is kept or under way."""
        return key in self._kept or key in self._running

    def clear(self) -> None:
        """Forget every kept answer; running calls go on, and their answers are kept."""
        self._kept.clear()
        self._bytes = 0

    def file(self, key: Key, name: str) -> File | None:
        """A file of a kept answer, or None."""
        kept = self._kept.get(key)
        return kept.answer.files.get(name) if kept else None

    def _start(self, key: Key, fingerprint: str, compute: Callable[[], Awaitable[Answer]]) -> _Running:
        running = _Running(fingerprint, asyncio.ensure_future(compute()))
        self._running[key] = running
        running.task.add_done_callback(lambda _: self._finish(key, running))
        return running

    def _finish(self, key: Key, running: _Running) -> None:
        # Reading the exception keeps asyncio from reporting it as never retrieved, also when every caller has left.
        failed = running.task.cancelled() or running.task.exception() is not None
        if self._forget(key, running) and not failed and running.task.result().is_success:
            self._keep(key, _Kept(running.fingerprint, running.task.result()))

    def _forget(self, key: Key, running: _Running) -> bool:
        """Stop offering `running` to duplicates; False when its time was up before."""
        if self._running.get(key) is not running:
            return False
        del self._running[key]
        return True

    def _keep(self, key: Key, kept: _Kept) -> None:
        self._kept[key] = kept
        self._bytes += kept.answer.size_bytes
        while len(self._kept) > 1 and (len(self._kept) > self._max_answers or self._bytes > self._max_bytes):
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.answer.size_bytes


def _check_same(known: str, sent: str) -> None:
    if known != sent:
        message = "this run_id and step_id were used with another body; send the same body, or another step_id"
        raise RefusalError(422, "IDEMPOTENCY_KEY_REUSED", message, pointer="/step_id")
