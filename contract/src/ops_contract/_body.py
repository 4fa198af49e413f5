"""The body of a request, read within a limit."""

from collections.abc import AsyncIterable

from ops_contract._refusal import RefusalError

__all__ = ["read_body"]


async def read_body(chunks: AsyncIterable[bytes], limit: int, *, announced: str | None = None, setting: str = "") -> bytes:
    """Join `chunks`, giving up once they have more than `limit` bytes (OPS-LIM-003). Raises RefusalError 413.

    `announced` is the header Content-Length: what it says is too large is refused unread, and what it says wrongly is counted.
    `setting` names what the limit can be changed with, for the message. What `chunks` raises when a connection ends early is
    not caught; the caller turns it into `RefusalError.incomplete`.
    """
    if announced is not None and _size(announced) > limit:
        raise RefusalError.too_large(limit, setting)
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise RefusalError.too_large(limit, setting)
    return bytes(body)


def _size(announced: str) -> int:
    return int(announced) if announced.isdecimal() and len(announced) < 20 else 0
