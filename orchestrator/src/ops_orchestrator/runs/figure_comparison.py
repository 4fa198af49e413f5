"""Headline figures of several runs side by side, and how each differs from that of the first run."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final, Literal

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.runs.figures import Direction, FigureValue
from ops_orchestrator.runs.headings import headings
from ops_orchestrator.runs.run_figures import RunFigures, StepFigures
from ops_orchestrator.runs.scale import RELATIVE, Scale, changes, is_number, value_text

MOST_RUNS: Final = 20
"""So many runs are compared at once."""

MOST_ROWS: Final = 500
"""So many figures are compared; the rest is counted."""

Mark = Literal["best", "worst"]


@dataclass(frozen=True)
class ComparedRun:
    """One run of a comparison; no two have the same heading. `synthetic` says that some of its figures are."""

    run_id: str
    heading: str
    scenario_id: str
    status: str
    synthetic: bool
    warnings: int

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know before the figures; empty for a run that completed and is not made up."""
        warned = f"{self.warnings} warning{'' if self.warnings == 1 else 's'}" if self.warnings else ""
        ended = "" if self.status == "completed" else self.status
        return tuple(note for note in (ended, "synthetic" if self.synthetic else "", warned) if note)


@dataclass(frozen=True)
class ComparedValue:
    """A figure of one run: any JSON value, None when the run has none.

    `change` and `relative`, a share of the first run's value, are those against the first run. They are None where there is
    nothing to subtract, and where `has_other_unit` or `other_country` say that the unit or the country is not that of the
    row's first. `relative` is None at a base of 0 too. `other_module` is the module of the run's step, where it is not that of
    the row's first.
    """

    value: Any = None
    unit: str = ""
    has_other_unit: bool = False
    other_module: str = ""
    other_country: str = ""
    change: float | None = None
    relative: float | None = None
    synthetic: bool = False
    mark: Mark | None = None

    @property
    def text(self) -> str:
        """The value for people; with its unit and its module where they are not those of the row."""
        scale = Scale.of(self.unit)
        written = scale.value(self.value)
        unit = f" ({scale.unit or self.unit or 'no unit'})" if self.has_other_unit else ""
        country = f" ({self.other_country})" if self.other_country else ""
        return f"{written}{unit}{country}" + (f" of {self.other_module}" if self.other_module else "")

    @property
    def change_text(self) -> str:
        """The change against the first run for people, absolute and relative; empty where there is none."""
        if self.change is None:
            return ""
        absolute = Scale.of(self.unit).change(self.change)
        return absolute if self.relative is None else f"{absolute}, {RELATIVE.change(self.relative)}"


@dataclass(frozen=True)
class ComparedFigure:
    """A headline figure in all runs. `direction` is there when all runs that have the figure declare the same one."""

    step: str
    key: str
    label: str
    unit: str
    direction: Direction | None
    values: tuple[ComparedValue, ...]


@dataclass(frozen=True)
class FigureComparison:
    """Runs in the order in which they were given, their figures by step, and how many figures are left out."""

    runs: tuple[ComparedRun, ...]
    figures: tuple[ComparedFigure, ...]
    more: int = 0

    def as_json(self) -> dict[str, Any]:
        """The comparison as JSON: `runs`, `figures` with `values` in the order of the runs, `more`."""
        return asdict(self)


@dataclass(frozen=True)
class MatchedSteps:
    """Steps that stand for one another: by the run's place, the step that it has."""

    step: str
    module: str
    by_run: dict[int, StepFigures]

    @property
    def modules(self) -> set[str]:
        """All modules of the steps; `module` is that of the first."""
        return {step.module for step in self.by_run.values()}

    def other_country(self, at: int) -> str:
        """The country of a run's step, where it is not that of the first; empty where one of them has none."""
        first, own = (self.by_run[run].country for run in (min(self.by_run), at))
        return "" if first is None or own is None or _alike(first) == _alike(own) else value_text(own)


