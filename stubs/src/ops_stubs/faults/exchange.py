"""A request and its answer as a fault sees them: plain values that can be read, changed and sent on."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ops_contract import CONTRACT_VERSION, JsonError, parse_json

__all__ = ["Forward", "Headers", "Key", "Received", "Reply", "error_reply"]

Headers = tuple[tuple[str, str], ...]
"""Names in lower case, in the order in which they came."""

Key = tuple[str, str]
"""`run_id` and `step_id`."""


@dataclass(frozen=True)
class Received:
    """A request; `raw` is its body, or the beginning of one that is larger than the stub accepts."""

    method: str
    path: str
    raw_path: str
    headers: Headers
    raw: bytes

    @property
    def is_execute(self) -> bool:
        """Whether this asks for an execution."""
        return self.method == "POST" and self.path == "/execute"

    @property
    def is_health(self) -> bool:
        """Whether this asks for the health."""
        return self.path == "/health" and self.method in {"GET", "HEAD"}

    @cached_property
    def value(self) -> Any:
        """The body of any request, or None when it is not JSON as the contract wants it."""
        try:
            return parse_json(self.raw) if self.raw else None
        except JsonError:
            return None

    @property
    def json(self) -> Any:
        """The body of an execute request, or None when it is not JSON as the contract wants it."""
        return self.value if self.is_execute else None

    @property
    def body(self) -> Mapping[str, Any]:
        """The fields of an execute request; empty when there are none to read."""
        return self.json if isinstance(self.json, dict) else {}

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of an execute request; empty when there are none to read."""
        options = self.body.get("options")
        return options if isinstance(options, dict) else {}

    @property
    def key(self) -> Key | None:
        """The key of the call, or None when it has none."""
        key = self.body.get("run_id"), self.body.get("step_id")
        return (key[0], key[1]) if isinstance(key[0], str) and isinstance(key[1], str) else None

    def changed(self, **fields: Any) -> "Received":
        """The same execute request with other fields."""
        raw = json.dumps({**self.body, **fields}).encode()
        others = tuple(header for header in self.headers if header[0] != "content-length")
        return replace(self, raw=raw, headers=(*others, ("content-length", str(len(raw)))))


@dataclass(frozen=True)
class Reply:
    """An answer: status, headers and body."""

    status: int
    headers: Headers
    content: bytes

    @classmethod
    def of_json(cls, value: Any, status: int = 200) -> "Reply":
        """An answer in JSON."""
        content = _dumped(value)
        return cls(status, (("content-type", "application/json"), ("content-length", str(len(content)))), content)

    @property
    def json(self) -> Any:
        """The JSON value in the body, each time a fresh one; None when there is none."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None

    @property
    def is_success(self) -> bool:
        """Whether this is a success envelope."""
        match self.json:
            case {"status": "success"}:
                return self.status == 200
        return False

    @property
    def error_code(self) -> str | None:
        """The `error.code` of an error envelope, None for everything else."""
        match self.json:
            case {"status": "error", "error": {"code": str(code)}}:
                return code
        return None

    def header(self, name: str) -> str | None:
        """A header by its name in lower case."""
        return next((value for key, value in self.headers if key == name), None)

    def with_header(self, name: str, value: str | None) -> "Reply":
        """The same answer with another value of a header, or without it."""
        others = tuple(header for header in self.headers if header[0] != name)
        return replace(self, headers=others if value is None else (*others, (name, value)))

    def with_content(self, content: bytes) -> "Reply":
        """The same answer with another body."""
        return replace(self, content=content).with_header("content-length", str(len(content)))

    def with_json(self, value: Any) -> "Reply":
        """The same answer with another JSON value as its body."""
        return self.with_content(_dumped(value))


Forward = Callable[[Received], Awaitable[Reply]]
"""Hands a request on and waits for its answer."""


def error_reply(module: str, status: int, code: str, message: str, *, retryable: bool = False, **more: Any) -> Reply:
    """An answer that is an error envelope; `more` goes into its `error`."""
    envelope = {
        "status": "error",
        "module": module,
        "contract_version": CONTRACT_VERSION,
        "error": {"code": code, "message": message, "retryable": retryable, **more},
        "meta": {},
    }
    return Reply.of_json(envelope, status)


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
