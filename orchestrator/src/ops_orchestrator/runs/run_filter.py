"""Which runs of a list are wanted: the filters of `GET /runs` and `ops runs list`."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from ops_contract import Problem
from ops_orchestrator.errors import InvalidRequestError
from ops_orchestrator.planning.labels import MOST_LABELS
from ops_orchestrator.runs.run_summary import RunSummary

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d([Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d))?", re.ASCII)
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{8,64}")

Value = TypeVar("Value")


@dataclass(frozen=True)
class RunFilter:
    """What a run must have to be listed; all of it at once, and None or nothing stands for any.

    `labels` are pairs of a key and a value, None for any value. A run is listed that started at `since` or later, and before
    `until`. `fingerprint` is the beginning of its recipe or result fingerprint. `reproduces` and `sweep` are ids.
    `outside_sweeps` leaves out the runs of all sweeps.
    """

    scenario_id: str | None = None
    status: str | None = None
    labels: tuple[tuple[str, str | None], ...] = ()
    module: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    fingerprint: str | None = None
    reproduces: str | None = None
    sweep: str | None = None
    outside_sweeps: bool = False

    def accepts(self, run: RunSummary) -> bool:
        """Whether a run with this summary is listed, whenever it started."""
        fingerprints = (run.fingerprints.recipe, run.fingerprints.result)
        return (
            self.scenario_id in (None, run.scenario_id)
            and self.status in (None, run.status)
            and self.reproduces in (None, run.reproduces)
            and self.sweep in (None, run.sweep)
            and not (self.outside_sweeps and run.sweep is not None)
            and (self.module is None or self.module in run.modules)
            and all(key in run.labels and value in (None, run.labels[key]) for key, value in self.labels)
            and (self.fingerprint is None or any((value or "").startswith(self.fingerprint) for value in fingerprints))
        )


EVERY_RUN: Final = RunFilter()
"""No filter at all."""


def read_filter(  # noqa: PLR0913  # one parameter for each filter
    *,
    scenario_id: str | None = None,
    status: str | None = None,
    labels: Sequence[str] = (),
    module: str | None = None,
    since: str | None = None,
    until: str | None = None,
    fingerprint: str | None = None,
    reproduces: str | None = None,
    sweep: str | None = None,
) -> RunFilter:
    """The filter that people wrote. Raises InvalidRequestError, which names each parameter that cannot be used."""
    problems: list[Problem] = []

    def read(name: str, text: str | None, value_of: Callable[[str], Value]) -> Value | None:
        try:
            return None if text is None else value_of(text)
        except ValueError as error:
            problems.append(Problem(name, str(error)))
            return None

    if len(labels) > MOST_LABELS:
        problems.append(Problem("label", f"is given {len(labels)} times; a run has at most {MOST_LABELS} labels"))
    pairs = [read("label", label, _label) for label in labels[:MOST_LABELS]]
    found = RunFilter(
        scenario_id=read("scenario_id", scenario_id, _text),
        status=status,
        labels=tuple(pair for pair in pairs if pair is not None),
        module=read("module", module, _text),
        since=read("since", since, _time),
        until=read("until", until, _time),
        fingerprint=read("fingerprint", fingerprint, _fingerprint),
        reproduces=read("reproduces", reproduces, _text),
        sweep=read("sweep", sweep, _text),
    )
    if found.since is not None and found.until is not None and found.since >= found.until:
        problems.append(Problem("until", f"must be later than since, and {until} is not later than {since}"))
    if problems:
        raise InvalidRequestError("A filter cannot be used.", problems)
    return found


def _text(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be text without control characters")
    return text


def _label(text: str) -> tuple[str, str | None]:
    key, equals, value = _text(text).partition("=")
    if not key:
        raise ValueError(f"must be KEY or KEY=VALUE, not {text[:60]!r}")
    return key, value if equals else None


def _time(text: str) -> datetime:
    message = f"must be a date or a time such as 2026-01-09 or 2026-01-09T12:34:56Z, not {text[:60]!r}"
    if not _TIME.fullmatch(text):
        raise ValueError(f"{message}; in an address, write + as %2B" if " " in text else message)
    try:
        at = datetime.fromisoformat(text.upper())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(message) from error


def _fingerprint(text: str) -> str:
    if not _FINGERPRINT.fullmatch(text.lower()):
        raise ValueError(f"must be 8 to 64 hexadecimal digits, not {text[:80]!r}")
    return text.lower()
