"""Series over time of several runs on the same periods."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final

from ops_orchestrator.runs.figure_comparison import MatchedSteps, matched_steps
from ops_orchestrator.runs.run_figures import RunFigures
from ops_orchestrator.runs.series import Series

MOST_SERIES: Final = 200
"""So many series are compared; the rest is counted."""

# Of series that were matched, the figures are the same and so are the units: two units on one axis would be a lie.
_Name = tuple[str, str]


@dataclass(frozen=True)
class ComparedSeries:
    """A figure over time: by run and period its value, None where the run has none. `synthetic` says that one of them is."""

    step: str
    key: str
    label: str
    unit: str
    periods: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    synthetic: bool


@dataclass(frozen=True)
class SeriesComparison:
    """Series of several runs by step, and how many are left out."""

    series: tuple[ComparedSeries, ...]
    more: int = 0

    def as_json(self) -> list[dict[str, Any]]:
        """The series as JSON, with `values` in the order of the runs."""
        return [asdict(one) for one in self.series]


def compare_series(runs: Sequence[RunFigures], most: int = MOST_SERIES) -> SeriesComparison:
    """Put series side by side that have the same step, key and unit. Steps are matched as those of figures are."""
    found = (series for row in matched_steps(runs) for series in _of_steps(row, len(runs)))
    listed = tuple(islice(found, most))
    return SeriesComparison(listed, sum(1 for _ in found))


def _of_steps(row: MatchedSteps, runs: int) -> Iterator[ComparedSeries]:
    by_run: dict[_Name, dict[int, Series]] = {}
    for at, step in sorted(row.by_run.items()):
        for series in step.series:
            by_run.setdefault((series.key, series.unit), {})[at] = series
    for (key, unit), found in by_run.items():
        periods = _in_order(period for series in found.values() for period in series.values)
        values = ([found[at].values.get(period) if at in found else None for period in periods] for at in range(runs))
        synthetic = any(row.by_run[at].synthetic for at in found)
        label = next(iter(found.values())).label
        yield ComparedSeries(row.step, key, label, unit, periods, tuple(map(tuple, values)), synthetic)


def _in_order(periods: Iterable[str]) -> tuple[str, ...]:
    """Periods that are numbers by their size, others as they come."""
    found = dict.fromkeys(periods)
    numbers = {period: number for period in found if (number := number_of(period)) is not None}
    return tuple(sorted(found, key=numbers.__getitem__)) if len(numbers) == len(found) else tuple(found)


def number_of(period: str) -> float | None:
    """The period as a number where it is one, such as a year."""
    try:
        number = float(period)
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None
