"""The admin API below `/__stub`, for tests. Not part of the contract; served only on request."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ops_contract import RefusalError
from ops_stubs.errors import FaultError
from ops_stubs.faults.doubles.answers import StagedAnswers
from ops_stubs.faults.doubles.journal_query import read_query
from ops_stubs.faults.doubles.settings import (
    MAX_SETTINGS_BYTES,
    read_answers,
    read_json,
    read_staged,
    settings_of,
    stage_file,
    stage_settings,
)
from ops_stubs.faults.doubles.verification import read_verification
from ops_stubs.faults.staged import Faults
from ops_stubs.request_body import receive

__all__ = ["ADMIN_PATH", "create_admin"]

ADMIN_PATH: Final = "/__stub"

_KNOWN: Final = (
    f"GET, PUT, DELETE {ADMIN_PATH}/faults; GET, PUT, POST, DELETE {ADMIN_PATH}/answers; GET, PUT {ADMIN_PATH}/settings; "
    f"GET {ADMIN_PATH}/requests, {ADMIN_PATH}/requests/count; POST {ADMIN_PATH}/verify, {ADMIN_PATH}/reset"
)


class _Admin:
    """The handlers, for what is staged in one stub."""

    def __init__(self, faults: Faults, forget_answers: Callable[[], None], file: Path | None) -> None:
        self._faults = faults
        self._forget_answers = forget_answers
        self._file = file

    async def faults(self, request: Request) -> JSONResponse:
        """List, replace or clear the faults."""
        if request.method == "PUT":
            self._faults.stage_running(*read_staged(await _json(request)))
        elif request.method == "DELETE":
            self._faults.stage((), ())
        return JSONResponse(self._faults.as_json())

    async def answers(self, request: Request) -> JSONResponse:
        """List, replace or clear the answers, or add one before the others."""
        answers = self._faults.answers
        if request.method == "PUT":
            answers.stage(read_answers(await _json(request)))
        elif request.method == "POST":
            answers.add(await _json(request))
        elif request.method == "DELETE":
            answers.stage(StagedAnswers())
        return JSONResponse(answers.as_json())

    async def settings(self, request: Request) -> JSONResponse:
        """List or replace all that is staged; a PUT without a body reads the file again."""
        if request.method == "PUT":
            raw = await _body(request)
            if raw:
                stage_settings(self._faults, read_json(raw))
            elif self._file is not None:
                stage_file(self._faults, self._file)
            else:
                raise FaultError("the body is empty, and there is no file to read again; serve the stub with --doubles FILE")
        return JSONResponse(settings_of(self._faults))

    async def requests(self, request: Request) -> JSONResponse:
        """The entries of the journal that the query asks for."""
        found = read_query(request.query_params).entries(self._faults.journal)
        return JSONResponse({"requests": [entry.as_json() for entry in found]})

    async def count(self, request: Request) -> JSONResponse:
        """How many those are."""
        found = read_query(request.query_params).entries(self._faults.journal)
        return JSONResponse({"count": len(found), "forgotten": self._faults.journal.forgotten})

    async def verify(self, request: Request) -> JSONResponse:
        """Whether the expected requests came."""
        verdict = read_verification(await _json(request)).judged(self._faults.journal)
        return JSONResponse(verdict.body, 200 if verdict.holds else 422)

    async def reset(self, _: Request) -> JSONResponse:
        """Forget everything."""
        self._faults.reset()
        self._forget_answers()
        return JSONResponse(self._faults.as_json())


def create_admin(faults: Faults, forget_answers: Callable[[], None], file: Path | None = None) -> Starlette:
    """The application that lists, stages and clears `faults` and answers, and shows their journal.

    `file` holds the settings with which the stub was started.
    """
    admin = _Admin(faults, forget_answers, file)
    routes = [
        Route(f"{ADMIN_PATH}/faults", admin.faults, methods=["GET", "PUT", "DELETE"]),
        Route(f"{ADMIN_PATH}/answers", admin.answers, methods=["GET", "PUT", "POST", "DELETE"]),
        Route(f"{ADMIN_PATH}/settings", admin.settings, methods=["GET", "PUT"]),
        Route(f"{ADMIN_PATH}/requests", admin.requests, methods=["GET"]),
        Route(f"{ADMIN_PATH}/requests/count", admin.count, methods=["GET"]),
        Route(f"{ADMIN_PATH}/verify", admin.verify, methods=["POST"]),
        Route(f"{ADMIN_PATH}/reset", admin.reset, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={FaultError: _refused, HTTPException: _not_served})


async def _json(request: Request) -> Any:
    return read_json(await _body(request))


async def _body(request: Request) -> bytes:
    try:
        return await receive(request, MAX_SETTINGS_BYTES)
    except RefusalError as error:
        raise FaultError(error.message) from error


async def _refused(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 422)


async def _not_served(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"detail": f"{request.method} {request.url.path} is not served; known: {_KNOWN}"}, status)
