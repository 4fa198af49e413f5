"""A run as it stands in lists, and where in the list."""

import base64
import binascii
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from ops_contract import Problem
from ops_orchestrator.errors import InvalidRequestError
from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.run_id import RUN_ID
from ops_orchestrator.runs.run_summary import RunSummary

_POSITION: Final = re.compile(rb"(-?[0-9]{1,18}) (\S+)")


@dataclass(frozen=True)
class DamagedRun:
    """A run whose record cannot be used, as it stands in lists; `reason` says which document and why."""

    run_id: str
    reason: str
    status: ClassVar = "damaged"
    idempotency_key: ClassVar = None

    @property
    def started_at(self) -> str:
        """When the run started, as far as its id says."""
        date, time = self.run_id.split("_")[1].rstrip("Z").split("T")
        return f"{date}T{time.replace('-', ':')}Z"

    def summary(self) -> dict[str, Any]:
        """The run in a list of runs: the fields of any other run, as far as they are known, and `reason`."""
        return {
            "run_id": self.run_id,
            "status": self.status,
            "reason": self.reason,
            "started_at": self.started_at,
            "finished_at": None,
            "fingerprints": {"recipe": None, "result": None},
            "scenario_id": None,
            "modules": [],
            "labels": {},
            "warnings": 0,
            "synthetic": False,
        }


ListedRun = RunRecord | DamagedRun
"""A run that can be listed."""


@dataclass(frozen=True)
class ReadRun:
    """A run as it was read, which others may change meanwhile.

    `version` is that of its folder when the reading began, and `before` the one that the index knew then, None when it did not
    know the run.
    """

    run: ListedRun
    version: str | None
    before: str | None


@dataclass(frozen=True)
class Position:
    """A place in the list of runs, newest first; `started_us` is in microseconds since 1970."""

    started_us: int
    run_id: str

    @classmethod
    def of(cls, cursor: str) -> Self:
        """The position that `cursor` stands for. Raises InvalidRequestError when it is none of ours."""
        text = b""
        with suppress(binascii.Error, ValueError):
            text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        if (read := _POSITION.fullmatch(text)) and RUN_ID.fullmatch(run_id := read[2].decode(errors="replace")):
            return cls(int(read[1]), run_id)
        problem = Problem("cursor", "is not a cursor of this list")
        raise InvalidRequestError("Take cursor from next_cursor of the page before, or leave it out.", [problem])

    def cursor(self) -> str:
        """The position as text for callers."""
        return base64.urlsafe_b64encode(f"{self.started_us} {self.run_id}".encode()).decode().rstrip("=")


@dataclass(frozen=True)
class IndexedRun:
    """A run as the index knows it, read from the `version` of its folder; None for one that is not known."""

    position: Position
    summary: RunSummary
    version: str | None


@dataclass(frozen=True)
class Repeats:
    """How many completed runs have one recipe, and how many different results they have."""

    runs: int
    results: int


@dataclass(frozen=True)
class CallCounts:
    """How many calls of a module are over, how many of them failed, and how long the middle one of those completed took."""

    calls: int
    failed: int
    median_s: float | None


@dataclass(frozen=True)
class Page:
    """Part of the list of runs, newest first; `next_cursor` is None on the last page.

    `is_complete` is False while the list of all runs is still being made.
    """

    runs: list[RunSummary]
    next_cursor: str | None
    is_complete: bool = True
