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

_COMPILED: Final = tuple((methods, re.compile(path, re.DOTALL), scope) for methods, path, scope in TABLE)


def needed_scope(method: str, path: str) -> Scope | None:
    """The scope that a request needs, None when it needs no key. What is in no row of the table needs the highest."""
    row = row_of(method, path)
    return "admin" if row is None else TABLE[row][2]


def row_of(method: str, path: str) -> int | None:
    """The row of the table that a request is in."""
    rows = enumerate(_COMPILED)
    return next((row for row, (methods, pattern, _) in rows if method in methods and pattern.fullmatch(path)), None)
