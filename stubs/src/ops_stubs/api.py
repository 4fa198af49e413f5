"""The contract's endpoints for one stub: health, execute, and the files that answers refer to."""

import asyncio
import json
import logging
import re
import time
from typing import Any, Final
from urllib.parse import quote

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from ops_contract import (
    CONTRACT_VERSION,
    Artifact,
    ErrorDetail,
    ErrorEnvelope,
    ExecuteRequest,
    Health,
    SuccessEnvelope,
    canonical_json,
)
from ops_contract.schemas import openapi
from ops_stubs.answers import Answer, AnswerStore
from ops_stubs.delay import delay_of
from ops_stubs.errors import InputError, RefusalError
from ops_stubs.module import File, Stub
from ops_stubs.request_body import check_headers, parse, receive

__all__ = ["ModuleApi", "error_response", "health_of", "json_response"]

_LOG: Final = logging.getLogger("ops_stubs")
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_PROFILES: Final = ("artifacts", "deterministic", "idempotent")


class ModuleApi:
    """A stub and the answers it has given; its methods are what the paths of the contract call."""

    def __init__(self, stub: Stub, answers: AnswerStore, max_request_bytes: int) -> None:
        self._stub = stub
        self._answers = answers
        self._max_request_bytes = max_request_bytes

    async def health(self) -> Response:
        """`GET /health`: ready, since a stub is served only once it is."""
        return json_response(health_of(self._stub))

    async def openapi(self) -> Response:
        """`GET /openapi.json`: the contract's own document, not one guessed from this code."""
        return json_response(openapi())

    async def execute(self, request: Request) -> Response:
        """`POST /execute`: the envelope of the action, an error envelope for everything that stands in its way."""
        started = asyncio.get_running_loop().time()
        try:
            answer = await self._answer(request, started)
        except InputError as error:
            raise RefusalError.of_problems("INVALID_INPUT", error.problems) from error
        except RefusalError:
            raise
        except Exception:  # noqa: BLE001 - the last edge
            # Whatever it was, the caller gets an envelope, and only the log learns the details.
            _LOG.exception("%s failed on a request", self._stub.name)
            refusal = RefusalError(500, "INTERNAL", "the module failed; its log says why")
            return error_response(self._stub, refusal, request)
        meta = {"duration_ms": answer.duration_ms, **_trace(request)}
        return json_response({**answer.envelope, "meta": meta})

    async def artifact(self, run_id: str, step_id: str, name: str) -> Response:
        """`GET /artifacts/...`: looked up by name among the kept answers, so that no path leads anywhere else (OPS-ART-006)."""
        file = self._answers.file((run_id, step_id), name)
        if file is None:
            raise RefusalError(404, "NOT_FOUND", "no such artifact is kept; execute the step again to have it made again")
        return Response(file.content, media_type=file.media_type, headers={"X-Content-Type-Options": "nosniff"})

    async def _answer(self, request: Request, started: float) -> Answer:
        check_headers(request.headers)
        raw = await receive(request, self._max_request_bytes)
        # A large body takes a while to check, and health is answered meanwhile (OPS-HLT-003).
        read = await anyio.to_thread.run_sync(parse, raw)
        call = read.request
        if call.action not in self._stub.actions:
            raise _unknown_action(self._stub, call.action)
        passed = asyncio.get_running_loop().time() - started
        wait_s = float("inf") if call.options.deadline_s is None else call.options.deadline_s - passed

        delay_s, undelayed = delay_of(call)

        async def compute() -> Answer:
            await anyio.sleep(delay_s)
            return await anyio.to_thread.run_sync(_execute, self._stub, undelayed)

        return await self._answers.once((call.run_id, call.step_id), read.fingerprint, compute, wait_s=wait_s)


def health_of(stub: Stub) -> dict[str, Any]:
    """What a stub says of itself, as JSON."""
    health = Health(
        status="ok",
        module=stub.name,
        version=stub.version,
        contract_versions=(CONTRACT_VERSION,),
        profiles=_PROFILES,
        actions=tuple(stub.actions),
    )
    return health.model_dump(mode="json")


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer in UTF-8; NaN and Infinity raise instead of travelling (OPS-EXE-004)."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode(), status, headers, media_type="application/json")


def error_response(stub: Stub, refusal: RefusalError, request: Request, headers: dict[str, str] | None = None) -> Response:
    """The error envelope that says what `refusal` says."""
    pointer = {} if refusal.pointer is None else {"pointer": refusal.pointer}
    detail = ErrorDetail.model_validate(
        {
            "code": refusal.code,
            "message": refusal.message,
            "retryable": refusal.retryable,
            "details": refusal.details,
            **pointer,
        }
    )
    envelope = ErrorEnvelope(
        status="error",
        module=stub.name,
        version=stub.version,
        contract_version=CONTRACT_VERSION,
        error=detail,
        meta=_trace(request),
    )
    return json_response(envelope.model_dump(mode="json", exclude_unset=True), refusal.status, headers)


def _execute(stub: Stub, call: ExecuteRequest) -> Answer:
    started = time.perf_counter()
    result = stub.actions[call.action](call)
    # Raises for outputs that cannot be carried unchanged, before anybody is told that all went well.
    canonical_json(result.outputs)
    by_href = {file.name: file for file in result.artifacts if file.by_href}
    envelope = SuccessEnvelope(
        status="success",
        module=stub.name,
        version=stub.version,
        contract_version=CONTRACT_VERSION,
        outputs=result.outputs,
        artifacts=tuple(_artifact(file, call) for file in result.artifacts),
        evidence=result.evidence,
        warnings=result.warnings,
        meta={},
    ).model_dump(mode="json", exclude_unset=True)
    size = len(json.dumps(envelope)) + sum(len(file.content) for file in by_href.values())
    return Answer(envelope, by_href, size, round((time.perf_counter() - started) * 1000, 3))


def _artifact(file: File, call: ExecuteRequest) -> Artifact:
    href = f"artifacts/{call.run_id}/{call.step_id}/{quote(file.name)}" if file.by_href else None
    return Artifact.of(file.name, file.media_type, file.content, href=href)


def _unknown_action(stub: Stub, action: str) -> RefusalError:
    known = sorted(stub.actions)
    message = f"/action {action!r} is not known to {stub.name}; known: {', '.join(known)}"
    return RefusalError(422, "UNKNOWN_ACTION", message, pointer="/action", details={"known_actions": known})


def _trace(request: Request) -> dict[str, Any]:
    """The caller's trace id (W3C Trace Context), when it sent a valid one (OPS-OBS-001)."""
    found = _TRACEPARENT.fullmatch(request.headers.get("traceparent", "").strip())
    return {"trace_id": found[1]} if found else {}
