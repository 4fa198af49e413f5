"""A recorded service without the service: every request gets the answer that the same request got."""

import re
from collections import defaultdict
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ops_contract import (
    UNKNOWN_VERSION,
    ContractError,
    Difference,
    ExecuteRequest,
    RefusalError,
    canonical_json,
    differences,
    fingerprint,
    masked_url,
    parse_json,
    sha256_hex,
    validate,
)
from ops_stubs.answers import Key
from ops_stubs.proxied import MAX_REQUEST_BYTES, Headers, ProxiedExchange, ProxiedFolder, kept_headers
from ops_stubs.question import question_of
from ops_stubs.request_body import receive as receive_body
from ops_stubs.request_path import target_of
from ops_stubs.responses import json_response, response_of

__all__ = ["ProxiedReplay"]

_COMPARED: Final = 200
_COUNTED: Final = 1000
_SHOWN: Final = 20
_VALUE_CHARACTERS: Final = 80
_POINTER_CHARACTERS: Final = 200
_BOUNDARY: Final = re.compile(r"(?i)^multipart/.*;\s*boundary=\"?([^\";]{1,70})")


class ProxiedReplay:
    """ASGI application: of several answers to one request, each is given once, in their order, and then the last again."""

    def __init__(self, folder: ProxiedFolder) -> None:
        """Read all that will be needed. Raises RecordingError."""
        self._name = folder.folder.name
        self._answers: defaultdict[str, list[ProxiedExchange]] = defaultdict(list)
        self._asked: dict[str, tuple[int, dict[str, Any]]] = {}
        self._given: defaultdict[str, int] = defaultdict(int)
        for number, exchange in enumerate(folder.read(), 1):
            asked = _asked(exchange.method, exchange.target, exchange.request_headers, exchange.request)
            key = fingerprint(asked)
            self._answers[key].append(exchange)
            self._asked.setdefault(key, (number, asked))
        self.module = self._module()

    @property
    def paths(self) -> tuple[str, ...]:
        """The recorded paths."""
        return tuple(dict.fromkeys(asked["path"] for _, asked in self._asked.values()))

    def keeps(self, _: Key | None) -> bool:
        """A recording gives the same answer to a repeated call in any case."""
        return False

    def clear(self) -> None:
        """Begin again with the first answer to each request."""
        self._given.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            body = await receive_body(request, MAX_REQUEST_BYTES)
            headers = tuple((name.lower(), value) for name, value in request.headers.items())
            asked = await anyio.to_thread.run_sync(_asked, request.method, target_of(scope), headers, body)
            response = await self._response(asked)
        except RefusalError as error:
            response = json_response(error.envelope(self.module, UNKNOWN_VERSION, {}), error.status)
        await response(scope, receive, send)

    async def _response(self, asked: dict[str, Any]) -> Response:
        key = fingerprint(asked)
        answers = self._answers.get(key)
        if answers is None:
            raise await anyio.to_thread.run_sync(self._not_recorded, asked)
        answer = answers[min(self._given[key], len(answers) - 1)]
        self._given[key] += 1
        return response_of(answer.status, kept_headers(answer.response_headers, secrets=True), answer.response)

    def _not_recorded(self, asked: dict[str, Any]) -> RefusalError:
        number, found = self._nearest(asked)
        first, *others = found
        more = f"; {len(others)} more in error.details.differences" if others else ""
        message = (
            f"no request recorded in {self._name} asks this; the nearest, exchange {number}, differs at {_place(first)} "
            f"({first.phrase('recorded', 'sent')}){more}"
        )
        shown = [each.as_json("expected", "actual", longest=_VALUE_CHARACTERS) for each in found[:_SHOWN]]
        details = {"nearest_exchange": number, "differences": shown, "difference_count": len(found)}
        is_known = any(one["path"] == asked["path"] and one["method"] == asked["method"] for _, one in self._asked.values())
        return RefusalError(422 if is_known else 404, "NOT_RECORDED", message, details=details)

    def _nearest(self, asked: dict[str, Any]) -> tuple[int, list[Difference]]:
        """The request that differs least, those of the same path and method first."""

        def is_other(one: dict[str, Any]) -> tuple[bool, bool]:
            return one["path"] != asked["path"], one["method"] != asked["method"]

        candidates = sorted(self._asked.values(), key=lambda each: is_other(each[1]))[:_COMPARED]
        compared = [(number, one, list(islice(differences(one, asked), _COUNTED))) for number, one in candidates]
        number, _, found = min(compared, key=lambda each: (is_other(each[1]), len(each[2])))
        return number, found

    def _module(self) -> str:
        """The name that the recorded health gives, for refusals; a service that has none is called `recorded`."""
        for exchanges in self._answers.values():
            if urlsplit(exchanges[0].target).path == "/health":
                try:
                    health = parse_json(exchanges[0].response)
                except ContractError:
                    continue
                if isinstance(health, dict) and isinstance(health.get("module"), str):
                    return str(health["module"])
        return "recorded"


def _asked(method: str, target: str, headers: Headers, body: bytes) -> dict[str, Any]:
    """What decides an answer: method, path, query without what is secret, and body."""
    path, _, query = masked_url(target).partition("?")
    return {
        "method": method,
        "path": unquote(path),
        "query": _parameters(query),
        "body": _body(method, path, dict(headers).get("content-type", ""), body),
    }


def _parameters(query: str) -> list[list[str]]:
    try:
        return [list(pair) for pair in sorted(parse_qsl(query, keep_blank_values=True, max_num_fields=1000))]
    except ValueError:
        return [[query, ""]]


def _body(method: str, path: str, content_type: str, body: bytes) -> Any:
    """A body as it is compared: JSON as a value, of a call by the contract what decides its answer, else text."""
    if not body:
        return None
    try:
        value = parse_json(body)
        canonical_json(value)  # raises for numbers that a fingerprint could not tell apart
        is_call = method == "POST" and path.endswith("/execute") and isinstance(value, dict) and "contract_version" in value
        return question_of(validate(ExecuteRequest, value, "request")) if is_call else value
    except ContractError:
        return _text(content_type, body)


def _text(content_type: str, body: bytes) -> Any:
    boundary = _BOUNDARY.search(content_type)
    if boundary is not None:
        # Made up for each request.
        body = body.replace(boundary[1].encode(), b"boundary")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"sha256": sha256_hex(body), "size_bytes": len(body)}


def _place(difference: Difference) -> str:
    place = difference.pointer or "the whole request"
    return place if len(place) <= _POINTER_CHARACTERS else f"{place[:_POINTER_CHARACTERS]}..."
