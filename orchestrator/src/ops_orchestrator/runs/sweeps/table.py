"""The table of a sweep: a row for each point, with its parameters, how its run ended, and the figures that it found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ops_orchestrator.planning.sweep import Parameter, Point, SweepRequest, point_at, points
from ops_orchestrator.runs.events import Status
from ops_orchestrator.runs.sweeps.points_log import PointFigure, PointOutcome

MOST_COLUMNS: Final = 200
"""Of all runs together, so many different figures have a column."""

PointStatus = Literal["pending", Status]
"""How far a point is: `pending` until its run is over, and then how that ended."""


@dataclass(frozen=True)
class FigureColumn:
    """A figure that runs of a sweep found: the step and the key under which its module gives it, in words, and its unit."""

    step: str
    key: str
    label: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class FigureCell:
    """A figure in one run: its value, and what the module compares it with; None where it gave no number."""

    value: float | None
    baseline: float | None = None
    change: float | None = None


@dataclass(frozen=True, slots=True)
class SweepRow:
    """A point, numbered from 1, and what became of it.

    `parameters` and `figures` stand in the order of the table's columns; a figure is None where the run did not give it.
    `message` says why a run did not complete, `synthetic` that a module calls some of its figures made up.
    """

    number: int
    parameters: tuple[Any, ...]
    seed: int
    status: PointStatus = "pending"
    run_id: str | None = None
    figures: tuple[FigureCell | None, ...] = ()
    message: str = ""
    synthetic: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether its run is over and did not complete, whatever ended it: what a sweep counts as failed."""
        return self.status not in ("pending", "completed")


@dataclass(frozen=True)
class SweepTable:
    """What a sweep found: its columns, and its rows in the order of their numbers, one for each point, also a pending one."""

    sweep_id: str
    scenario_id: str
    parameters: tuple[Parameter, ...]
    figures: tuple[FigureColumn, ...]
    rows: tuple[SweepRow, ...]

    @property
    def seeds(self) -> Sequence[int]:
        """The different seeds, in the order of the points."""
        return tuple(dict.fromkeys(row.seed for row in self.rows))

    @property
    def is_synthetic(self) -> bool:
        """Whether a module calls some of the figures made up."""
        return any(row.synthetic for row in self.rows)


def table_of(
    sweep_id: str, request: SweepRequest, outcomes: Mapping[int, PointOutcome], numbers: Iterable[int] | None = None
) -> SweepTable:
    """The table of a sweep, of whose points those in `outcomes` are over, by their number; or its rows with these `numbers`."""
    columns: dict[tuple[str, str], FigureColumn] = {}
    for _, outcome in sorted(outcomes.items()):
        for figure in outcome.figures:
            columns.setdefault((figure.step, figure.key), FigureColumn(figure.step, figure.key, figure.label, figure.unit))
    keys = tuple(columns)[:MOST_COLUMNS]
    chosen = points(request) if numbers is None else (point_at(request, number) for number in numbers)
    rows = tuple(_row(point, outcomes.get(point.number), keys) for point in chosen)
    figures = tuple(columns[key] for key in keys)
    return SweepTable(sweep_id, request.scenario.scenario_id, request.parameters, figures, rows)


def _row(point: Point, outcome: PointOutcome | None, keys: Sequence[tuple[str, str]]) -> SweepRow:
    parameters = tuple(point.parameters.values())
    if outcome is None:
        return SweepRow(point.number, parameters, point.seed, figures=(None,) * len(keys))
    found = {(figure.step, figure.key): figure for figure in outcome.figures}
    return SweepRow(
        number=point.number,
        parameters=parameters,
        seed=point.seed,
        status=outcome.status,
        run_id=outcome.run_id,
        figures=tuple(_cell(found.get(key)) for key in keys),
        message=outcome.message,
        synthetic=outcome.synthetic,
    )


def _cell(figure: PointFigure | None) -> FigureCell | None:
    return None if figure is None else FigureCell(figure.value, figure.baseline, figure.change)
