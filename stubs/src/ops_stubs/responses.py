"""Answers in JSON, error envelopes among them."""

import json
import re
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from ops_contract import CONTRACT_VERSION, ErrorDetail, ErrorEnvelope, Health
from ops_stubs.errors import RefusalError

__all__ = ["error_response", "json_response", "trace_of"]

_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer in UTF-8; NaN and Infinity raise instead of travelling (OPS-EXE-004)."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode(), status, headers, media_type="application/json")


def error_response(health: Health, refusal: RefusalError, request: Request, headers: dict[str, str] | None = None) -> Response:
    """The error envelope in which the module of `health` says what `refusal` says."""
    pointer = {} if refusal.pointer is None else {"pointer": refusal.pointer}
    detail = ErrorDetail.model_validate(
        {
            "code": refusal.code,
            "message": refusal.message,
            "retryable": refusal.retryable,
            "details": refusal.details,
            **pointer,
        }
    )
    envelope = ErrorEnvelope(
        status="error",
        module=health.module,
        version=health.version,
        contract_version=CONTRACT_VERSION,
        error=detail,
        meta=trace_of(request),
    )
    return json_response(envelope.model_dump(mode="json", exclude_unset=True), refusal.status, headers)


def trace_of(request: Request) -> dict[str, Any]:
    """The caller's trace id (W3C Trace Context), when it sent a valid one (OPS-OBS-001)."""
    found = _TRACEPARENT.fullmatch(request.headers.get("traceparent", "").strip())
    return {"trace_id": found[1]} if found else {}
