"""The bytes of a request's body, within a limit."""

from typing import Final

from starlette.requests import ClientDisconnect, Request

from ops_contract import RefusalError, read_body

__all__ = ["MAX_REQUEST_BYTES", "receive"]

MAX_REQUEST_BYTES: Final = 2**20
"""The largest body that a stub reads by default: 1 MiB."""


async def receive(request: Request, limit: int) -> bytes:
    """Read the body, giving up once it is larger than `limit` bytes. Raises RefusalError."""
    try:
        return await read_body(request.stream(), limit, announced=request.headers.get("content-length"))
    except ClientDisconnect as error:
        raise RefusalError.incomplete() from error
