"""The work of a stub: a few threads execute its actions, and a limited number of calls wait for one."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Final, TypeVar

from ops_contract import RefusalError

__all__ = ["Work"]

T = TypeVar("T")

_THREADS: Final = 4
_MAX_WAITING: Final = 256


class Work:
    """Runs functions in `threads` threads; at most `max_waiting` more wait for their turn, in the order of their arrival.

    A function that waits holds no thread, and is never executed when its caller is cancelled meanwhile.
    """

    def __init__(self, *, threads: int = _THREADS, max_waiting: int = _MAX_WAITING) -> None:
        # Not the threads in which request bodies are read: those must not wait for a chart.
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ops-stubs")
        self._limit = threads + max_waiting
        self._admitted = 0

    async def run(self, function: Callable[[], T]) -> T:
        """The result of `function`. Raises RefusalError, 503 BUSY, when too many wait already."""
        if self._admitted >= self._limit:
            message = f"{self._admitted} calls are being executed or wait for it; try again later"
            raise RefusalError(503, "BUSY", message)
        self._admitted += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, copy_context().run, function)
        finally:
            self._admitted -= 1
