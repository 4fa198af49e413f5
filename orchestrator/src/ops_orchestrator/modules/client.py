"""Talks HTTP to modules: within bounds, and only at their registered addresses."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import nullcontext, suppress
from copy import copy
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol
from urllib.parse import urlsplit

from ops_contract import is_encoded, masked_url
from ops_orchestrator.errors import UNREACHABLE, Failure, NetworkError, ResponseTooLargeError, StepError
from ops_orchestrator.exchange import Exchange, Request
from ops_orchestrator.masking import masked_text
from ops_orchestrator.modules.aiohttp_transport import AiohttpTransport
from ops_orchestrator.modules.allowance import ByteLimit
from ops_orchestrator.modules.answer import FetchedFile, ReceivedArtifact, SharedFile
from ops_orchestrator.modules.calls_in_flight import CallsInFlight
from ops_orchestrator.modules.limits import Limits
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.shared_checks import HealthChecks, SharedChecks
from ops_orchestrator.modules.transport import Response, Transport

_MAX_HEALTH_BYTES: Final = 64 * 1024
_HEADERS: Final = {
    "accept": "application/json",
    # A compressed answer could grow without bound after its size was checked, and nothing here needs one.
    "accept-encoding": "identity",
    "user-agent": "openpolicystack-orchestrator",
}
# Most calls of a module have one of the same two addresses.
_masked_url = lru_cache(maxsize=128)(masked_url)


class TakeArtifact(Protocol):
    """Takes the bytes of an artifact that did not come with the answer of its module."""

    async def __call__(
        self, source: FetchedFile | SharedFile, module: Module, staging: Path | None, limit: ByteLimit, /
    ) -> ReceivedArtifact:
        """The artifact, in a new file in the folder `staging`; with None it is checked and dropped. Raises StepError."""
        ...


class StepClients(Protocol):
    """The client with which the module of each step is called."""

    def of_step(self, step_id: str) -> "ModuleClient":
        """That of one step."""
        ...


class ModuleClient:
    """One client with kept connections for all modules; close it with `aclose`.

    Every call raises StepError, and none bounds its own time: callers put `asyncio.timeout` around what belongs together.
    With `take_artifact`, artifacts that do not come with an answer are not fetched from the module, but taken so.
    """

    def __init__(
        self,
        limits: Limits,
        transport: Transport | None = None,
        checks: HealthChecks | None = None,
        take_artifact: TakeArtifact | None = None,
    ) -> None:
        self.limits = limits
        self.checks: HealthChecks = checks or SharedChecks()
        self.take_artifact = take_artifact
        self._transport = transport
        self._transports: dict[str, Transport] = {}
        self.open_requests: Counter[str] = Counter()
        """How many requests to which module have no whole answer yet."""
        self.calls = CallsInFlight()
        self.headers: Mapping[str, str] = _HEADERS
        """What each request has, unless it says otherwise."""

    def of_step(self, step_id: str) -> "ModuleClient":  # noqa: ARG002  # one for all steps
        """See StepClients."""
        return self

    def with_headers(self, headers: Mapping[str, str]) -> "ModuleClient":
        """This client, whose requests also have these `headers`, unless they have them themselves."""
        if self.is_recorded:
            return self
        one = copy(self)
        one.headers = {**self.headers, **{name.lower(): value for name, value in headers.items()}}
        return one

    @property
    def is_recorded(self) -> bool:
        """Whether answers are those of an earlier run, so that waiting for them changes nothing."""
        return self.take_artifact is not None

    async def aclose(self) -> None:
        """Close the kept connections."""
        for transport in self._transports.values() if self._transport is None else (self._transport,):
            await transport.aclose()

    async def check(self, module: Module, request: Request) -> Exchange:
        """Send a health check, whose answer is small."""
        return await self._exchange(module, request, _MAX_HEALTH_BYTES)

    async def send(self, module: Module, request: Request) -> Exchange:
        """Send a step's request and read the whole answer."""
        return await self._exchange(module, request, self.limits.response_bytes)

    def open(self, module: Module, request: Request, limit: int) -> "_Opened":
        """Send a request and open its response, of which at most `limit` bytes are read; see `chunks_of`."""
        return _Opened(self, self._transport_of(module), module, request, limit)

    def _transport_of(self, module: Module) -> Transport:
        """The module's own connections: of those that share an address, one could leave an answer for the next behind."""
        if self._transport is not None:
            return self._transport
        return self._transports.setdefault(module.name, AiohttpTransport())

    async def _exchange(self, module: Module, request: Request, limit: int) -> Exchange:
        async with self.open(module, request, limit) as response:
            body = bytearray()
            # Where not the whole body is wanted, there is nothing in one that breaks off or cannot be read.
            with nullcontext() if request.whole else suppress(StepError, NetworkError, ResponseTooLargeError):
                async for chunk in chunks_of(module, response):
                    body += chunk
            return Exchange(
                method=request.method,
                url=_masked_url(response.url),
                request_headers=request.headers,
                request=request.body,
                status=response.status,
                headers=response.headers,
                response=bytes(body),
                max_values=self.limits.values_of(adapted=module.adapter is not None),
            )


class _Opened:
    """The response to a request, in a block. Errors of the network are StepErrors, those in the block too.

    A class: the event loop keeps account of each generator.
    """

    def __init__(self, client: ModuleClient, transport: Transport, module: Module, request: Request, limit: int) -> None:
        self._transport = transport
        self._client = client
        self._module = module
        self._request = request
        self._limit = limit
        self._url = module.at(request.path)

    async def __aenter__(self) -> Response:
        request = self._request
        headers = {**self._client.headers, **{name.lower(): value for name, value in request.headers.items()}}
        open_requests = self._client.open_requests
        open_requests[self._module.name] += 1
        try:
            self._response = await self._transport.send(request.method, self._url, headers, request.body, limit=self._limit)
        except BaseException as error:
            open_requests[self._module.name] -= 1
            if isinstance(error, NetworkError | ResponseTooLargeError):
                raise self._failure(error) from error
            raise
        return self._response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.open_requests[self._module.name] -= 1
        await self._response.aclose()
        if isinstance(error, NetworkError | ResponseTooLargeError):
            raise self._failure(error) from error

    def _failure(self, error: NetworkError | ResponseTooLargeError) -> StepError:
        module, url = self._module, self._url
        if isinstance(error, ResponseTooLargeError):
            return StepError.of(module.name, "ANSWER_TOO_LARGE", f"sends {error} for {urlsplit(url).path}")
        self._client.checks.forget(module)
        message = f"{module.name} cannot be reached at {masked_url(url)}: {masked_text(str(error), url)}"
        failure = Failure(code=UNREACHABLE, message=message, module=module.name, retryable=True)
        return StepError(failure, unsent=error.unsent)


def chunks_of(module: Module, response: Response) -> AsyncIterator[bytes]:
    """The body of a response in chunks. Raises StepError when it is encoded, for example compressed."""
    encoding = response.headers.get("content-encoding", "")
    if is_encoded(encoding):
        raise StepError.of(module.name, "INVALID_ANSWER", f"answers in the encoding {encoding!r}, which was not accepted")
    return response.chunks
