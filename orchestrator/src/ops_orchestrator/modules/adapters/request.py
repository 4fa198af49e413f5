"""From the context of a call to the request that a module understands."""

import re
from typing import Final
from urllib.parse import urlencode

from ops_orchestrator.exchange import Request
from ops_orchestrator.modules.adapters.declaration import Action
from ops_orchestrator.modules.adapters.evaluation import Evaluation
from ops_orchestrator.modules.adapters.expression import Expression
from ops_orchestrator.modules.adapters.request_body import Sources, map_body, text_pairs

_DOTS: Final = re.compile(r"\.{1,2}(;|$)")
_NO_SOURCES: Final = Sources()


def map_request(action: Action, evaluation: Evaluation, sources: Sources = _NO_SOURCES) -> Request:
    """What is sent for `action`. Raises StepError naming the expression that cannot be used."""
    query = _query(action, evaluation)
    body = map_body(action, evaluation, sources)
    # A module may send anything, while the client accepts only JSON by default.
    declared = _headers(action, evaluation)
    ours = {"Accept": "*/*"} | ({"Content-Type": body.content_type} if body.content else {})
    headers = {name: ours[name] for name in ours if name.lower() not in map(str.lower, declared)} | declared
    return Request(method=action.method, path=_path(action, evaluation) + query, headers=headers, body=body.content)


def _path(action: Action, evaluation: Evaluation) -> str:
    def value_of(expression: Expression) -> str:
        value = evaluation.as_text("path", evaluation.required("path", expression))
        # Such a value would lead to another path than the declared one; some servers cut a segment at a semicolon.
        if not value or _DOTS.match(value):
            raise evaluation.failure("path", f"yields {value!r}, which cannot be a part of a path: {expression.text}")
        return value

    path = action.path.filled(value_of)
    if any(map(_DOTS.match, path.split("/"))):
        raise evaluation.failure("path", f"yields {path!r}, of which a server may read a segment as . or ..")
    return path


def _query(action: Action, evaluation: Evaluation) -> str:
    """The query with its question mark; a list is given as a repeated parameter, nothing leaves a parameter out."""
    pairs = text_pairs(action.query, "query", evaluation)
    return f"?{urlencode(pairs)}" if pairs else ""


def _headers(action: Action, evaluation: Evaluation) -> dict[str, str]:
    headers = {}
    for name, expression in action.headers.items():
        value = evaluation.text(f"headers.{name}", expression)
        if value is None:
            continue
        if not (value.isascii() and value.isprintable()):
            raise evaluation.failure(f"headers.{name}", "yields characters that no header can hold")
        headers[name] = value
    return headers