def compare_figures(runs: Sequence[RunFigures], most: int = MOST_ROWS) -> FigureComparison:
    """Put figures side by side that have the same step and key. Raises ConfigurationError for fewer than 2 runs or over 20.

    At most `most` figures are listed, and the rest is counted. Steps of different ids stand beside each other when they have
    the same module, and a run has no other step of it.
    """
    if len(runs) < 2:
        raise ConfigurationError("a comparison takes two runs or more; to look at one, use `ops runs show RUN`")
    if len(runs) > MOST_RUNS:
        raise ConfigurationError(f"a comparison takes at most {MOST_RUNS} runs, not {len(runs)}; name fewer")
    compared = tuple(
        ComparedRun(run.record.run_id, heading, run.record.scenario_id, run.record.status, run.synthetic, run.warnings)
        for run, heading in zip(runs, headings([run.record for run in runs]), strict=True)
    )
    figures = (figure for row in matched_steps(runs) for figure in _figures(row, len(runs)))
    listed = tuple(islice(figures, most))
    return FigureComparison(compared, listed, sum(1 for _ in figures))


def matched_steps(runs: Sequence[RunFigures]) -> list[MatchedSteps]:
    """Steps by id. Rows of the same module become one, where its steps cannot be taken for one another."""
    rows: dict[str, MatchedSteps] = {}
    for at, run in enumerate(runs):
        for step in run.steps:
            rows.setdefault(step.step, MatchedSteps(step.step, step.module, {})).by_run[at] = step
    counts = Counter((at, step.module) for at, run in enumerate(runs) for step in run.steps)
    for alike in _of_one_module(rows.values(), counts):
        places = [at for row in alike for at in row.by_run]
        if len(places) == len({*places}):
            for row in alike[1:]:
                alike[0].by_run.update(rows.pop(row.step).by_run)
    return [*rows.values()]


def _alike(country: Any) -> Any:
    return country.strip().casefold() if isinstance(country, str) else country


def _of_one_module(rows: Iterable[MatchedSteps], counts: Mapping[tuple[int, str], int]) -> list[list[MatchedSteps]]:
    """The rows with no other module, and with a run that has the module only once; by module."""
    found: dict[str, list[MatchedSteps]] = {}
    for row in rows:
        if row.modules == {row.module} and any(counts[at, row.module] == 1 for at in row.by_run):
            found.setdefault(row.module, []).append(row)
    return [*found.values()]


def _figures(row: MatchedSteps, runs: int) -> Iterator[ComparedFigure]:
    by_run = {at: {figure.key: figure for figure in step.figures} for at, step in sorted(row.by_run.items())}
    for key in dict.fromkeys(key for figures in by_run.values() for key in figures):
        cells = [by_run[at].get(key) if at in by_run else None for at in range(runs)]
        given = [cell for cell in cells if cell is not None]
        unit, first = given[0].unit, cells[0]
        direction = _common_direction(given)
        is_one_country = not any(map(row.other_country, row.by_run))
        marks = _marks(given, direction) if is_one_country else {}
        values = (
            _value(cell, first, row, at, unit=unit, mark=marks.get(cell.number)) if cell else ComparedValue()
            for at, cell in enumerate(cells)
        )
        yield ComparedFigure(row.step, key, given[0].label, unit, direction, tuple(values))


def _value(  # noqa: PLR0913  # all that is known of a cell
    figure: FigureValue, first: FigureValue | None, row: MatchedSteps, at: int, *, unit: str, mark: Mark | None
) -> ComparedValue:
    step = row.by_run[at]
    change = relative = None
    other_country = row.other_country(at)
    if first is not None and figure is not first and figure.unit == first.unit and not other_country:
        change, relative = _change(figure.number, first.number)
    return ComparedValue(
        figure.value,
        unit=figure.unit,
        has_other_unit=figure.unit != unit,
        change=change,
        relative=relative,
        other_module="" if step.module == row.module else step.module,
        synthetic=step.synthetic,
        other_country=other_country,
        mark=mark,
    )


def _change(number: float | None, first: float | None) -> tuple[float | None, float | None]:
    return (None, None) if number is None or first is None else changes(number, first)


def _common_direction(figures: Sequence[FigureValue]) -> Direction | None:
    declared = {figure.direction for figure in figures}
    return declared.pop() if len(declared) == 1 else None


def _marks(figures: Sequence[FigureValue], direction: Direction | None) -> dict[float | None, Mark]:
    """Which numbers are the best and the worst; none without a direction, in different units, and when all are equal."""
    numbers = {figure.value for figure in figures if is_number(figure.value)}
    if direction is None or len(numbers) < 2 or len({figure.unit for figure in figures}) > 1:
        return {}
    highest, lowest = max(numbers), min(numbers)
    best, worst = (highest, lowest) if direction == "higher" else (lowest, highest)
    return {best: "best", worst: "worst"}
