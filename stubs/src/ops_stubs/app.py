"""The web applications: one stub or one recorded module at the root, or all stubs below their names."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Lifespan

from ops_contract import Health, RefusalError
from ops_stubs.answers import AnswerStore, KeptAnswers
from ops_stubs.api import ModuleApi, Responder
from ops_stubs.catalogue import LEGACY, STUBS
from ops_stubs.errors import BareError
from ops_stubs.execution import Execution, health_of
from ops_stubs.faults import Faults
from ops_stubs.faults.layer import FaultLayer
from ops_stubs.legacy import create_legacy
from ops_stubs.legacy_archive import DEFAULT_SHARED_DIR
from ops_stubs.module import Stub
from ops_stubs.proxied import MAX_REQUEST_BYTES as RECORDED_REQUEST_BYTES
from ops_stubs.proxied_replay import ProxiedReplay
from ops_stubs.recorded_files import RecordedFiles
from ops_stubs.replay import Replay
from ops_stubs.request_body import MAX_REQUEST_BYTES
from ops_stubs.request_path import path_below
from ops_stubs.responses import error_response, json_response
from ops_stubs.work import Work

__all__ = ["create_all", "create_app", "create_named", "create_proxied", "create_replay"]


def create_app(  # noqa: PLR0913 - what a test can replace
    stub: Stub,
    *,
    max_request_bytes: int = MAX_REQUEST_BYTES,
    answers: AnswerStore | None = None,
    work: Work | None = None,
    faults: Faults | None = None,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> FastAPI:
    """The application of one stub: the contract at the root, and the stub's bare endpoints beside it.

    With `faults`, even when none is staged yet, requests go through a layer that applies them and serves `/__stub`.
    """
    answers = AnswerStore() if answers is None else answers
    execution = Execution(stub if faults is None else faults.around_actions(stub), work, sleep)
    app = _application(execution.health, _warming_up((stub,)), stub.bare)
    api = _serve(app, execution, answers, max_request_bytes)
    app.add_api_route("/artifacts/{run_id}/{step_id}/{name:path}", api.artifact, methods=["GET", "HEAD"])
    for path, endpoint in stub.bare.items():
        app.add_api_route(path, endpoint, methods=["POST"], max_body_size=max_request_bytes)
    if faults is not None:
        _stage(app, faults, execution.health.module, tuple(stub.bare), answers, max_request_bytes)
    return app


def create_replay(replay: Replay, *, faults: Faults | None = None) -> FastAPI:
    """The application that replays a module of a recorded run; `faults` are staged as in `create_app`."""
    answers = AnswerStore()
    # A recorded request can be larger than a stub accepts, and the same request may be written with more white space.
    max_request_bytes = max(MAX_REQUEST_BYTES, 2 * replay.largest_request_bytes)
    app = _application(replay.health, _warming_up(()))
    _serve(app, replay, answers, max_request_bytes)
    # The middleware added last is the outermost, so faults act on files, too.
    app.add_middleware(RecordedFiles, files=replay.files)
    if faults is not None:
        _stage(app, faults, replay.health.module, (), answers, max_request_bytes)
    return app


def create_proxied(replay: ProxiedReplay, *, faults: Faults | None = None) -> Starlette:
    """The application that replays a service of any kind; `faults` are staged as in `create_app`."""
    app = Starlette(routes=[Mount("/", app=replay)])
    if faults is not None:
        _stage(app, faults, replay.module, replay.paths, replay, RECORDED_REQUEST_BYTES)
    return app


def create_named(name: str, shared_dir: Path, faults: Faults | None = None) -> Starlette:
    """The application of the stub called `name`, or of the legacy service. Raises KeyError for other names.

    The legacy service takes no `faults`: they break requirements of the contract, which it does not follow.
    """
    return create_legacy(shared_dir) if name == LEGACY.name else create_app(STUBS[name], faults=faults)


def create_all(
    stubs: Mapping[str, Stub] = STUBS,
    *,
    max_request_bytes: int = MAX_REQUEST_BYTES,
    shared_dir: Path = DEFAULT_SHARED_DIR,
    admin: bool = False,
) -> FastAPI:
    """One application for all `stubs`, each below `/<module>/`, and the legacy service; `/` and `/health` list them.

    With `admin`, each stub has an admin API of its own at `/<module>/__stub`.
    """
    host = health_of(Stub(name="stubs", summary="All stubs in one service", actions={}))
    app = _application(host, _warming_up(stubs.values()), modules=stubs)
    listed = [{"module": stub.name, "path": f"/{stub.name}", "summary": stub.summary} for stub in stubs.values()]
    # Listed apart from the modules, each of which has a /health.
    neighbours = [{"name": LEGACY.name, "path": f"/{LEGACY.name}", "summary": LEGACY.summary}]

    async def index() -> Response:
        return json_response({**host.model_dump(mode="json"), "profiles": [], "modules": listed, "neighbours": neighbours})

    app.add_api_route("/", index, methods=["GET", "HEAD"])
    app.add_api_route("/health", index, methods=["GET", "HEAD"])
    for stub in stubs.values():
        faults = Faults() if admin else None
        app.mount(f"/{stub.name}", create_app(stub, max_request_bytes=max_request_bytes, faults=faults))
    app.mount(f"/{LEGACY.name}", create_legacy(shared_dir, max_request_bytes=max_request_bytes))
    return app


def _serve(app: FastAPI, responder: Responder, answers: AnswerStore, max_request_bytes: int) -> ModuleApi:
    """Serve in `app` what the contract asks of every module."""
    api = ModuleApi(responder, answers, max_request_bytes)
    app.add_api_route("/health", api.health, methods=["GET", "HEAD"])
    app.add_api_route("/execute", api.execute, methods=["POST"])
    app.add_api_route("/openapi.json", api.openapi, methods=["GET", "HEAD"])
    return api


def _stage(  # noqa: PLR0913, PLR0917 - what the layer needs
    app: Starlette, faults: Faults, module: str, paths: tuple[str, ...], answers: KeptAnswers, max_request_bytes: int
) -> None:
    app.add_middleware(
        FaultLayer,
        faults=faults,
        module=module,
        paths=("/health", "/execute", *paths),
        max_request_bytes=max_request_bytes,
        answers=answers,
    )


def _application(
    health: Health, lifespan: Lifespan[FastAPI], bare: Collection[str] = (), modules: Collection[str] = ()
) -> FastAPI:
    return FastAPI(
        title=health.module,
        version=health.version,
        # The contract's own document is served instead, and the pages that show one load scripts from elsewhere.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        exception_handlers=_handlers(health, bare, modules),
    )


def _handlers(
    health: Health, bare_paths: Collection[str], modules: Collection[str]
) -> dict[Any, Callable[[Request, Any], Coroutine[Any, Any, Response]]]:
    """Every error becomes an envelope of the module, except those of bare endpoints, which are older than envelopes.

    FastAPI's own answer to a body that a bare endpoint cannot read stays as it is, for the same reason. A 404 names
    `modules`, when the application serves several.
    """

    async def refused(request: Request, error: RefusalError) -> Response:
        return error_response(health, error, request)

    async def not_served(request: Request, error: HTTPException) -> Response:
        if path_below(request.scope) in bare_paths and error.status_code != 405:
            return json_response({"detail": error.detail}, error.status_code)
        return error_response(health, _refusal(error, modules), request, dict(error.headers or {}))

    async def bare(_: Request, error: BareError) -> Response:
        return json_response({"detail": error.detail}, error.status)

    return {RefusalError: refused, HTTPException: not_served, BareError: bare}


def _refusal(error: HTTPException, modules: Collection[str]) -> RefusalError:
    if error.status_code == 404 and modules:
        paths = ", ".join(f"/{name}" for name in modules)
        return RefusalError(
            404, "NOT_FOUND", f"nothing is served at this path; the modules are below {paths}; GET / lists them"
        )
    if error.status_code == 404:
        return RefusalError.not_found()
    if error.status_code == 405:
        return RefusalError.method_not_allowed((error.headers or {}).get("Allow"))
    return RefusalError(error.status_code, "HTTP_ERROR", str(error.detail))


def _warming_up(stubs: Iterable[Stub]) -> Lifespan[FastAPI]:
    """Warm the stubs up before the server takes any call, so that the first call need not wait."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for stub in stubs:
            await anyio.to_thread.run_sync(stub.warm_up)
        yield

    return lifespan
