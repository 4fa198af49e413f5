"""The contract's endpoints for one module: health, execute, and the files that answers refer to."""

import asyncio
import logging
from typing import Final, Protocol

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from ops_contract import Health, ReadRequest, RefusalError, check_request_headers, read_request, trace_of
from ops_contract.schemas import openapi
from ops_stubs.answers import Answer, AnswerStore
from ops_stubs.errors import InputError
from ops_stubs.request_body import receive
from ops_stubs.responses import error_response, json_response

__all__ = ["ModuleApi", "Responder"]

_LOG: Final = logging.getLogger("ops_stubs")


class Responder(Protocol):
    """Answers the calls of a module: a stub executes them, a recording repeats the recorded answers."""

    @property
    def health(self) -> Health:
        """The body of `GET /health`."""

    async def answer(self, read: ReadRequest) -> Answer:
        """Answer a call to one of the actions that `health` names. Raises InputError, RefusalError."""


class ModuleApi:
    """The handlers of the contract's paths, for one responder and the answers that it has given."""

    def __init__(self, responder: Responder, answers: AnswerStore, max_request_bytes: int) -> None:
        self._responder = responder
        self._answers = answers
        self._max_request_bytes = max_request_bytes

    async def health(self) -> Response:
        """`GET /health`: always ready, because a module is served only after its warm-up."""
        return json_response(self._responder.health.model_dump(mode="json"))

    async def openapi(self) -> Response:
        """`GET /openapi.json`: the contract's own document, not one derived from this code."""
        return json_response(openapi())

    async def execute(self, request: Request) -> Response:
        """`POST /execute`: the envelope of the action, or an error envelope when it cannot be executed."""
        started = asyncio.get_running_loop().time()
        try:
            answer = await self._answer(request, started)
        except InputError as error:
            raise RefusalError.of_problems("INVALID_INPUT", error.problems) from error
        except RefusalError:
            raise
        except Exception:  # noqa: BLE001 - the last edge
            # The caller gets an envelope without details; they go to the log only.
            _LOG.exception("%s failed on a request", self._responder.health.module)
            refusal = RefusalError(500, "INTERNAL", "the module failed; its log says why")
            return error_response(self._responder.health, refusal, request)
        return answer.response(trace_of(request.headers))

    async def artifact(self, run_id: str, step_id: str, name: str) -> Response:
        """`GET /artifacts/...`: looked up by name among the kept answers, never as a path of the file system (OPS-ART-006)."""
        file = self._answers.file((run_id, step_id), name)
        if file is None:
            raise RefusalError.artifact_not_kept()
        return Response(file.content, media_type=file.media_type, headers={"X-Content-Type-Options": "nosniff"})

    async def _answer(self, request: Request, started: float) -> Answer:
        check_request_headers(request.headers)
        raw = await receive(request, self._max_request_bytes)
        # In a thread: a large body takes a while to check, and /health must be answered meanwhile (OPS-HLT-003).
        read = await anyio.to_thread.run_sync(read_request, raw)
        call = read.request
        health = self._responder.health
        if call.action not in health.actions:
            raise RefusalError.unknown_action(call.action, sorted(health.actions), health.module)
        passed = asyncio.get_running_loop().time() - started
        wait_s = float("inf") if call.options.deadline_s is None else call.options.deadline_s - passed

        async def compute() -> Answer:
            return await self._responder.answer(read)

        return await self._answers.once((call.run_id, call.step_id), read.fingerprint, compute, wait_s=wait_s)
