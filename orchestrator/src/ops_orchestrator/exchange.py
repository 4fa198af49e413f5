"""What goes over the wire between the orchestrator and a module."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from ops_contract import MAX_VALUES, media_type_of, parse_json, sha256_hex

RETRYABLE_STATUS: Final = frozenset({429, 502, 503, 504})
"""HTTP statuses that say "not now" whatever the body says."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be sent. `path` is below the module's address and may bring a query; without a `body` none is sent.

    Of an answer that is not wanted as a `whole`, only as much is read as there is room for.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = True

    @property
    def content_type(self) -> str:
        """The content type of the body; empty when none is sent."""
        return content_type_of(self.headers)


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One HTTP request to a module and its complete answer, bytes as sent and received; header names in lower case.

    At most `max_values` JSON values are made of the answer. With a `job`, the answer is the last one about it.
    """

    method: str
    url: str
    request_headers: Mapping[str, str]
    request: bytes
    status: int
    headers: Mapping[str, str]
    response: bytes
    max_values: int = MAX_VALUES
    job: "Job | None" = None

    @property
    def request_content_type(self) -> str:
        """The content type of the request's body; empty when none was sent."""
        return content_type_of(self.request_headers)

    def json(self) -> Any:
        """The answer as JSON. Raises ops_contract.JsonError, or the TooManyValuesError that is one."""
        return parse_json(self.response, max_values=self.max_values)

    @property
    def media_type(self) -> str:
        """The answer's media type without parameters, in lower case; empty when it names none."""
        return media_type_of(self.headers.get("content-type", ""))

    @property
    def is_success(self) -> bool:
        """Is it a 2xx?"""
        return 200 <= self.status < 300

    @property
    def is_retryable(self) -> bool:
        """Does the status say "not now", whatever the body says?"""
        return self.status in RETRYABLE_STATUS

    @property
    def may_become_ready(self) -> bool:
        """Does the status of a health check leave hope that a later one succeeds?"""
        return self.status >= 500 or self.is_retryable

    @property
    def redirect(self) -> str | None:
        """Why the answer cannot be used when it is a redirect, to follow "the answer"; None when it is not one."""
        if not 300 <= self.status < 400:
            return None
        return f"is a redirect ({self.status}); modules are called only where registered"

    @property
    def as_one(self) -> "Exchange":
        """The exchange of a job with what was sent to submit it, as if its last answer were the answer to that."""
        if self.job is None:
            return self
        return replace(self.job.submitted, status=self.status, headers=self.headers, response=self.response, job=self.job)

    @cached_property
    def request_sha256(self) -> str:
        """SHA-256 of the request's body."""
        return sha256_hex(self.request)

    @cached_property
    def response_sha256(self) -> str:
        """SHA-256 of the response's body."""
        return sha256_hex(self.response)


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One time that a job was asked for: when, in seconds from its submission, and what came back, or why nothing did."""

    after_s: float
    status: int | None = None
    sha256: str | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a module accepted to do: the exchange that submitted it, and how it was asked for since.

    `asks` is how often, and `last_asks` has the last few. `is_done` says that its result is there; where that was fetched from
    another place, `done` is the answer that said so.
    """

    submitted: Exchange
    method: str
    url: str
    asks: int = 0
    last_asks: tuple[Ask, ...] = ()
    is_done: bool = False
    done: Exchange | None = None


def content_type_of(headers: Mapping[str, str]) -> str:
    """The content type in `headers`, in whatever letters they are named; empty when there is none."""
    return next((value for name, value in headers.items() if name.lower() == "content-type"), "")
