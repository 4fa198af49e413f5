"""Threads for work that may turn out to be endless: one that nobody waits for any more is interrupted and let go."""

import asyncio
import ctypes
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")


class MappingThreads:
    """Does work in threads of its own, as many as are needed at once. They hold up neither each other nor the process's end."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of `work`. A caller that is cancelled, as by a time-out, takes the work along."""
        worker = self._idle.pop() if self._idle else _Worker()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()
        worker.start(lambda: _settle(loop, done, work))
        try:
            return await done
        except asyncio.CancelledError:
            worker.interrupt()
            worker = _Worker()
            raise
        finally:
            self._idle.append(worker)


class _InterruptedError(BaseException):
    """Raised inside a thread whose work is not wanted any more. No `except Exception` on the way keeps it."""


class _Worker:
    """One thread, which does one piece of work after another."""

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self, work: Callable[[], None]) -> None:
        """Have `work` done."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="mapping", daemon=True)
            self._thread.start()
        self._work.put(work)

    def interrupt(self) -> None:
        """Stop the work as soon as the interpreter has a say in it, and the thread with it."""
        if self._thread is not None and self._thread.ident is not None:
            identity = ctypes.c_ulong(self._thread.ident)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(_InterruptedError))
        self._work.put(None)

    def _run(self) -> None:
        with suppress(_InterruptedError):
            while (work := self._work.get()) is not None:
                work()


def _settle(loop: asyncio.AbstractEventLoop, done: "asyncio.Future[Any]", work: Callable[[], Any]) -> None:
    result, error = None, None
    try:
        result = work()
    except Exception as raised:  # noqa: BLE001  # handed to whoever waits
        error = raised

    def settle() -> None:
        if done.done():
            return  # whoever waited has gone
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    with suppress(RuntimeError):  # the loop may have ended meanwhile
        loop.call_soon_threadsafe(settle)
