"""Which scope each request needs: the one table of it."""

import re
from typing import Final

from ops_orchestrator.service.access.api_key import Scope

READING: Final = ("GET", "HEAD")

TABLE: Final[tuple[tuple[tuple[str, ...], str, Scope | None], ...]] = (
    # What watches the service asks without a key, and the form to log in has to look like one.
    (READING, r"/health|/ready|/login|/assets/(style\.css|ops\.js|icon\.svg)", None),
    (("POST",), r"/login|/logout", None),
    (READING, r"/.*", "read"),
    (("POST",), r"/plan_and_execute|/runs|/sweeps", "run"),
    (("POST",), r"/runs/[^/]+/(cancel|resume|reproduce)|/sweeps/[^/]+/(cancel|resume)", "run"),
    (("POST",), r"/modules/reload", "admin"),
)
"""Methods, what their path looks like, and the scope; None stands for requests that need no key. The first row counts."""

_BY_METHOD: Final = {
    method: tuple((re.compile(path, re.DOTALL), scope) for methods, path, scope in TABLE if method in methods)
    for method in {method for methods, _, _ in TABLE for method in methods}
}


def needed_scope(method: str, path: str) -> Scope | None:
    """The scope that a request needs, None when it needs no key. What is in no row of the table needs the highest."""
    for pattern, scope in _BY_METHOD.get(method, ()):
        if pattern.fullmatch(path):
            return scope
    return "admin"


def is_in_table(method: str, path: str) -> bool:
    """Whether a row of the table says what a request needs."""
    return any(pattern.fullmatch(path) for pattern, _ in _BY_METHOD.get(method, ()))
