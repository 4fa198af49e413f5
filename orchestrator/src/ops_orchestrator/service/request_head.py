"""What the head of a request says, whatever it is for: how its body comes, or why it cannot be served."""

from typing import Final, NamedTuple

from ops_orchestrator.service.refusal import (
    CODED,
    CODED_EARLY,
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    NOT_ONE_HOST,
    OTHER_HOST,
    TOO_LARGE,
    TOO_MANY_FIELDS,
    Refusal,
)

# ": " and the end of the line.
_AROUND_HEADER: Final = 4


class Body(NamedTuple):
    """How a body comes: `length` bytes, or in chunks. Made for each request."""

    length: int = 0
    is_chunked: bool = False


NO_BODY: Final = Body()


def body_of(target: bytes, headers: list[tuple[bytes, bytes]], version: str) -> Body | Refusal:
    """How the body of a request comes, as its headers say, whose names are in lower case; a refusal if it cannot be served."""
    size, hosts, length, codings = len(target), [], 0, []
    for name, value in headers:
        size += len(name) + len(value) + _AROUND_HEADER
        if name == b"host":
            hosts.append(value)
        elif name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding":
            codings.append(value.lower())
    if size > MAX_HEAD_BYTES or len(headers) > MAX_FIELDS:
        return TOO_LARGE if size > MAX_HEAD_BYTES else TOO_MANY_FIELDS
    if why := _host_fault(target, hosts, version):
        return why
    if codings:
        return _in_chunks(codings, version)
    return Body(length) if length else NO_BODY


def _host_fault(target: bytes, hosts: list[bytes], version: str) -> Refusal | None:
    if len(hosts) != 1:
        return NOT_ONE_HOST if hosts or version == "1.1" else None
    if target[:1] in (b"/", b"*"):
        return None
    # A whole address, or, with CONNECT, a host and a port (RFC 9112, section 3.2.2).
    named = target.partition(b"://")[2].partition(b"/")[0].partition(b"?")[0] or target
    return None if named.lower() == hosts[0].lower() else OTHER_HOST


def _in_chunks(codings: list[bytes], version: str) -> Body | Refusal:
    if codings != [b"chunked"]:
        return CODED
    # A proxy that does not know of codings would see another end of the body.
    return Body(is_chunked=True) if version == "1.1" else CODED_EARLY
