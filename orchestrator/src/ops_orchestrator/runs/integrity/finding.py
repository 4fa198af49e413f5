"""What the checks of a run's folder find, and what they cannot check."""

import json
from dataclasses import dataclass
from typing import Any, Final

from ops_contract import ABSENT
from ops_orchestrator.excerpt import excerpt

MOST_FINDINGS: Final = 1_000
"""So many findings are kept of one run; more are only counted."""

_MOST_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a run's folder that is not as it should be: the file, what should be in it, and what is."""

    file: str
    expected: str
    found: str


class Findings:
    """Collects findings, and notes about what could not be checked."""

    def __init__(self) -> None:
        self._findings: list[Finding] = []
        self._notes: dict[str, None] = {}
        self.left_out = 0

    @property
    def all(self) -> tuple[Finding, ...]:
        """The findings in the order in which they came, without those that are only counted in `left_out`."""
        return tuple(self._findings)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes, each once."""
        return tuple(self._notes)

    def __len__(self) -> int:
        return len(self._findings) + self.left_out

    def add(self, file: str, expected: str, found: str) -> None:
        """Add a finding. Its texts may come from a foreign folder, and long ones are shortened."""
        if len(self._findings) == MOST_FINDINGS:
            self.left_out += 1
            return
        self._findings.append(Finding(*(excerpt(text, _MOST_CHARACTERS) for text in (file, expected, found))))

    def note(self, sentence: str) -> None:
        """Add a note."""
        if len(self._notes) < MOST_FINDINGS:
            self._notes[excerpt(sentence, 2 * _MOST_CHARACTERS)] = None


def value_at(pointer: str, value: Any) -> str:
    """A place of a JSON document and what stands there, in words."""
    place = pointer or "the document"
    if value is ABSENT:
        return f"nothing at {place}"
    return f"{excerpt(json.dumps(value, ensure_ascii=False), _MOST_CHARACTERS // 2)} at {place}"
