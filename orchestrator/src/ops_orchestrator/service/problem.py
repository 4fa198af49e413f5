"""Errors as RFC 9457 problem documents: what was wrong, where, what to do."""

import errno
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from ops_contract import MAX_PROBLEMS, Problem, problem_of
from ops_orchestrator.errors import (
    AccessError,
    BusyError,
    ChangedModuleError,
    DamagedRunError,
    NoRoomError,
    NotFoundError,
    RequestError,
    StoreError,
    UnknownActionError,
    UnknownModuleError,
)
from ops_orchestrator.modules.trace_context import TRACE_HEADER, TRACE_RESPONSE, read_traceparent
from ops_orchestrator.service.head import with_head
from ops_orchestrator.service.json_response import SafeJsonResponse

# As RFC 9110 says; Python names it otherwise before 3.13, and a problem's type must not depend on that.
_RENAMED: Final = {416: "Range Not Satisfiable"}

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
_HOW_TO_MAKE_ROOM: Final = (
    " `ops runs usage` shows how much room runs take and `ops runs prune --older-than 90d` which old ones can go;"
    " or set OPS_RUNS_DIR to a folder on another disk and start the orchestrator again."
)
_METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")
_READ_AGAIN: Final = " After a change of modules.yaml, `ops modules reload` has the orchestrator read it again."

_log: Any = structlog.get_logger("ops_orchestrator.http")


class ProblemResponse(SafeJsonResponse):
    """A problem document."""

    media_type = "application/problem+json"


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""
    for kind in _HANDLERS:
        app.add_exception_handler(kind, problem_response)


def problem_response(request: Request, error: Exception) -> Response:
    """The problem document of an error, as the handlers make it."""
    kind = next(kind for kind in type(error).__mro__ if kind in _HANDLERS)
    response = _HANDLERS[kind](request, error)
    # Whoever sent a trace finds the problem by it; no run has begun one.
    if traceparent := read_traceparent(request.headers.getlist(TRACE_HEADER)):
        response.headers[TRACE_RESPONSE] = traceparent
    return response


def problem_body(status: int, detail: str) -> bytes:
    """A problem document for a request so broken that not even its path is known."""
    return bytes(ProblemResponse(_described(status, *_of_status(status), detail), status).body)


def _problem(request: Request, status: int, slug: str, title: str, detail: str) -> dict[str, Any]:
    return {**_described(status, slug, title, detail), "instance": request.url.path}


def _described(status: int, slug: str, title: str, detail: str) -> dict[str, Any]:
    return {"type": f"urn:openpolicystack:problem:{slug}", "title": title, "status": status, "detail": detail}


def _of_status(status: int) -> tuple[str, str]:
    """Slug and title of a problem that has no more to say than its status."""
    title = _RENAMED.get(status, HTTPStatus(status).phrase)
    return title.lower().replace(" ", "-"), title


def _errors(problems: Sequence[Problem], count: int) -> dict[str, Any]:
    listed = [{"pointer": problem.pointer, "detail": problem.message} for problem in problems[:MAX_PROBLEMS]]
    if count > len(listed):
        listed.append({"pointer": "", "detail": f"and {count - len(listed)} more"})
    return {"errors": listed} if listed else {}


def _on_request_error(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestError)  # noqa: S101  # registered for nothing else
    body = _problem(request, error.status, error.slug, error.title, f"{error.detail}{_hint(error)}")
    body |= _errors(error.problems, error.problem_count)
    return ProblemResponse(body, error.status, _headers(error))


def _headers(error: RequestError) -> dict[str, str] | None:
    match error:
        case AccessError():
            return error.headers
        case BusyError():
            return {"Retry-After": "1"}
        case _:
            return None


def list_hint(path: str) -> str:
    """The sentence that tells a program where what there is is listed."""
    return f"GET {path} lists what there is."


def _hint(error: RequestError) -> str:
    """What a caller of the service, and nobody else, has to know besides."""
    match error:
        case NotFoundError(listed_at=path) if path:
            return f" {list_hint(path)}"
        case NoRoomError():
            return _HOW_TO_MAKE_ROOM
        case UnknownModuleError() | UnknownActionError() | ChangedModuleError():
            return _READ_AGAIN
        case _:
            return ""


def _on_store_error(request: Request, error: Exception) -> ProblemResponse:
    _log.error("store.failed", reason=str(error))
    reason, cause = str(error), error.__cause__
    advice = _HOW_TO_MAKE_ROOM if isinstance(cause, OSError) and cause.errno in _NO_ROOM else ""
    detail = f"{reason[:1].upper()}{reason[1:]}.{advice}"
    return ProblemResponse(_problem(request, 503, "store-unavailable", "The run store cannot be used", detail), 503)


def _on_damaged_run(request: Request, error: Exception) -> ProblemResponse:
    _log.error("run.damaged", reason=str(error))
    return ProblemResponse(_problem(request, 500, "damaged-run", "The run is damaged", f"{error}."), 500)


def _on_invalid_parameters(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for nothing else
    problems = [Problem("/".join(map(str, item["loc"][1:])), problem_of(item).message) for item in error.errors()]
    body = _problem(request, 422, "invalid-request", "The request is not valid", "A parameter cannot be used.")
    return ProblemResponse(body | _errors(problems, len(problems)), 422)


def _on_http_exception(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for nothing else
    detail = {
        404: f"There is nothing at {request.url.path}; /docs shows what there is in a browser, /openapi.json to programs.",
        405: f"{request.method} is not possible at {request.url.path}; the header Allow says what is.",
    }.get(error.status_code, str(error.detail))
    body = _problem(request, error.status_code, *_of_status(error.status_code), detail)
    headers = dict(error.headers or {})
    allow = {"Allow": with_head(_allowed(request, headers["Allow"]))} if "Allow" in headers else {}
    return ProblemResponse(body, error.status_code, headers | allow)


def _allowed(request: Request, of_first: str) -> str:
    """The methods that the path takes; `of_first` are those of the first route that has it, all that the framework names.

    A path that has a route of its own is not also a name in the path of another route, such as a module called `reload`.
    """
    own = [route for route in request.app.routes if getattr(route, "path", None) == request.url.path]
    named = [] if own else of_first.split(", ")
    return ", ".join(
        method
        for method in _METHODS
        if method in named
        or any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in own or request.app.routes)
    )


def _on_client_disconnect(request: Request, _: Exception) -> Response:
    # Nobody is left to read an answer; it is a caller's doing and no error of ours.
    _log.info("http.caller_gone", path=request.url.path)
    return Response(status_code=400)


def _on_exception(request: Request, error: Exception) -> ProblemResponse:
    traceparent = read_traceparent(request.headers.getlist(TRACE_HEADER))
    traced = {} if traceparent is None else {"trace_id": traceparent.split("-")[1]}
    _log.error("http.errored", path=request.url.path, **traced, exc_info=error)
    detail = "This is our fault, not yours; the service's log has the details."
    return ProblemResponse(_problem(request, 500, "internal-error", "The orchestrator failed", detail), 500)


_HANDLERS: Final[dict[type[Exception], Callable[[Request, Exception], Response]]] = {
    RequestError: _on_request_error,
    StoreError: _on_store_error,
    DamagedRunError: _on_damaged_run,
    RequestValidationError: _on_invalid_parameters,
    HTTPException: _on_http_exception,
    ClientDisconnect: _on_client_disconnect,
    Exception: _on_exception,
}
