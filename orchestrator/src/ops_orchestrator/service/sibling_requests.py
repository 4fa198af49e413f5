"""A request to a sibling: another worker of the service, which listens on a socket that only its siblings know."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from yarl import URL

from ops_orchestrator.service.event_source import HEARTBEAT_S
from ops_orchestrator.service.liveness import answers

NOT_HERE: Final = 421
"""What a sibling answers that does not execute the run."""

RUN: Final = "ops-run"
"""The header with the run that a request concerns."""

CALLER: Final = "ops-caller"
"""The header with the address of who sent it."""

LONGEST_SILENCE_S: Final = 3.0
"""Within which a sibling answers a request that is answered without any work, unless it hangs."""

# What the header says of the connection, and not of the message (RFC 9110, section 7.6.1), and what the client writes itself.
_OF_ONE_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect", "date"}
)
# An answer may take as long as a run. One that does not come at once may also be that of a worker that hangs, which a request
# that is answered without any work tells apart.
_AT_ONCE_S: Final = 1.0
# A stream of events is never silent for longer than a heartbeat.
_LONGEST_PAUSE_S: Final = 4 * HEARTBEAT_S


class PassedOn(StreamingResponse):
    """The answer of a sibling, whose connection is closed at the end, also when the caller hangs up before."""

    def __init__(self, answer: aiohttp.ClientResponse, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._chunks = _chunks(answer)
        super().__init__(self._chunks, answer.status)
        self.raw_headers = [
            (name.lower(), value) for name, value in answer.raw_headers if name.lower().decode("latin-1") not in _OF_ONE_HOP
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        async with self._session, aclosing(self._chunks):
            await super().__call__(scope, receive, send)

    async def close(self) -> None:
        """Give the answer up."""
        await self._session.close()


async def ask(path: Path, request: Request, run_id: str, body: bytes) -> PassedOn | None:
    """The answer of the sibling that listens at `path`, None when it does not execute the run.

    Raises ClientError and OSError when it is gone, TimeoutError when it hangs.
    """
    session = _session(path)
    try:
        answer = await _begun(
            session.request(
                request.method,
                _address(request.scope),
                headers=_headers(request, run_id),
                data=body or None,
                allow_redirects=False,
            ),
            path,
        )
    except BaseException:
        await session.close()
        raise
    if answer.status == NOT_HERE:
        await session.close()
        return None
    return PassedOn(answer, session)


async def ask_sibling(path: Path, request: Request, target: str, within_s: float) -> bytes | None:
    """What the sibling that listens at `path` answers to `GET target`, in the name of who sent `request`.

    None when it is gone, hangs for longer than `within_s` seconds, or refuses.
    """
    headers = [(name, value) for name, value in _headers(request, "") if name != "accept"]
    try:
        async with (
            asyncio.timeout(within_s),
            _session(path) as session,
            session.get(URL(f"http://sibling{target}"), headers=headers) as answer,
        ):
            return await answer.read() if answer.status == HTTPStatus.OK else None
    except (TimeoutError, aiohttp.ClientError, OSError):
        return None


async def tell(path: Path, target: str) -> None:
    """Have the sibling that listens at `path` do what `POST target` says."""
    # One that just died needs no telling: whoever takes its place begins with what is so by then.
    with suppress(aiohttp.ClientError, OSError):
        async with _session(path) as session, session.post(f"http://sibling{target}", allow_redirects=False) as answer:
            await answer.read()


def _session(path: Path) -> aiohttp.ClientSession:
    # A session for each request: it ends with its answer, and a service that stops has none to wait for.
    return aiohttp.ClientSession(
        connector=aiohttp.UnixConnector(str(path)),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(),  # the run takes as long as it takes
        auto_decompress=False,
        skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
    )


async def _begun(request: Awaitable[aiohttp.ClientResponse], path: Path) -> aiohttp.ClientResponse:
    """The answer to `request`, which is waited for while the sibling at `path` lives. Raises as `ask`."""
    asked = asyncio.ensure_future(request)
    try:
        while not (await asyncio.wait([asked], timeout=_AT_ONCE_S))[0]:
            if not await answers(path, LONGEST_SILENCE_S):
                raise TimeoutError
        return asked.result()
    finally:
        asked.cancel()


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    # Of a sibling that dies or hangs, the caller sees that the answer is too short, or that the stream has no end.
    with suppress(aiohttp.ClientError, OSError):
        while chunk := await asyncio.wait_for(answer.content.readany(), _LONGEST_PAUSE_S):
            yield chunk


def _address(scope: Scope) -> URL:
    query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
    return URL(f"http://sibling{scope['raw_path'].decode('latin-1')}{query}", encoded=True)


def _headers(request: Request, run_id: str) -> list[tuple[str, str]]:
    own = {*_OF_ONE_HOP, "content-length", RUN, CALLER}
    passed_on = [(name, value) for name, value in request.headers.items() if name not in own]
    return [*passed_on, (RUN, run_id), (CALLER, request.client.host if request.client else "")]


def is_from_sibling(scope: Scope) -> bool:
    """Whether a request came over the socket of a worker, which has a path and no port."""
    server = scope.get("server")
    return server is not None and server[1] is None
