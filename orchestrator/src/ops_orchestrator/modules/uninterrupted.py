"""Work that goes on to its end when whoever waits for it is cancelled."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def _nothing() -> None:
    pass


async def uninterrupted(work: Coroutine[Any, Any, Result], on_cancel: Callable[[], None] = _nothing) -> tuple[Result, bool]:
    """The result of `work`, and whether the caller was cancelled meanwhile, once or more often.

    `on_cancel` can ask `work` to end early. Raises what `work` raises. A thread cannot be stopped: without this, it would still
    write after its caller went on.
    """
    task = asyncio.create_task(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
            on_cancel()
    return task.result(), cancelled
