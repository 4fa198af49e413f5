"""Talks HTTP to modules: within bounds, and only at their registered addresses."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import IO, Final

import aiohttp
import httpx2
from httpx_aiohttp.httpx2 import AiohttpTransport
from yarl import URL

from ops_contract import masked_url
from ops_orchestrator.errors import Failure, StepError
from ops_orchestrator.exchange import RETRYABLE_STATUS, Exchange, Request
from ops_orchestrator.masking import masked_text
from ops_orchestrator.modules.answer import ReceivedArtifact, RemoteFile
from ops_orchestrator.modules.contract_answer import check_content
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.staging import staged_file

_MAX_HEALTH_BYTES: Final = 64 * 1024
_SHOWN_CHARACTERS: Final = 300


@dataclass(frozen=True)
class Limits:
    """How many bytes are read from a module before it is given up."""

    response_bytes: int
    artifact_bytes: int


class ModuleClient:
    """One client with kept connections for all modules; close it with `aclose`.

    Every call raises StepError, and none bounds its own time: callers put `asyncio.timeout` around what belongs together.
    """

    def __init__(self, limits: Limits, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self.limits = limits
        self._http = httpx2.AsyncClient(
            # httpx's own connection pool loses two thirds of its throughput under concurrency; aiohttp's does not.
            transport=transport or AiohttpTransport(client=_session),
            timeout=None,  # see the class: httpx's time-outs count per read and would never end a slow drip
            # A compressed answer could grow without bound after its size was checked, and nothing here needs one.
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "openpolicystack-orchestrator"},
            # Cookies would carry state from one run into the next.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def aclose(self) -> None:
        """Close the kept connections."""
        await self._http.aclose()

    async def check(self, module: Module, request: Request) -> Exchange:
        """Send a health check, whose answer is small."""
        return await self._exchange(module, request, _MAX_HEALTH_BYTES)

    async def send(self, module: Module, request: Request) -> Exchange:
        """Send a step's request and read the whole answer."""
        return await self._exchange(module, request, self.limits.response_bytes)

    async def fetch(self, module: Module, file: RemoteFile, staging: Path | None) -> ReceivedArtifact:
        """Fetch an artifact and check it against its declared size and digest.

        The bytes are streamed into a new file in the folder `staging`; with None they are checked and dropped.
        """
        async with staged_file(staging) as target:
            await self._stream(module, file, target)
        return ReceivedArtifact(file.ref, Path(target.name) if target else None)

    async def _exchange(self, module: Module, request: Request, limit: int) -> Exchange:
        async with self._open(module, request) as response:
            body = await (_whole(module, response, limit) if request.whole else _start(module, response, limit))
            return Exchange(
                method=request.method,
                url=_shown(module, request),
                request_headers=request.headers,
                request=request.body,
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                response=body,
            )

    async def _stream(self, module: Module, file: RemoteFile, target: IO[bytes] | None) -> None:
        digest, size = hashlib.sha256(), 0
        async with self._open(module, Request(method="GET", path=file.href, headers={"Accept": "*/*"})) as response:
            _check_found(module, file, response)
            async for chunk in _chunks(module, response, self.limits.artifact_bytes):
                digest.update(chunk)
                size += len(chunk)
                if target is not None:
                    await asyncio.to_thread(target.write, chunk)
        check_content(file.ref, size, digest.hexdigest(), module)

    @asynccontextmanager
    async def _open(self, module: Module, request: Request) -> AsyncIterator[httpx2.Response]:
        url = module.at(request.path)
        with _network(module, url):
            built = self._http.build_request(request.method, url, content=request.body, headers=dict(request.headers))
            response = await self._http.send(built, stream=True, follow_redirects=False)
        try:
            yield response
        finally:
            with _network(module, url):
                await response.aclose()


async def _whole(module: Module, response: httpx2.Response, limit: int) -> bytes:
    return b"".join([chunk async for chunk in _chunks(module, response, limit)])


async def _start(module: Module, response: httpx2.Response, limit: int) -> bytes:
    """As much of a body as there is room for, and nothing of one that cannot be read."""
    body = b""
    with suppress(StepError):
        async for chunk in _chunks(module, response, limit):
            body += chunk
    return body


def _shown(module: Module, request: Request) -> str:
    """The address as it goes over the wire, which is as the transport writes it, less secrets."""
    return masked_url(str(URL(module.at(request.path))))


async def _chunks(module: Module, response: httpx2.Response, limit: int) -> AsyncIterator[bytes]:
    encoding = response.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise StepError.of(module.name, "INVALID_ANSWER", f"answers in the encoding {encoding!r}, which was not accepted")
    url, size = response.request.url, 0
    chunks = response.aiter_raw()
    while True:
        with _network(module, str(url)):
            chunk = await anext(chunks, None)
        if chunk is None:
            return
        size += len(chunk)
        if size > limit:
            raise StepError.of(module.name, "ANSWER_TOO_LARGE", f"sends more than the {limit} bytes allowed for {url.path}")
        yield chunk


@contextmanager
def _network(module: Module, url: str) -> Iterator[None]:
    """Stands around exactly what the network does, so that our own disk's errors are never taken for a module's.

    The transport lets some of aiohttp's errors through, and ValueErrors for what cannot be encoded or decoded.
    """
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, aiohttp.ClientError, OSError, ValueError) as error:
        message = f"{module.name} cannot be reached at {masked_url(url)}: {masked_text(_reason(error), url)}"
        failure = Failure(code="MODULE_UNREACHABLE", message=message, module=module.name, retryable=True)
        unsent = isinstance(error, httpx2.ConnectError | aiohttp.ClientConnectorError)
        raise StepError(failure, unsent=unsent) from error


def _reason(error: Exception) -> str:
    """What went wrong, as a person would say it; aiohttp wraps the system's own words."""
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return f"the host name {cause.host!r} is not known"
    if isinstance(cause, aiohttp.ClientConnectorError) and cause.os_error.errno:
        return os.strerror(cause.os_error.errno)
    return " ".join((str(error) or type(error).__name__).split())[:_SHOWN_CHARACTERS]


def _check_found(module: Module, file: RemoteFile, response: httpx2.Response) -> None:
    if response.status_code != 200:
        raise StepError.of(
            module.name,
            "INVALID_ANSWER",
            f"answers {response.status_code} for the artifact {file.ref.name!r} at {response.request.url}",
            retryable=response.status_code in RETRYABLE_STATUS,
            requirement="OPS-ART-002",
        )


def _session() -> aiohttp.ClientSession:
    # uvicorn drops a kept connection after 5 s; letting go first avoids most calls into a closing one.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=4.0)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
