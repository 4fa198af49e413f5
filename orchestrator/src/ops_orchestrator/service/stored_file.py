"""A stored file as an HTTP response: in whole or one range, only when it is needed, read in pieces off the event loop."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Final, Self
from urllib.parse import quote

from fastapi import HTTPException, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ops_contract import sha256_hex
from ops_orchestrator.service.byte_range import UnsatisfiableRangeError, requested_range
from ops_orchestrator.service.conditional import Validators
from ops_orchestrator.service.head import is_head

# Of each answer that nobody reads, two are kept: one that is to be sent, and one that waits.
_PIECE_BYTES: Final = 64 * 1024
_SHOWN: Final = re.compile(r"text/|image/|audio/|video/|application/(json\b|[\w.-]+\+json\b)", re.IGNORECASE)
_NOT_IN_A_QUOTED_STRING: Final = re.compile(r'[^ -~]|["\\%]')


@dataclass(frozen=True)
class StoredFile:
    """An open file of `size` bytes and what is known of them; `modified` is in seconds since 1970."""

    file: BinaryIO
    size: int
    media_type: str
    sha256: str
    modified: float | None = None

    @classmethod
    def made(cls, content: bytes, media_type: str) -> Self:
        """A file that is made for this answer."""
        return cls(BytesIO(content), len(content), media_type, sha256_hex(content))


def respond_with(stored: StoredFile, request: Request, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to `request`, with `headers` added. Closes the file, at once or when it has been sent.

    Raises HTTPException: 412 for a condition that does not hold, 416 for a range beyond the end.
    """
    validators = Validators(f'"{quote(stored.sha256)}"', None if stored.modified is None else int(stored.modified))
    # Stored runs may be removed or, before their end, change: a cache asks again, and the answer is mostly 304.
    described = {**validators.headers, "Cache-Control": "no-cache", **(headers or {})}
    with ExitStack() as unless_sent:
        unless_sent.callback(stored.file.close)
        match validators.status_for(request.headers):
            case 304:
                return Response(status_code=304, headers=described)
            case 412:
                raise HTTPException(412, "What is stored is another version than the request's conditions name.")
        described |= {
            # As recorded: set as a media type, the framework would add a character set to it.
            "Content-Type": stored.media_type,
            "Content-Length": str(stored.size),
            "Accept-Ranges": "bytes",
        }
        if is_head(request.scope):
            return Response(headers=described)
        part = _part(stored.size, request) if validators.allow_range(request.headers) else None
        unless_sent.pop_all()
        return _whole(stored, described) if part is None else _partial(stored, part, described)


def disposition(name: str, media_type: str) -> str:
    """A Content-Disposition that saves the file under the last part of `name` (RFC 6266, RFC 8187).

    What a browser shows by itself is shown first; what it needs a program for, such as a PDF, cannot be opened in a sandbox.
    """
    kind = "inline" if _SHOWN.match(media_type) else "attachment"
    plain = name.rpartition("/")[2]
    in_ascii = _NOT_IN_A_QUOTED_STRING.sub("_", plain)
    extended = "" if in_ascii == plain else f"; filename*=UTF-8''{quote(plain, safe='')}"
    return f'{kind}; filename="{in_ascii}"{extended}'


def _part(size: int, request: Request) -> range | None:
    try:
        return requested_range(request.headers.getlist("range"), size)
    except UnsatisfiableRangeError as error:
        detail = f"The file has {size} bytes, and the range begins after them."
        raise HTTPException(416, detail, {"Content-Range": f"bytes */{size}"}) from error


def _whole(stored: StoredFile, headers: dict[str, str]) -> Response:
    return _Sent(stored.file, range(stored.size), 200, headers)


def _partial(stored: StoredFile, part: range, headers: dict[str, str]) -> Response:
    content_range = f"bytes {part.start}-{part.stop - 1}/{stored.size}"
    return _Sent(stored.file, part, 206, headers | {"Content-Range": content_range, "Content-Length": str(len(part))})


class _Sent(StreamingResponse):
    """Sends `part` of a file, then closes it, also when the caller hangs up or never listens."""

    def __init__(self, file: BinaryIO, part: range, status: int, headers: dict[str, str]) -> None:
        super().__init__(_pieces(file, part), status, headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with closing(self._file):
            await super().__call__(scope, receive, send)


async def _pieces(file: BinaryIO, part: range) -> AsyncIterator[bytes]:
    await asyncio.to_thread(file.seek, part.start)
    left = len(part)
    # Of a file that became shorter meanwhile the server ends the connection, by which the caller sees that it is not whole.
    while left and (piece := await asyncio.to_thread(file.read, min(left, _PIECE_BYTES))):
        left -= len(piece)
        yield piece
