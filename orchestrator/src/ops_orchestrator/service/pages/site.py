"""All pages together: what they read, how they are rendered, and how an error becomes a page."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final

from jinja2 import Environment, PackageLoader
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import ops_orchestrator
from ops_contract import CONTRACT_VERSION
from ops_orchestrator.errors import ReadOnlyError
from ops_orchestrator.runs.reports.html.environment import environment
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore
from ops_orchestrator.service.access.access import Access
from ops_orchestrator.service.access.admitted_key import key_of
from ops_orchestrator.service.pages.forms import read_form
from ops_orchestrator.service.pages.inner_call import InnerAnswer, post
from ops_orchestrator.service.pages.shared_pages import SharedPages
from ops_orchestrator.service.problem import list_hint, problem_response
from ops_orchestrator.service.reloading import ModulesFile
from ops_orchestrator.service.seen_modules import ModuleViewer

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""What a page may do, as a Content-Security-Policy: nothing inline, nothing of others."""

_PACKAGE: Final = "ops_orchestrator.service.pages"
_HEADERS: Final = {"Cache-Control": "no-cache"}
_KEPT_OF_A_PROBLEM: Final = ("allow", "retry-after")
_NO_HEADERS: Final[Mapping[str, str]] = {}
_BELOW_A_RUN: Final = re.compile(r"/runs/(run_[0-9A-Za-z_-]+)/.+")
_SEE_OTHER: Final = 303
# By the path at which a program finds a list, its page and what a person calls that.
_LISTS: Final = {"/runs": ("/", "All runs"), "/sweeps": ("/sweeps", "All sweeps"), "/modules": ("/modules", "All modules")}
_PROBLEM: Final = "application/problem+json"


@dataclass(frozen=True)
class PageParts:
    """What the pages read. `access` says who may use the service, None when that is everybody.

    Pages of a service that is `read_only` show no form that would change anything.
    """

    store: RunStore
    sweeps: SweepStore
    viewer: ModuleViewer
    modules_file: ModulesFile
    access: Access | None = None
    read_only: bool = False


@dataclass(frozen=True)
class Site:
    """What each page is given."""

    parts: PageParts
    api: ASGIApp
    templates: Environment
    shared: SharedPages = field(default_factory=SharedPages)

    def page(self, request: Request, template: str, status: int = 200, policy: str = POLICY, **context: Any) -> Response:
        """The page that `template` makes of `context`; `policy` says what it may do."""
        return self.html(self.rendered(request, template, **context), status, policy)

    def rendered(self, request: Request, template: str, **context: Any) -> bytes:
        """The page that `template` makes of `context`, as bytes; a large one takes a while, and is made in a thread."""
        key = key_of(request.scope)
        given = {
            "path": request.url.path,
            "orchestrator": ops_orchestrator.__version__,
            "contract": CONTRACT_VERSION,
            "key": key,
            "may_run": not self.parts.read_only and (key is None or key.may("run")),
            "may_reload": key is None or key.may("admin"),
        }
        return self.templates.get_template(template).render(given | context).encode()

    def html(self, page: bytes, status: int = 200, policy: str = POLICY) -> Response:
        """The answer that has a rendered `page`, which may do what `policy` says."""
        return HTMLResponse(page, status, _HEADERS | {"Content-Security-Policy": policy})

    def error(self, request: Request, problem: Mapping[str, Any], headers: Mapping[str, str] = _NO_HEADERS) -> Response:
        """A problem document, which had `headers`, as a page that leads to the run that the request was about."""
        found = _BELOW_A_RUN.fullmatch(request.url.path)
        detail, all_of_them = _for_people(str(problem.get("detail", "")))
        shown = {"type": "", **problem, "detail": detail}
        page = self.page(
            request, "error.html", int(problem["status"]), problem=shown, run_id=found and found[1], all_of_them=all_of_them
        )
        page.headers.update({name: value for name, value in headers.items() if name in _KEPT_OF_A_PROBLEM})
        return page

    def refuse_when_read_only(self) -> None:
        """Raise ReadOnlyError where a page makes no sense that only leads to a change."""
        if self.parts.read_only:
            raise ReadOnlyError

    async def post(self, request: Request, path: str, body: bytes = b"") -> InnerAnswer:
        """What the API answers to what a form of `request` asks for; it does not wait for a run."""
        return await post(self.api, request.scope, path, body)

    async def order(self, request: Request, page: str, name: str) -> Response:
        """Have the API carry out a form that was sent to one of its addresses, and lead to the page that its answer names.

        A refusal becomes a page.
        """
        await read_form(request)
        answer = await self.post(request, request.url.path)
        return self.see(f"{page}/{answer.json[name]}") if answer.is_good else self.error(request, answer.json, answer.headers)

    def see(self, address: str) -> Response:
        """Lead to the page of what a form has made."""
        return RedirectResponse(address, _SEE_OTHER)


def _for_people(detail: str) -> tuple[str, tuple[str, str]]:
    """What is wrong without the address for programs, and the page that lists what there is, with what it is called."""
    for path, page in _LISTS.items():
        if detail.endswith(hint := list_hint(path)):
            return detail.removesuffix(hint).rstrip(), page
    return detail, _LISTS["/runs"]


Handler = Callable[[Site, Request], Awaitable[Response]]


@dataclass(frozen=True)
class Page:
    """One page: its address, and the function that makes it. A POST is what its forms send."""

    path: str
    make: Handler
    method: str = "GET"


def site(parts: PageParts, api: ASGIApp) -> ASGIApp:
    """The pages in this folder, before `api`, which answers whatever has no page."""
    templates = environment(PackageLoader(_PACKAGE))
    templates.globals["read_only"] = parts.read_only
    made = Site(parts, api, templates)
    modules = [import_module(f"{_PACKAGE}.{found.name}") for found in iter_modules(import_module(_PACKAGE).__path__)]
    pages = [page for module in modules for page in getattr(module, "PAGES", ())]
    return partial(_answer, made, [Route(page.path, partial(_made, made, page.make), methods=[page.method]) for page in pages])


async def _answer(made: Site, routes: Sequence[Route], scope: Scope, receive: Receive, send: Send) -> None:
    """The page of an address and a method, or else what the API says."""
    for route in routes:
        match, found = route.matches(scope)
        if match is Match.FULL:
            await route.handle({**scope, **found}, receive, send)
            return
    await _from_api(made, scope, receive, send)


async def _made(made: Site, make: Handler, request: Request) -> Response:
    """The page, or the page of the error that stopped it."""
    try:
        return await make(made, request)
    except Exception as error:  # noqa: BLE001  # the edge
        problem = problem_response(request, error)
        return made.error(request, json.loads(bytes(problem.body)), problem.headers)


async def _from_api(made: Site, scope: Scope, receive: Receive, send: Send) -> None:
    """What the API answers, its problem documents as pages."""
    start: Message | None = None
    body = bytearray()

    async def send_page(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start" and _is_problem(message):
            start = message
        elif start is None:
            await send(message)
        else:
            body.extend(message.get("body", b""))
            if not message.get("more_body", False):
                problem = json.loads(body) if body else _of_status(start["status"])
                await made.error(Request(scope), problem, Headers(raw=start["headers"]))(scope, receive, send)

    await made.api(scope, receive, send_page)


def _is_problem(message: Message) -> bool:
    return any(name.lower() == b"content-type" and value.startswith(_PROBLEM.encode()) for name, value in message["headers"])


def _of_status(status: int) -> dict[str, Any]:
    return {"status": status, "title": HTTPStatus(status).phrase, "detail": ""}
