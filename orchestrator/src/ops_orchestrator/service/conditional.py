"""Conditional requests: `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since`, `If-Range` (RFC 9110, 13)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from typing import Final

from starlette.datastructures import Headers

_ENTITY_TAG: Final = re.compile(r'(W/)?("[^"]*")')


@dataclass(frozen=True)
class Validators:
    """What tells one version of a content from another: a strong `etag`, in quotes, and `modified`, in seconds since 1970."""

    etag: str
    modified: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The response headers."""
        last_modified = {} if self.modified is None else {"Last-Modified": formatdate(self.modified, usegmt=True)}
        return {"ETag": self.etag, **last_modified}

    def status_for(self, request: Headers) -> int | None:
        """412 or 304 when a condition in the headers `request` ends the request, else None. The order is that of 13.2.2."""
        if "if-match" in request:
            if not _names(request.getlist("if-match"), self.etag, weak=False):
                return 412
        elif self._modified_after(request.get("if-unmodified-since")) is True:
            return 412
        if "if-none-match" in request:
            return 304 if _names(request.getlist("if-none-match"), self.etag, weak=True) else None
        return 304 if self._modified_after(request.get("if-modified-since")) is False else None

    def allow_range(self, request: Headers) -> bool:
        """Whether a range may be sent: the caller's part, named in `If-Range`, is of this version."""
        condition = request.get("if-range")
        return condition is None or condition.strip() in self.headers.values()

    def _modified_after(self, date: str | None) -> bool | None:
        """None when there is no date, or one that cannot be read: the condition is ignored then."""
        seconds = _seconds(date) if date is not None else None
        return None if seconds is None or self.modified is None else self.modified > seconds


def _names(values: Sequence[str], etag: str, *, weak: bool) -> bool:
    joined = ",".join(values)
    return joined.strip() == "*" or any(tag == etag and (weak or not mark) for mark, tag in _ENTITY_TAG.findall(joined))


def _seconds(date: str) -> float | None:
    try:
        parsed = parsedate_to_datetime(date)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
