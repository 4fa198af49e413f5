"""Conditional requests: `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since`, `If-Range` (RFC 9110, 13)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

from starlette.datastructures import Headers

from ops_orchestrator.http_date import parse_http_date

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
        condition = parse_http_date(date) if date is not None else None
        return None if condition is None or self.modified is None else self.modified > condition.timestamp()


def _names(values: Sequence[str], etag: str, *, weak: bool) -> bool:
    joined = ",".join(values)
    return joined.strip() == "*" or any(tag == etag and (weak or not mark) for mark, tag in _ENTITY_TAG.findall(joined))
