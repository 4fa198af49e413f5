"""A time limit around what belongs together, that ends in an error of ours."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ops_orchestrator.errors import StepError


@asynccontextmanager
async def time_limit(seconds: float, error: StepError) -> AsyncIterator[None]:
    """Raise `error` when the block takes longer than `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as timeout:
        raise error from timeout
