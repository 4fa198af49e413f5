"""The journal of a stub: its most recent requests, for a test to read."""

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Final

from ops_contract import is_secret
from ops_stubs.faults.exchange import Headers, Received

__all__ = ["Entry", "Journal"]

_ENTRIES: Final = 200
_BODY_BYTES: Final = 64 * 1024
_REMOVED: Final = "[removed]"


@dataclass
class Entry:
    """One request; `status` is None until it is answered, and when it never is.

    `answer` names the staged answer that it got; where it got none of those staged, `nearest_answer` says why not.
    """

    number: int
    method: str
    path: str
    headers: dict[str, str]
    body: str
    body_truncated: bool
    acted: list[str] = field(default_factory=list)
    status: int | None = None
    nearest_path: str | None = None
    answer: str | None = None
    nearest_answer: dict[str, Any] | None = None

    @cached_property
    def received(self) -> Received:
        """The request as far as it is kept; of a truncated body, nothing can be read."""
        raw = b"" if self.body_truncated else self.body.encode()
        return Received(self.method, self.path, self.path, tuple(self.headers.items()), raw)

    def as_json(self) -> dict[str, Any]:
        """The entry as the admin API shows it."""
        return asdict(self)


class Journal:
    """Numbers requests from 1 and keeps the last 200."""

    def __init__(self) -> None:
        self._number = 0
        self._entries: deque[Entry] = deque(maxlen=_ENTRIES)

    def add(self, received: Received) -> Entry:
        """A new entry, whose other fields are set while the request is answered."""
        self._number += 1
        entry = Entry(
            number=self._number,
            method=received.method,
            path=received.path,
            headers=_without_secrets(received.headers),
            body=received.raw[:_BODY_BYTES].decode(errors="replace"),
            body_truncated=len(received.raw) > _BODY_BYTES,
        )
        self._entries.append(entry)
        return entry

    def clear(self) -> None:
        """Forget everything and count from 1 again."""
        self._number = 0
        self._entries.clear()

    @property
    def forgotten(self) -> int:
        """How many requests are no longer kept."""
        return self._number - len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        """The entries, the oldest first."""
        return iter(self._entries)


def _without_secrets(headers: Headers) -> dict[str, str]:
    return {name: _REMOVED if is_secret(name) else value for name, value in headers}
