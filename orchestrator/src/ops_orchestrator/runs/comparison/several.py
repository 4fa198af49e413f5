"""Several runs against one of them: figures, series over time, and in what each differs from it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from ops_orchestrator.runs.comparison.diff import RunDiff, diff_sides
from ops_orchestrator.runs.comparison.grades import EXACT
from ops_orchestrator.runs.comparison.places import BRIEF, Limits
from ops_orchestrator.runs.comparison.sides import Side
from ops_orchestrator.runs.figure_comparison import ComparedFigure, ComparedRun, FigureComparison, compare_figures
from ops_orchestrator.runs.run_figures import RunFigures
from ops_orchestrator.runs.series_comparison import ComparedSeries, SeriesComparison, compare_series

MOST_FIGURES: Final = 20_000
"""So many figures are in a file of a comparison; the rest is counted."""

MOST_SERIES: Final = 2_000
"""So many series are in a file of a comparison; the rest is counted."""

WITHOUT_TEXTS: Final = replace(BRIEF, lines=0)
"""For who compares texts otherwise."""


class NamedRun(BaseModel):
    """A run of a comparison, and what sentences call it."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, Field(description="A for the oldest run, then B and so on")]
    run: ComparedRun


class RunComparison(BaseModel):
    """Several runs, the reference first: values in the order of `runs`, `diffs` of each but the reference against it."""

    model_config = ConfigDict(frozen=True)

    runs: tuple[NamedRun, ...]
    figures: tuple[ComparedFigure, ...]
    more: Annotated[int, Field(description="key figures that are not listed")]
    series: tuple[ComparedSeries, ...]
    more_series: Annotated[int, Field(description="series over time that are not listed")]
    diffs: tuple[RunDiff, ...]


@dataclass(frozen=True)
class SeveralRuns:
    """Runs that are read, the reference first."""

    sides: Sequence[Side]
    read: Sequence[RunFigures]

    @classmethod
    def of(cls, sides: Sequence[Side]) -> Self:
        """The runs and their figures."""
        return cls(sides, [RunFigures.of(side.record, side.found) for side in sides])

    def figures(self) -> FigureComparison:
        """Their key figures side by side."""
        return compare_figures(self.read, MOST_FIGURES)

    def series(self) -> SeriesComparison:
        """Their series over time side by side."""
        return compare_series(self.read, MOST_SERIES)

    def diffs(self, limits: Limits = BRIEF) -> list[RunDiff]:
        """In what each of the others differs from the reference, in the order of the runs."""
        return [diff_sides(self.sides[0], side, EXACT, limits) for side in self.sides[1:]]

    def whole(self) -> RunComparison:
        """All of it as one document."""
        figures, series = self.figures(), self.series()
        return RunComparison.model_construct(
            runs=tuple(
                NamedRun.model_construct(name=side.name, run=run) for side, run in zip(self.sides, figures.runs, strict=True)
            ),
            figures=figures.figures,
            more=figures.more,
            series=series.series,
            more_series=series.more,
            diffs=tuple(self.diffs()),
        )
