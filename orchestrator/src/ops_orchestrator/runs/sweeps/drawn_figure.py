"""One figure of a sweep as a chart reads it: numbers in the unit in which they are written, and those of its runs together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from statistics import median
from typing import Literal

from ops_orchestrator.charts.words import typeset
from ops_orchestrator.runs.scale import Scale, scaled
from ops_orchestrator.runs.sweeps.table import FigureCell, SweepRow, SweepTable

Reading = Literal["level", "change"]
"""A figure as it is, or how much it differs from the baseline of its own run, which is free of what a seed does to both."""


@dataclass
class RunsTogether:
    """The runs at one place: those with a figure, in ascending order, their figures and baselines, and those that failed."""

    rows: list[SweepRow] = field(default_factory=list)
    figures: list[float] = field(default_factory=list)
    baselines: list[float] = field(default_factory=list)
    failed_rows: list[SweepRow] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """How many failed."""
        return len(self.failed_rows)

    @property
    def middle(self) -> float | None:
        """The median of the figures; None without any."""
        return median(self.figures) if self.figures else None

    def sort(self) -> None:
        """Bring the figures into ascending order, each with its run."""
        pairs = sorted(zip(self.figures, self.rows, strict=True), key=itemgetter(0))
        self.figures, self.rows = [figure for figure, _ in pairs], [row for _, row in pairs]


@dataclass(frozen=True)
class DrawnFigure:
    """The figure in column `index` of a sweep's table, read in one way."""

    table: SweepTable
    index: int
    reading: Reading = "level"

    @property
    def is_change(self) -> bool:
        """Does the chart show changes?"""
        return self.reading == "change"

    @property
    def label(self) -> str:
        """What people call the figure."""
        return self.table.figures[self.index].label

    @cached_property
    def unit(self) -> str:
        """The unit of the numbers in the chart."""
        sign = self._scale.change_sign if self.is_change else self._scale.sign
        return " ".join(filter(None, (sign, self._scale.unit)))

    @cached_property
    def count(self) -> int:
        """How many runs have a number to draw."""
        return sum(number is not None for number in self._numbers)

    @cached_property
    def is_synthetic(self) -> bool:
        """Does a module call some of the figures made up?"""
        return any(row.synthetic and number is not None for row, number in zip(self.table.rows, self._numbers, strict=True))

    def number(self, row: SweepRow) -> float | None:
        """What is drawn of a row; None where its run has no figure."""
        return self._number(_cell(row, self.index))

    def text(self, number: float) -> str:
        """A number of the chart with its sign."""
        write: Callable[[float], str] = self._scale.change if self.is_change else self._scale.value
        return typeset(write(number / self._scale.factor))

    def together(self, places: Sequence[int], count: int) -> list[RunsTogether]:
        """The runs at each of `count` places, from the place of each row."""
        gathered = [RunsTogether() for _ in range(count)]
        for place, row, number in zip(places, self.table.rows, self._numbers, strict=True):
            runs, cell = gathered[place], _cell(row, self.index)
            if row.has_failed:
                runs.failed_rows.append(row)
            if number is not None:
                runs.figures.append(number)
                runs.rows.append(row)
            if cell and (baseline := scaled(cell.baseline, self._scale.factor)) is not None:
                runs.baselines.append(baseline)
        for runs in gathered:
            runs.sort()
        return gathered

    @cached_property
    def _scale(self) -> Scale:
        cells = [cell for row in self.table.rows if (cell := _cell(row, self.index))]
        levels = (number for cell in cells for number in (cell.value, cell.baseline))
        return Scale.of(self.table.figures[self.index].unit).fitted(levels)

    @cached_property
    def _numbers(self) -> list[float | None]:
        """What is drawn of each row."""
        return [self.number(row) for row in self.table.rows]

    def _number(self, cell: FigureCell | None) -> float | None:
        return scaled(cell.change if self.is_change else cell.value, self._scale.factor) if cell else None


def _cell(row: SweepRow, index: int) -> FigureCell | None:
    return row.figures[index] if index < len(row.figures) else None
