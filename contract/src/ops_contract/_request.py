"""Reads the request of `POST /execute`, and refuses what cannot be executed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ops_contract._base import validate
from ops_contract._errors import JsonError, NumberError, ShapeError, TooManyValuesError
from ops_contract._execute import ExecuteRequest
from ops_contract._json import MAX_VALUES, fingerprint, parse_json
from ops_contract._refusal import RefusalError
from ops_contract._version import CONTRACT_VERSION, is_supported

__all__ = ["ReadRequest", "check_request_headers", "is_encoded", "media_type_of", "read_request", "trace_of"]

_MAJOR: Final = re.compile(r"0|[1-9][0-9]*")
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


@dataclass(frozen=True)
class ReadRequest:
    """A request, and the fingerprint of its body."""

    request: ExecuteRequest
    fingerprint: str


def media_type_of(content_type: str) -> str:
    """The media type in the value of a Content-Type header: without parameters, in lower case; empty when there is none."""
    return content_type.partition(";")[0].strip().lower()


def is_encoded(content_encoding: str) -> bool:
    """Whether the value of a Content-Encoding header names a coding other than `identity` (RFC 9110, section 8.4)."""
    return any(coding.strip().lower() not in ("", "identity") for coding in content_encoding.split(","))


def check_request_headers(headers: Mapping[str, str]) -> None:
    """Refuse a body that is not announced as plain JSON in UTF-8 (OPS-ERR-010); names of `headers` are in lower case.

    Raises RefusalError.
    """
    content_type = headers.get("content-type", "")
    parameters = [parameter.strip().lower() for parameter in content_type.split(";")[1:]]
    charsets = {parameter.partition("=")[2].strip(' "') for parameter in parameters if parameter.startswith("charset")}
    if media_type_of(content_type) != "application/json":
        raise RefusalError(415, "UNSUPPORTED_MEDIA_TYPE", "the body must be sent with Content-Type: application/json")
    if charsets - {"utf-8", "utf8"}:
        raise RefusalError(415, "UNSUPPORTED_MEDIA_TYPE", "the body must be UTF-8; send application/json without a charset")
    if is_encoded(headers.get("content-encoding", "")):
        raise RefusalError(415, "UNSUPPORTED_MEDIA_TYPE", "the body must not be compressed; send it without Content-Encoding")


def read_request(raw: bytes, *, max_values: int = MAX_VALUES, setting: str = "") -> ReadRequest:
    """Make a request of the body. Raises RefusalError (OPS-ERR-003 to -005, OPS-ERR-011, OPS-VER-001).

    More than `max_values` values are refused; `setting` names what that limit can be changed with, for the message.

    The fingerprint is that of the whole body as canonical JSON: it does not change with white space, the order of keys and the
    way numbers are written, and it does with any value, also in a field that this version does not know.
    """
    try:
        body = parse_json(raw, max_values=max_values)
        digest = fingerprint(body)
    except TooManyValuesError as error:
        raise RefusalError.too_many_values(max_values, setting) from error
    except JsonError as error:
        raise RefusalError(400, "MALFORMED_JSON", f"the body is not JSON as the contract wants it: {error}") from error
    except NumberError as error:
        message = f"the body is not JSON as the contract wants it: {error}"
        raise RefusalError(400, "MALFORMED_JSON", message, pointer=error.pointer) from error
    # Before the schema: what another major version looks like is not for this one to judge.
    _check_version(body)
    try:
        return ReadRequest(validate(ExecuteRequest, body, "request"), digest)
    except ShapeError as error:
        raise RefusalError.of_problems("INVALID_REQUEST", error.problems, error.problem_count) from error


def trace_of(headers: Mapping[str, str]) -> dict[str, Any]:
    """The fields of `meta` for the caller's trace (W3C Trace Context); empty without a valid one (OPS-OBS-001)."""
    found = _TRACEPARENT.fullmatch(headers.get("traceparent", "").strip())
    return {"trace_id": found[1]} if found else {}


def _check_version(body: Any) -> None:
    version = body.get("contract_version") if isinstance(body, dict) else None
    if isinstance(version, str) and _MAJOR.fullmatch(version.partition(".")[0]) and not is_supported(version):
        message = f"/contract_version {version[:20]!r} is not served; this module serves {CONTRACT_VERSION}"
        details = {"supported_versions": [CONTRACT_VERSION]}
        raise RefusalError(422, "UNSUPPORTED_VERSION", message, pointer="/contract_version", details=details)
