"""The bytes of a request's body, within a limit."""

from typing import Final

from starlette.requests import ClientDisconnect, Request

from ops_contract import RefusalError

__all__ = ["MAX_REQUEST_BYTES", "receive"]

MAX_REQUEST_BYTES: Final = 2**20
"""The largest body that a stub reads, unless told otherwise: 1 MiB."""


async def receive(request: Request, limit: int) -> bytes:
    """Read the body, giving up once it is larger than `limit` bytes (OPS-LIM-003)."""
    announced = request.headers.get("content-length", "")
    # What is announced need not be read to be refused; what is not announced, or announced wrongly, is counted.
    size = int(announced) if announced.isdecimal() and len(announced) < 20 else 0
    chunks: list[bytes] = []
    if size <= limit:
        size = 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    break
                chunks.append(chunk)
        except ClientDisconnect as error:
            raise RefusalError(400, "INCOMPLETE", "the connection ended before the body did") from error
    if size > limit:
        raise RefusalError(413, "TOO_LARGE", f"the body is larger than the {limit} bytes that this module accepts")
    return b"".join(chunks)
