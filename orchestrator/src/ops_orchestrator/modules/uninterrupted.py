"""Work that goes on to its end when whoever waits for it is cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def uninterrupted(work: Coroutine[Any, Any, Result]) -> tuple[Result, bool]:
    """The result of `work`, and whether the caller was cancelled meanwhile, once or more often.

    Raises what `work` raises. A thread cannot be stopped: without this, it would still write after its caller went on.
    """
    task = asyncio.create_task(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    return task.result(), cancelled


async def to_its_end(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`. A caller that is cancelled meanwhile learns it when the work has ended."""
    result, cancelled = await uninterrupted(work)
    if cancelled:
        raise asyncio.CancelledError
    return result
