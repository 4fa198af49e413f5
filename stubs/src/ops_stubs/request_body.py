"""From the bytes of `POST /execute` to a request that a stub can execute, refusing everything else by name."""

from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from ops_contract import (
    CONTRACT_VERSION,
    ExecuteRequest,
    JsonError,
    NumberError,
    Problem,
    ShapeError,
    fingerprint,
    is_supported,
    parse_json,
    validate,
)
from ops_stubs.errors import RefusalError

__all__ = ["MAX_REQUEST_BYTES", "ReadRequest", "check_headers", "parse", "receive"]

MAX_REQUEST_BYTES: Final = 2**20
"""The largest body that a stub reads, unless told otherwise: 1 MiB."""


@dataclass(frozen=True)
class ReadRequest:
    """A request and the fingerprint of the body that it came in."""

    request: ExecuteRequest
    fingerprint: str


def check_headers(headers: Headers) -> None:
    """Refuse a body that is not announced as plain JSON in UTF-8 (OPS-ERR-010)."""
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    name, _, charset = parameters.strip().partition("=")
    if media_type.strip().lower() != "application/json":
        raise RefusalError(415, "UNSUPPORTED_MEDIA_TYPE", "the body must be sent with Content-Type: application/json")
    if name.strip().lower() == "charset" and charset.strip(' "').lower() not in {"utf-8", "utf8"}:
        raise RefusalError(415, "UNSUPPORTED_MEDIA_TYPE", "the body must be UTF-8; send application/json without a charset")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise RefusalError(415, "UNSUPPORTED_MEDIA_TYPE", "the body must not be compressed; send it without Content-Encoding")


async def receive(request: Request, limit: int) -> bytes:
    """Read the body, giving up once it is larger than `limit` bytes (OPS-LIM-003)."""
    announced = request.headers.get("content-length", "")
    # What is announced need not be read to be refused; what is not announced, or announced wrongly, is counted.
    size = int(announced) if announced.isdecimal() and len(announced) < 20 else 0
    chunks: list[bytes] = []
    if size <= limit:
        size = 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    break
                chunks.append(chunk)
        except ClientDisconnect as error:
            raise RefusalError(400, "INCOMPLETE", "the connection ended before the body did") from error
    if size > limit:
        raise RefusalError(413, "TOO_LARGE", f"the body is larger than the {limit} bytes that this module accepts")
    return b"".join(chunks)


def parse(raw: bytes) -> ReadRequest:
    """Make a request of the body, or say what is wrong with it. Raises RefusalError.

    The fingerprint is of the whole body as canonical JSON: white space, the order of keys and the writing of numbers do not
    make another request, and a changed value does, also in a field that this version does not know.
    """
    try:
        body = parse_json(raw)
        digest = fingerprint(body)
    except JsonError as error:
        raise RefusalError(400, "MALFORMED_JSON", f"the body is not JSON as the contract wants it: {error}") from error
    except NumberError as error:
        raise RefusalError.of_problems(
            "INVALID_REQUEST", (Problem(error.pointer, f"cannot be carried: {error.reason}"),)
        ) from error
    # Before the schema: what another major version wants is not for this one to judge.
    _check_version(body)
    try:
        return ReadRequest(validate(ExecuteRequest, body, "request"), digest)
    except ShapeError as error:
        raise RefusalError.of_problems("INVALID_REQUEST", error.problems) from error


def _check_version(body: Any) -> None:
    version = body.get("contract_version") if isinstance(body, dict) else None
    if isinstance(version, str) and version.partition(".")[0].isdecimal() and not is_supported(version):
        message = f"/contract_version {version[:20]!r} is not served; this module serves {CONTRACT_VERSION}"
        details = {"supported_versions": [CONTRACT_VERSION]}
        raise RefusalError(422, "UNSUPPORTED_VERSION", message, pointer="/contract_version", details=details)
