"""The legacy service: endpoints from before the contract, each odd in its own way, for adapters to adapt.

    POST /forecast         JSON in and out; errors are a bare JSON string or a list of strings
    GET  /indicators       a JSON list that is sent as text/html; one failure hides in a 200, the others are plain text
    POST /simulations      accepts a job; GET, DELETE /simulations/ID tell of it and end it, and its file is below that
    POST /report           a PDF to download; every failure is a 500 with an HTML page
    GET  /archive/health   the older dialect of the integration: `module_name`, `output`, files on a shared volume
    POST /archive/execute
    POST /assess           a form in, JSON out; errors by field
    POST /review           an upload of a PDF with a remark
    POST /decide           JSON in and out

Nothing else is served, not even /health: 404 in plain text, whatever the method.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from ops_contract import JsonError, RefusalError, parse_json
from ops_stubs.errors import BareError
from ops_stubs.legacy_archive import ARCHIVE, archive
from ops_stubs.legacy_forecast import forecast, indicators
from ops_stubs.legacy_office import assess, decide, review
from ops_stubs.legacy_simulations import Simulations
from ops_stubs.request_body import MAX_REQUEST_BYTES, receive
from ops_stubs.responses import json_response
from ops_stubs.work import Work

__all__ = ["create_legacy"]

_FAILED: Final = """<!doctype html>
<html><head><title>Application error</title></head>
<body><h1>Application error</h1><p>The report could not be made. Please try again later.</p></body></html>
"""


def create_legacy(shared_dir: Path, *, max_request_bytes: int = MAX_REQUEST_BYTES) -> Starlette:
    """The application of the legacy service; `shared_dir` is made when the archive first writes to it."""
    service = _Legacy(shared_dir.absolute(), max_request_bytes)
    app = Starlette(
        routes=[
            Route("/forecast", service.forecast, methods=["POST"]),
            Route("/indicators", service.indicators, methods=["GET"]),
            Route("/simulations", service.submit, methods=["POST"]),
            Route("/simulations/{job}", service.simulation, methods=["GET", "DELETE"]),
            Route("/simulations/{job}/paths.csv", service.paths, methods=["GET"]),
            Route("/report", service.report, methods=["POST"]),
            Route("/archive/health", service.archive_health, methods=["GET"]),
            Route("/archive/execute", service.archive, methods=["POST"]),
            Route("/assess", service.assess, methods=["POST"]),
            Route("/review", service.review, methods=["POST"]),
            Route("/decide", service.decide, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _not_found, RefusalError: _refused},
    )
    app.router.redirect_slashes = False
    return app


class _Legacy:
    """The endpoints; each reports its failures in its own way."""

    def __init__(self, shared_dir: Path, max_request_bytes: int) -> None:
        self._shared_dir = shared_dir
        self._max_request_bytes = max_request_bytes
        self._work = Work()
        self._simulations = Simulations()

    async def forecast(self, request: Request) -> Response:
        """`POST /forecast`: the body of a failure is the bare message."""
        try:
            return json_response(forecast(await self._body(request)))
        except BareError as error:
            return json_response(error.detail, error.status)

    async def indicators(self, request: Request) -> Response:
        """`GET /indicators`: JSON with the media type of HTML."""
        query = request.query_params
        try:
            found = indicators(query.get("iso", ""), query.get("name", ""), query.get("last", "5"))
        except BareError as error:
            return PlainTextResponse(str(error.detail), error.status)
        # A browser would trust the media type and run markup that a caller put into `name`.
        return HTMLResponse(json.dumps(found).replace("<", "\\u003c"))

    async def submit(self, request: Request) -> Response:
        """`POST /simulations`: a 202 with the name of the job."""
        try:
            return json_response(self._simulations.submit(await self._body(request)), 202)
        except BareError as error:
            return json_response(error.detail, error.status)

    async def simulation(self, request: Request) -> Response:
        """`GET` and `DELETE /simulations/ID`."""
        job = request.path_params["job"]
        if request.method == "DELETE":
            self._simulations.cancel(job)
            return Response(status_code=204)
        try:
            return json_response(self._simulations.state(job))
        except BareError as error:
            return json_response(error.detail, error.status)

    async def paths(self, request: Request) -> Response:
        """`GET /simulations/ID/paths.csv`."""
        try:
            return Response(self._simulations.paths(request.path_params["job"]), media_type="text/csv")
        except BareError as error:
            return json_response(error.detail, error.status)

    async def report(self, request: Request) -> Response:
        """`POST /report`: a download, or a page for people."""
        from ops_stubs.legacy_report import draw  # noqa: PLC0415 - loads matplotlib, which only a drawing needs

        try:
            content = await self._work.run(partial(draw, await self._body(request)))
        except BareError:
            return HTMLResponse(_FAILED, 500)
        headers = {"Content-Disposition": 'attachment; filename="policy-report.pdf"'}
        return Response(content, headers=headers, media_type="application/pdf")

    async def archive_health(self, _: Request) -> Response:
        """`GET /archive/health`."""
        return json_response({"status": "ok", **ARCHIVE})

    async def archive(self, request: Request) -> Response:
        """`POST /archive/execute`."""
        try:
            body = await self._body(request)
            return json_response(await anyio.to_thread.run_sync(partial(archive, body, self._shared_dir)))
        except BareError as error:
            return PlainTextResponse(str(error.detail), error.status)
        except OSError as error:
            reason = error.strerror or str(error)
            return PlainTextResponse(f"cannot write to {self._shared_dir / 'archive'}: {reason}", 500)

    async def assess(self, request: Request) -> Response:
        """`POST /assess`: a form."""
        return await self._office(request, assess)

    async def review(self, request: Request) -> Response:
        """`POST /review`: an upload."""
        return await self._office(request, review)

    async def decide(self, request: Request) -> Response:
        """`POST /decide`: JSON."""
        try:
            return json_response(decide(await self._body(request)))
        except BareError as error:
            return json_response(error.detail, error.status)

    async def _office(self, request: Request, read: Callable[[bytes, str], dict[str, Any]]) -> Response:
        """The answer of the office to the raw body of a request; errors by field."""
        raw = await receive(request, self._max_request_bytes)
        try:
            return json_response(await anyio.to_thread.run_sync(read, raw, request.headers.get("content-type", "")))
        except BareError as error:
            return json_response(error.detail, error.status)

    async def _body(self, request: Request) -> dict[str, Any]:
        """The JSON object in the body, whatever its Content-Type. Raises BareError 400, and RefusalError for a large body."""
        raw = await receive(request, self._max_request_bytes)
        try:
            body = await anyio.to_thread.run_sync(parse_json, raw)
        except JsonError as error:
            raise BareError(400, "the body is not a JSON object") from error
        if not isinstance(body, dict):
            raise BareError(400, "the body is not a JSON object")
        return body


async def _not_found(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("Not Found", 404)


async def _refused(_: Request, error: Exception) -> Response:
    # Registered for RefusalError alone; the framework's type of a handler is wider.
    return PlainTextResponse(str(error), getattr(error, "status", 500))
