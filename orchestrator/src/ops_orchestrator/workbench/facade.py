"""A module behind its adapter, served as the contract wants it, for callers that know nothing but the contract."""

import asyncio
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ops_contract import (
    CONTRACT_VERSION,
    UNKNOWN_VERSION,
    Artifact,
    ExecuteRequest,
    Health,
    RefusalError,
    UpstreamStep,
    check_request_headers,
    read_body,
    read_request,
    trace_of,
)
from ops_orchestrator.errors import StepError
from ops_orchestrator.modules.adapters.need import latest_by_role
from ops_orchestrator.modules.answer import ReceivedArtifact
from ops_orchestrator.modules.attempt import Answered, attempt, request_for
from ops_orchestrator.modules.call import Call, UpstreamAnswer
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.readiness import check_health
from ops_orchestrator.modules.staging import StagedFile
from ops_orchestrator.modules.trace_context import TRACE_HEADER, TraceContext, read_traceparent
from ops_orchestrator.modules.transport import Transport
from ops_orchestrator.settings import Settings
from ops_orchestrator.workbench.supply import Chained, FromRun, Supply, SupplyError

_MOST_INLINE_BYTES: Final = 256 * 1024
_MOST_INLINE_BYTES_IN_ALL: Final = 8 * 1024 * 1024
_MOST_FILES: Final = 1000

UPSTREAM_MISSING: Final = "UPSTREAM_MISSING"
"""The code of a refusal when earlier answers that an action needs are not in the request."""


def create_facade(
    module: Module,
    settings: Settings,
    transport: Transport | None = None,
    supply: FromRun | Catalogue | None = None,
) -> Starlette:
    """The application; `transport` replaces the network between it and the module.

    `supply` gives earlier answers to calls that come without those that they need: those of a run, or of the modules of a
    catalogue, which are then called for it.
    """
    client = ModuleClient(settings.limits, transport)
    folder = tempfile.TemporaryDirectory(prefix="ops-facade-", ignore_cleanup_errors=True)
    staging = Path(folder.name)
    given = Chained(supply, client, staging) if isinstance(supply, Catalogue) else supply
    facade = _Facade(module, client, staging, settings, given)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await client.aclose()
        await asyncio.to_thread(folder.cleanup)

    return Starlette(
        routes=[
            Route("/health", facade.health, methods=["GET"]),
            Route("/execute", facade.execute, methods=["POST"]),
            Route("/artifacts/{number:int}", facade.artifact, methods=["GET"]),
        ],
        exception_handlers={RefusalError: facade.refused, HTTPException: facade.not_served},
        lifespan=lifespan,
    )


