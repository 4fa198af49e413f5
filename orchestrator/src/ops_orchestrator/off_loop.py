"""Work on large bodies leaves the event loop: it would hold up every other run."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

Result = TypeVar("Result")

_LARGE_BYTES: Final = 64 * 1024
"""Most bodies of this size are read or hashed in less than a millisecond, one of nothing but values in up to 30."""


async def off_loop_if_large(work: Callable[[], Result], size_bytes: float) -> Result:
    """The result of `work`, which is done in a thread when it concerns a body of many bytes.

    A caller that is cancelled does not wait; what the work reads is bounded, and so is the time that the thread goes on.
    """
    return await asyncio.to_thread(work) if size_bytes > _LARGE_BYTES else work()
