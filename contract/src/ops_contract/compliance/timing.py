"""Seconds that count against a module: a late answer is repeated, and measured beside an idle request, before it is late.

A busy machine delays everything. What an idle request takes at the same time is that delay, and is never held against a module.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from ops_contract.compliance.observation import Seen
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.result import Exchange

_TRIES: Final = 3
_NOTHING: Final = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass(frozen=True)
class Timed:
    """An answer, and the seconds that an idle request took around the same time; 0 when none was needed."""

    seen: Seen
    idle_s: float = 0.0

    @property
    def seconds(self) -> float:
        """What the answer took."""
        return self.seen.exchange.seconds

    def is_within(self, bound_s: float) -> bool:
        """Whether it came within `bound_s` seconds more than an idle request took."""
        return self.seconds - self.idle_s <= bound_s

    def took(self, idle: str) -> str:
        """Both figures in words; `idle` names the request that the answer was measured beside."""
        return f"{self.seconds:.2f} s, when {idle} takes {self.idle_s:.2f} s"


async def timed(
    send: Callable[[], Awaitable[Exchange]], idle: Callable[[], Awaitable[float]], is_in_time: Callable[[Timed], bool]
) -> Timed:
    """The first of three answers that is in time, or else the last. What else is wrong with an answer is not for `is_in_time`.

    `send` makes a new request each time, because a module may keep its answer to the last one. `idle` gives the seconds that an
    idle request takes, and is called after an answer that is not in time by itself.
    """
    before_s = 0.0
    for _ in range(_TRIES):
        found = Timed(Seen(await send()))
        if is_in_time(found):
            break
        after_s = await idle()
        found = Timed(found.seen, max(before_s, after_s))
        if is_in_time(found):
            break
        before_s = after_s
    return found


async def idle_machine() -> float:
    """The seconds that a request takes to a server that has nothing to do, in this process: what the machine adds itself."""
    server = await asyncio.start_server(_answer_nothing, "127.0.0.1", 0)
    async with server:
        exchange = await Probe(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").send("GET", "/")
        return exchange.seconds


async def _answer_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_NOTHING)
        await writer.drain()
    writer.close()
