"""The journal of a stub: its most recent requests, for a test to read."""

from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ops_contract import is_secret
from ops_stubs.faults.exchange import Headers, Received

__all__ = ["Entry", "Journal"]

_ENTRIES: Final = 200
_BODY_BYTES: Final = 64 * 1024
_REMOVED: Final = "[removed]"


@dataclass
class Entry:
    """One request; `status` is None until it is answered, and when it never is."""

    number: int
    method: str
    path: str
    headers: dict[str, str]
    body: str
    body_truncated: bool
    acted: list[str] = field(default_factory=list)
    status: int | None = None
    nearest_path: str | None = None


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

    def as_json(self) -> list[dict[str, Any]]:
        """The entries, the oldest first."""
        return [asdict(entry) for entry in self._entries]


def _without_secrets(headers: Headers) -> dict[str, str]:
    return {name: _REMOVED if is_secret(name) else value for name, value in headers}
