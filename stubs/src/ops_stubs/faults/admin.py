"""The admin API below `/__stub`, for tests. Not part of the contract; served only on request."""

import json
from collections.abc import Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ops_contract import RefusalError
from ops_stubs.errors import FaultError
from ops_stubs.faults.staged import Faults
from ops_stubs.faults.syntax import fault_of_json
from ops_stubs.request_body import receive

__all__ = ["ADMIN_PATH", "create_admin"]

ADMIN_PATH: Final = "/__stub"

_FIELDS: Final = {"violate", "faults"}
_MAX_BYTES: Final = 2**20


def create_admin(faults: Faults, forget_answers: Callable[[], None]) -> Starlette:
    """The application that lists, stages and clears `faults` and shows their journal."""

    async def listed(_: Request) -> JSONResponse:
        return JSONResponse(faults.as_json())

    async def staged(request: Request) -> JSONResponse:
        violate, transport = _read(await _json(request))
        faults.stage_running(violate, [fault_of_json(fault) for fault in transport])
        return JSONResponse(faults.as_json())

    async def cleared(_: Request) -> JSONResponse:
        faults.stage((), ())
        return JSONResponse(faults.as_json())

    async def requests(_: Request) -> JSONResponse:
        return JSONResponse({"requests": faults.journal.as_json()})

    async def reset(_: Request) -> JSONResponse:
        faults.reset()
        forget_answers()
        return JSONResponse(faults.as_json())

    paths = f"{ADMIN_PATH}/faults", f"{ADMIN_PATH}/requests", f"{ADMIN_PATH}/reset"
    routes = [
        Route(paths[0], listed, methods=["GET"]),
        Route(paths[0], staged, methods=["PUT"]),
        Route(paths[0], cleared, methods=["DELETE"]),
        Route(paths[1], requests, methods=["GET"]),
        Route(paths[2], reset, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={FaultError: _refused, HTTPException: _not_served})


async def _json(request: Request) -> Any:
    try:
        return json.loads(await receive(request, _MAX_BYTES))
    except RefusalError as error:
        raise FaultError(error.message) from error
    except (ValueError, RecursionError) as error:
        raise FaultError(f"the body is not JSON: {error}") from error


def _read(body: Any) -> tuple[list[str], list[Any]]:
    """The ids and the transport faults of a body; both lists may be left out."""
    if not isinstance(body, dict) or body.keys() - _FIELDS:
        found = ", ".join(sorted(body.keys() - _FIELDS)) if isinstance(body, dict) else type(body).__name__
        raise FaultError(f'the body must be an object with the lists "violate" and "faults", and no more; this has {found}')
    violate, transport = body.get("violate", []), body.get("faults", [])
    if not isinstance(violate, list) or not all(isinstance(name, str) for name in violate):
        raise FaultError('"violate" must be a list of requirement ids, as in ["OPS-ART-003"]')
    if not isinstance(transport, list):
        raise FaultError('"faults" must be a list, as in ["latency:ms=200,first=2"]')
    return violate, transport


async def _refused(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 422)


async def _not_served(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    known = f"GET, PUT, DELETE {ADMIN_PATH}/faults; GET {ADMIN_PATH}/requests; POST {ADMIN_PATH}/reset"
    return JSONResponse({"detail": f"{request.method} {request.url.path} is not served; known: {known}"}, status)
