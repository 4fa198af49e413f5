"""Ctrl-C and SIGTERM end a command only after it has removed what it started."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

Value = TypeVar("Value")

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def run_to_end(work: Coroutine[Any, Any, Value]) -> Value:
    """Run `work` and return its result. A signal cancels it and raises SystemExit with 128 plus the signal's number."""
    received: list[signal.Signals] = []
    try:
        return asyncio.run(_cancelled_by_signals(work, received))
    except asyncio.CancelledError:
        if not received:
            raise
        raise SystemExit(128 + received[0]) from None


async def _cancelled_by_signals(work: Coroutine[Any, Any, Value], received: list[signal.Signals]) -> Value:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)

    def stop(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    for number in _SIGNALS:
        with suppress(NotImplementedError):  # Windows; Ctrl-C does the same there without this
            loop.add_signal_handler(number, stop, number)
    return await task
