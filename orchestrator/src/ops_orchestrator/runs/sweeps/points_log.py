"""What became of the points of a sweep, one line a point: the log that a sweep goes on from after it was killed."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar, Final, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ops_orchestrator.runs.events import Status
from ops_orchestrator.runs.figures import FigureValue
from ops_orchestrator.runs.json_text import json_line
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.run_figures import RunFigures
from ops_orchestrator.runs.scale import finite

MOST_FIGURES: Final = 100
"""Of one run, so many figures are kept in the table."""

_STRICT: Final = ConfigDict(strict=True, allow_inf_nan=False)
_LONGEST_TEXT: Final = 200
_LONGEST_MESSAGE: Final = 1_000


# Not models, which take eight times the memory: a table has a figure for each of thousands of points.
@dataclass(frozen=True, slots=True, kw_only=True)
class PointFigure:
    """A figure that the run of a point found."""

    __pydantic_config__: ClassVar = _STRICT
    step: str
    key: str
    label: str
    unit: str = ""
    value: int | float | None = None
    baseline: int | float | None = None
    change: int | float | None = None

    @classmethod
    def of(cls, step: str, figure: FigureValue) -> Self:
        """A figure as its module gave it; texts are cut where they are too long for a table."""
        return cls(
            step=step,
            key=figure.key[:_LONGEST_TEXT],
            label=figure.label[:_LONGEST_TEXT],
            unit=figure.unit[:_LONGEST_TEXT],
            value=finite(figure.number),
            baseline=finite(figure.baseline),
            change=finite(figure.change),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PointOutcome:
    """How the run of a point ended, and what it found; `result` is the fingerprint of all that it found.

    There is no run when it could not even be made. `attempt` is that of the sweep in which it ended.
    """

    __pydantic_config__: ClassVar = _STRICT
    number: int
    status: Status
    run_id: str | None = None
    result: str | None = None
    synthetic: bool = False
    message: str = ""
    figures: tuple[PointFigure, ...] = ()
    attempt: int = field(default=1, compare=False)

    @classmethod
    def of(cls, number: int, record: RunRecord, results: Results) -> Self:
        """What became of the point `number`, whose run is over."""
        found = RunFigures.of(record, results)
        figures = (PointFigure.of(step.step, figure) for step in found.steps for figure in step.figures)
        return cls(
            number=number,
            status=record.status,
            run_id=record.run_id,
            result=record.fingerprints.result,
            synthetic=found.synthetic,
            message=str((record.error or {}).get("message", ""))[:_LONGEST_MESSAGE],
            figures=tuple(islice((figure for figure in figures if _has_number(figure)), MOST_FIGURES)),
        )

    @classmethod
    def refused(cls, number: int, message: str) -> Self:
        """The point `number`, whose run could not be started."""
        return cls(number=number, status="failed", message=message[:_LONGEST_MESSAGE])

    def as_line(self) -> bytes:
        """The line of the log."""
        return json_line(self)


_OUTCOME: Final = TypeAdapter(PointOutcome)


def latest(lines: Iterable[bytes], wanted: Container[int]) -> dict[int, PointOutcome]:
    """By number, what became last of each of the `wanted` points. A line that cannot be read tells nothing."""
    return {outcome.number: outcome for outcome in _read(lines) if outcome.number in wanted}


def statuses_in(lines: Iterable[bytes], size: int) -> dict[int, Status]:
    """By number, how those of the `size` points that are over ended: as `latest` has it, in a fraction of the memory."""
    return {outcome.number: outcome.status for outcome in _read(lines) if 1 <= outcome.number <= size}


def over_in(lines: Iterable[bytes], size: int, attempt: int) -> dict[int, bool]:
    """By number, those of the `size` points with which this attempt has nothing to do any more, and whether each completed.

    One that failed in an earlier attempt is run again.
    """
    over: dict[int, bool] = {}
    for outcome in _read(lines):
        if 1 <= outcome.number <= size and (outcome.status == "completed" or outcome.attempt == attempt):
            over[outcome.number] = outcome.status == "completed"
    return over


def _read(lines: Iterable[bytes]) -> Iterator[PointOutcome]:
    for line in lines:
        try:
            yield _OUTCOME.validate_json(line)
        except ValidationError:
            continue


def _has_number(figure: PointFigure) -> bool:
    return any(number is not None for number in (figure.value, figure.baseline, figure.change))
