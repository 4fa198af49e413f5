"""`/login` and `/logout`: the session of a browser, begun with a key; and the page of a request that the gate refused."""

import json
import re
from typing import Any, Final
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ops_orchestrator.errors import AccessError
from ops_orchestrator.service.access.gate import REFUSED, address_of, refusal_of, says_where_it_is_from
from ops_orchestrator.service.pages.forms import read_form
from ops_orchestrator.service.pages.site import Page, Site
from ops_orchestrator.service.problem import problem_response

# An address of ours. Browsers take a backslash for a slash, and leave out line breaks and tabs.
_OWN_PATH: Final = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]{0,2000}")
_NOT_AFTER_LOGIN: Final = ("/login", "/logout")


async def form(site: Site, request: Request) -> Response:
    """The form, or the first page where nobody is asked for a key."""
    if site.parts.access is None:
        return site.see("/")
    asked = request.query_params
    return _form(site, request, _own(asked.get("next", "/")), is_lost="lost" in asked)


async def log_in(site: Site, request: Request) -> Response:
    """Begin a session with the key that was sent, and lead to where the browser wanted to go."""
    if site.parts.access is None:
        return site.see("/")
    _require_origin(request)
    fields = await read_form(request)
    wanted = _own(fields.get("next", ["/"])[0])
    try:
        key = await site.parts.access.key_of(fields.get("key", [""])[0].strip(), address_of(request.scope))
    except AccessError as error:
        problem = json.loads(bytes(problem_response(request, error).body))
        page = _form(site, request, wanted, error.status, problem=problem | {"detail": _for_people(error)})
        page.headers.update(error.headers)
        return page
    answer = site.see(quote(wanted, safe="/?&=%:@!$'()*+,;~#"))
    answer.headers["Set-Cookie"] = await site.parts.access.begin(request.headers, key)
    return answer


async def log_out(site: Site, request: Request) -> Response:
    """End the session, and lead to the form."""
    _require_origin(request)
    await read_form(request)
    answer = site.see("/login")
    if site.parts.access is not None:
        answer.headers["Set-Cookie"] = await site.parts.access.end(request.headers)
    return answer


async def refused(site: Site, request: Request) -> Response:
    """What the gate had to say to a browser, as a page."""
    found = refusal_of(request.scope)
    if found is None:
        raise HTTPException(404)
    path, error = found
    asked = Request({**request.scope, "path": path})
    problem = problem_response(asked, error)
    page = site.error(asked, json.loads(bytes(problem.body)), problem.headers)
    page.headers.update(error.headers)
    return page


PAGES: Final = (Page("/login", form), Page("/login", log_in, "POST"), Page("/logout", log_out, "POST"), Page(REFUSED, refused))


def _form(site: Site, request: Request, wanted: str, status: int = 200, **why: Any) -> Response:
    """The form; `why` says what was wrong with a key, or that a session was over."""
    return site.page(request, "login.html", status, **({"problem": None, "is_lost": False} | why), next=wanted)


def _own(address: str) -> str:
    """The address, if it is one of this service that can be led to after the login; else that of the first page."""
    is_own = _OWN_PATH.fullmatch(address) and address.partition("?")[0] not in _NOT_AFTER_LOGIN
    return address if is_own else "/"


def _require_origin(request: Request) -> None:
    """Raise HTTPException, 403, for a form of which nobody knows where it comes from; `read_form` refuses those of others."""
    if not says_where_it_is_from(request.headers):
        raise HTTPException(403, "The form does not say from which page it was sent. Open the page here, and send it again.")


def _for_people(error: AccessError) -> str:
    """What is wrong, without what programs have to know."""
    return "It is not one of this service, or was revoked, or has expired." if error.status == 401 else error.detail
