"""Answers: JSON, error envelopes, and those with given headers."""

import json
from collections.abc import Iterable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from ops_contract import Health, RefusalError, trace_of

__all__ = ["error_response", "json_response", "response_of"]

_RETRY_AFTER_S: Final = 1


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer in UTF-8; NaN and Infinity raise instead of travelling (OPS-EXE-004)."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode(), status, headers, media_type="application/json")


def error_response(health: Health, refusal: RefusalError, request: Request, headers: dict[str, str] | None = None) -> Response:
    """The error envelope in which the module of `health` says what `refusal` says, and when a retry makes sense."""
    envelope = refusal.envelope(health.module, health.version, trace_of(request.headers))
    when = {"Retry-After": str(_RETRY_AFTER_S)} if refusal.retryable else {}
    return json_response(envelope, refusal.status, {**when, **(headers or {})})


def response_of(status: int, headers: Iterable[tuple[str, str]], content: bytes) -> Response:
    """An answer with these headers, of which several may have one name."""
    response = Response(content, status)
    response.raw_headers += [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]
    return response
