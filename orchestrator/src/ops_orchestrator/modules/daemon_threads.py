"""Threads for work that may turn out to be endless: they hold up neither the process's end nor each other."""

import asyncio
import ctypes
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")


class DaemonThreads:
    """Does work in threads of its own, called `name`, as many as are needed at once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle: list[_Worker] = []

    async def run(self, work: Callable[[], Result], *, interrupt: bool = True) -> Result:
        """The result of `work`. A caller that is cancelled, as by a time-out, does not wait for it.

        Its thread is then interrupted, anywhere; or with `interrupt` False goes on until the work ends by itself.
        """
        worker = self._idle.pop() if self._idle else _Worker(self._name)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()
        worker.start(lambda: _settle(loop, done, work))
        try:
            return await done
        except asyncio.CancelledError:
            if interrupt:
                worker.interrupt()
            worker.retire()
            worker = _Worker(self._name)
            raise
        finally:
            self._idle.append(worker)


class _InterruptedError(BaseException):
    """Raised inside a thread whose work is not wanted any more. No `except Exception` on the way keeps it."""


class _Worker:
    """One thread, which does one piece of work after another."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self, work: Callable[[], None]) -> None:
        """Have `work` done."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._work.put(work)

    def interrupt(self) -> None:
        """Stop the work as soon as the interpreter has a say in it."""
        if self._thread is not None and self._thread.ident is not None:
            identity = ctypes.c_ulong(self._thread.ident)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(_InterruptedError))

    def retire(self) -> None:
        """End the thread after its work."""
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
