"""From the context of a call to the request that a module understands."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from ops_orchestrator.exchange import Request
from ops_orchestrator.modules.adapters.declaration import Action
from ops_orchestrator.modules.adapters.evaluation import Evaluation
from ops_orchestrator.modules.adapters.expression import Expression
from ops_orchestrator.modules.adapters.path_template import PathTemplate
from ops_orchestrator.modules.adapters.request_body import Sources, map_body, text_pairs

_DOTS: Final = re.compile(r"\.{1,2}(;|$)")
_NO_SOURCES: Final = Sources()


def map_request(action: Action, evaluation: Evaluation, sources: Sources = _NO_SOURCES) -> Request:
    """What is sent for `action`. Raises StepError naming the expression that cannot be used."""
    query = filled_query(action.query, evaluation)
    body = map_body(action, evaluation, sources)
    # A module may send anything, while the client accepts only JSON by default.
    declared = _declared_headers(action, evaluation)
    ours = {"Accept": "*/*"} | ({"Content-Type": body.content_type} if body.content else {})
    headers = {name: ours[name] for name in ours if name.lower() not in map(str.lower, declared)} | declared
    path = filled_path(action.path, evaluation) + query
    return Request(method=action.method, path=path, headers=headers, body=body.content)


def filled_path(template: PathTemplate, evaluation: Evaluation, where: str = "path") -> str:
    """The path that `template` yields; it is declared at `where`. Raises StepError."""

    def value_of(expression: Expression) -> str:
        value = evaluation.as_text(where, evaluation.required(where, expression))
        # Such a value would lead to another path than the declared one; some servers cut a segment at a semicolon.
        if not value or _DOTS.match(value):
            raise evaluation.failure(where, f"yields {value!r}, which cannot be a part of a path: {expression.text}")
        return value

    path = template.filled(value_of)
    if any(map(_DOTS.match, path.split("/"))):
        raise evaluation.failure(where, f"yields {path!r}, of which a server may read a segment as . or ..")
    return path


def filled_query(query: Mapping[str, Expression], evaluation: Evaluation, part: str = "query") -> str:
    """The query with its question mark; a list is given as a repeated parameter, nothing leaves a parameter out."""
    pairs = text_pairs(query, part, evaluation)
    return f"?{urlencode(pairs)}" if pairs else ""


def headers_without_body(action: Action, evaluation: Evaluation) -> dict[str, str]:
    """The headers that `action` declares, for a request about its answer. Raises StepError as `map_request` does.

    It has no body, and so not the type of one.
    """
    return {name: value for name, value in _declared_headers(action, evaluation).items() if name.lower() != "content-type"}


def _declared_headers(action: Action, evaluation: Evaluation) -> dict[str, str]:
    headers = {}
    for name, expression in action.headers.items():
        value = evaluation.text(f"headers.{name}", expression)
        if value is None:
            continue
        if not (value.isascii() and value.isprintable()):
            raise evaluation.failure(f"headers.{name}", "yields characters that no header can hold")
        headers[name] = value
    return headers