class _Facade:
    """What the paths of the contract call; keeps the files that its last answers refer to."""

    def __init__(self, module: Module, client: ModuleClient, staging: Path, settings: Settings, supply: Supply | None) -> None:
        self._supply = supply
        self._module = module
        self._client = client
        self._staging = staging
        self._max_request_bytes = settings.max_request_bytes
        self._max_request_values = settings.max_request_values
        self._version = UNKNOWN_VERSION
        self._files: OrderedDict[int, tuple[Path, str]] = OrderedDict()
        self._number = 0

    async def health(self, _: Request) -> Response:
        """`GET /health`: the result of the module's own check, in the contract's words."""
        try:
            readiness = await check_health(self._client, self._module)
        except StepError as error:
            raise RefusalError(503, error.failure.code, error.failure.message) from error
        self._version = readiness.version or UNKNOWN_VERSION
        adapter = self._module.adapter
        has_artifacts = adapter is not None and any(action.artifacts for action in adapter.actions.values())
        health = Health(
            status="ok",
            module=self._module.name,
            version=self._version,
            contract_versions=(CONTRACT_VERSION,),
            profiles=("artifacts",) if has_artifacts else (),
            actions=self._module.action_names,
        )
        return JSONResponse(health.model_dump(mode="json"))

    async def execute(self, request: Request) -> Response:
        """`POST /execute`: mapped, sent, mapped back."""
        started = asyncio.get_running_loop().time()
        check_request_headers(request.headers)
        raw = await self._body(request)
        read = partial(read_request, raw, max_values=self._max_request_values, setting="OPS_MAX_REQUEST_VALUES")
        requested = (await asyncio.to_thread(read)).request
        deadline_s = requested.options.deadline_s
        try:
            async with asyncio.timeout_at(deadline_s and started + deadline_s):
                answered = await self._answered(await self._call(requested, _trace(request, requested.run_id)))
        except TimeoutError as error:
            raise RefusalError.deadline_exceeded() from error
        fields = {
            "version": self._version,
            "contract_version": CONTRACT_VERSION,
            "artifacts": await self._artifacts(answered.artifacts),
            "meta": {**answered.envelope.meta, **trace_of(request.headers)},
        }
        envelope = answered.envelope.model_copy(update=fields)
        return JSONResponse(envelope.model_dump(mode="json", exclude_unset=True))

    async def artifact(self, request: Request) -> Response:
        """`GET /artifacts/...`: a file of one of the last answers, looked up by its number."""
        kept = self._files.get(request.path_params["number"])
        if kept is None:
            raise RefusalError.artifact_not_kept()
        content, media_type = kept
        body = await asyncio.to_thread(content.read_bytes)
        return Response(body, media_type=media_type, headers={"X-Content-Type-Options": "nosniff"})

    async def refused(self, request: Request, error: Exception) -> Response:
        """The error envelope of a RefusalError."""
        assert isinstance(error, RefusalError)  # noqa: S101  # registered for nothing else
        return self._refusal(request, error)

    async def not_served(self, request: Request, error: Exception) -> Response:
        """The error envelope of what the framework refuses: other paths, other methods."""
        assert isinstance(error, HTTPException)  # noqa: S101  # registered for nothing else
        allowed = (error.headers or {}).get("Allow")
        refusal = RefusalError.method_not_allowed(allowed) if error.status_code == 405 else RefusalError.not_found()
        return self._refusal(request, refusal, error.headers)

    def _refusal(self, request: Request, refusal: RefusalError, headers: Mapping[str, str] | None = None) -> Response:
        envelope = refusal.envelope(self._module.name, self._version, trace_of(request.headers))
        return JSONResponse(envelope, refusal.status, headers)

    async def _body(self, request: Request) -> bytes:
        announced = request.headers.get("content-length")
        try:
            return await read_body(
                request.stream(), self._max_request_bytes, announced=announced, setting="OPS_MAX_REQUEST_BYTES"
            )
        except ClientDisconnect as error:
            raise RefusalError.incomplete() from error

    async def _call(self, requested: ExecuteRequest, trace: TraceContext) -> Call:
        action, known = requested.action, self._module.action_names
        if action not in known:
            raise RefusalError.unknown_action(action, known, self._module.name)
        module = self._module.for_action(action)
        steps = ((step, earlier.module, None) for step, earlier in requested.upstream.items())
        call = Call(
            run_id=requested.run_id,
            scenario_id=requested.scenario_id,
            step_id=requested.step_id,
            module=module,
            action=action,
            inputs=requested.inputs,
            seed=requested.options.seed,
            upstream={name: _upstream(earlier) for name, earlier in requested.upstream.items()},
            bound=latest_by_role(module.needs(action), steps),
            trace=trace,
        )
        return await self._with_upstream(call) if call.missing_upstream else call

    async def _with_upstream(self, call: Call) -> Call:
        """The call with the earlier answers that it lacks."""
        lacking, reason = ", ".join(call.missing_upstream), ""
        try:
            call = await self._supply.supplied(call) if self._supply else call
        except SupplyError as error:
            reason = f"; {error}"
        if reason or call.missing_upstream:
            message = f"action {call.action!r} of {call.module.name} needs the answer of {lacking}{reason}"
            raise RefusalError(422, UPSTREAM_MISSING, message, pointer="/upstream")
        return call

    async def _answered(self, call: Call) -> Answered:
        try:
            request = await request_for(call)
        except StepError as error:
            # Nothing was sent: what the mapping could not work with came from the caller.
            raise RefusalError(422, "INVALID_INPUT", error.failure.message, pointer="/inputs") from error
        try:
            return await attempt(call, request, self._client, self._staging)
        except StepError as error:
            raise _refused_by_module(error) from error

    async def _artifacts(self, received: Sequence[ReceivedArtifact]) -> tuple[Artifact, ...]:
        """The artifacts as they are answered: small ones inline, the others to be fetched."""
        inline = await asyncio.to_thread(_inline, received)
        return tuple([inline.get(artifact.ref.name) or await self._fetched(artifact) for artifact in received])

    async def _fetched(self, received: ReceivedArtifact) -> Artifact:
        content, ref = received.content, received.ref
        assert content is not None  # noqa: S101  # attempts are made with a staging folder
        file = content if isinstance(content, Path) else await asyncio.to_thread(_written, content, self._staging)
        self._number += 1
        self._files[self._number] = (file, ref.media_type)
        if len(self._files) > _MOST_FILES:
            _, (oldest, _) = self._files.popitem(last=False)
            oldest.unlink(missing_ok=True)
        return Artifact(**ref.model_dump(), **vars(received.caption), href=f"artifacts/{self._number}")


def _inline(received: Sequence[ReceivedArtifact]) -> dict[str, Artifact]:
    """The small ones of the artifacts by name, as far as one answer holds them; their files are removed."""
    inline, left = {}, _MOST_INLINE_BYTES_IN_ALL
    for artifact in received:
        ref, content = artifact.ref, artifact.content
        if content is not None and ref.size_bytes <= min(_MOST_INLINE_BYTES, left):
            left -= ref.size_bytes
            inline[ref.name] = Artifact.of(ref.name, ref.media_type, _taken(content), **vars(artifact.caption))
    return inline


def _taken(content: bytes | Path) -> bytes:
    """The bytes of an artifact; a file of them is removed."""
    if isinstance(content, bytes):
        return content
    taken = content.read_bytes()
    content.unlink()
    return taken


def _written(content: bytes, folder: Path) -> Path:
    file = StagedFile(folder)
    file.complete(content)
    assert file.path is not None  # noqa: S101  # there is a folder
    return file.path


def _upstream(earlier: UpstreamStep) -> UpstreamAnswer:
    return UpstreamAnswer.of(
        module=earlier.module, outputs=earlier.outputs, evidence=earlier.evidence, artifacts=earlier.artifacts
    )


def _refused_by_module(error: StepError) -> RefusalError:
    """A module's refusal stays one, its failure becomes ours: 422 for its 4xx, 503 for what may pass, 502 for the rest."""
    failure = error.failure
    refused = error.exchange is not None and 400 <= error.exchange.status < 500
    status = 503 if failure.retryable else 422 if refused else 502
    return RefusalError(status, failure.code, failure.message, details=failure.module_error)


def _trace(request: Request, run_id: str) -> TraceContext:
    """The trace of whoever calls, which goes on to the module."""
    return TraceContext.of(run_id, read_traceparent(request.headers.getlist(TRACE_HEADER)))
