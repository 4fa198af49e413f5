"""The client of `ops-stubs drift` and `record`: calls one service, with limits on time and size, and follows no redirects."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

import httpx2

from ops_contract import ContractError, Health, parse_json, validate
from ops_stubs.errors import LiveError

__all__ = ["LiveAnswer", "LiveModule"]

_HEALTH_TIMEOUT_S: Final = 10.0
_MAX_ANSWER_BYTES: Final = 64 * 2**20
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class LiveAnswer:
    """An answer as it came; names of headers are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    content: bytes


class LiveModule:
    """A client of the module at `url`. Every call raises LiveError."""

    def __init__(self, url: str, http: httpx2.AsyncClient) -> None:
        self._url = url.rstrip("/")
        self._http = http

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncIterator[Self]:
        """The module at `url`, with a client that is closed at the end."""
        # A proxy could not reach a module on this machine's loopback address.
        outside = urlsplit(url).hostname not in _LOOPBACK
        # No compression: an answer could grow after its size was checked. No time-out: `_send` bounds whole answers.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "openpolicystack-stubs"}
        async with httpx2.AsyncClient(timeout=None, trust_env=outside, headers=headers) as http:
            yield cls(url, http)

    async def health(self) -> Health:
        """The body of `GET /health`."""
        answer = await self.exchange("GET", "/health", None, (), _HEALTH_TIMEOUT_S)
        try:
            if answer.status == 200:
                return validate(Health, parse_json(answer.content), "health")
            reason = f"the status is {answer.status}"
        except ContractError as error:
            reason = str(error)
        raise LiveError(f"{self._url}/health does not answer as a module that is ready: {reason}")

    async def execute(self, body: bytes, timeout_s: float) -> tuple[int, bytes]:
        """The HTTP status and the body of the answer to an execute."""
        answer = await self.exchange("POST", "/execute", body, (("Content-Type", "application/json"),), timeout_s)
        return answer.status, answer.content

    async def exchange(  # noqa: PLR0913, PLR0917 - the parts of a request
        self,
        method: str,
        target: str,
        body: bytes | None,
        headers: Sequence[tuple[str, str]],
        timeout_s: float,
        max_bytes: int = _MAX_ANSWER_BYTES,
    ) -> LiveAnswer:
        """The answer to a request; `target` is a path, with a query or without, below the service's address."""
        url = f"{self._url}{target}"
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._http.stream(method, url, content=body, headers=list(headers)) as response,
            ):
                content = await _whole(url, response, max_bytes)
                fields = tuple((name.lower(), value) for name, value in response.headers.multi_items())
                return LiveAnswer(response.status_code, fields, content)
        except TimeoutError as error:
            raise LiveError(f"{url} gave no whole answer within {timeout_s:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            reason = str(error) or type(error).__name__
            raise LiveError(f"{url} cannot be reached: {reason}; is the module running, and is that its address?") from error


async def _whole(url: str, response: httpx2.Response, limit: int) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > limit:
            raise LiveError(f"{url} answers with more than {limit} bytes")
    return bytes(content)
