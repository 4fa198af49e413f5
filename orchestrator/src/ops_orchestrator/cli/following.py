"""The log of a run as it is written, from a service: it goes on where a broken connection ended."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final

from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.errors import CannotReachError

_PAUSES_S: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each attempt to go on; a line that comes starts them again."""


async def followed(
    service: ServiceClient, run_id: str, warn: Callable[[str], None], pauses_s: Sequence[float] = _PAUSES_S
) -> AsyncGenerator[bytes]:
    """The lines of the log of a run, from the first to the one that says how it ended.

    When the stream breaks, it goes on after the last line, and `warn` gets a sentence. Raises RefusedError, and
    CannotReachError when the service cannot be reached at first, or sends no line in as many attempts as there are pauses.
    """
    after, failures, is_over = 0, 0, False
    while True:
        before, reason = after, ""
        try:
            async with aclosing(service.events(run_id, after)) as events:
                async for seq, line in events:
                    after, failures, is_over = seq, 0, status_at_the_end(line) is not None
                    yield line
        except CannotReachError as error:
            if not after:
                raise
            reason = str(error)
        if is_over:
            return
        # The service drops a reader that is too slow; it goes on at once.
        if reason or after == before:
            reason = reason or "the service sends nothing more of it"
            if failures == len(pauses_s):
                raise CannotReachError(f"{reason}; go on with `ops runs logs {run_id} --follow`")
            if not failures:
                warn(f"the stream of {run_id} broke after line {after}: {reason}; trying to go on")
            await asyncio.sleep(pauses_s[failures])
            failures += 1


def status_at_the_end(line: bytes) -> str | None:
    """How the run ended, if that is what this line of its log says."""
    try:
        fields: Any = json.loads(line)
        return str(fields["status"]) if fields["event"] == "run.ended" else None
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
