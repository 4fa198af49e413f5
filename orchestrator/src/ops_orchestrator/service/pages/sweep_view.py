"""What the page of a sweep shows: how far it is, the figure that is chosen, the others small, and the runs that failed."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Final

from ops_orchestrator.planning.sweep import SweepRequest
from ops_orchestrator.runs.reports.html.overview import Input, named_inputs
from ops_orchestrator.runs.sweeps import plots
from ops_orchestrator.runs.sweeps.drawn_figure import DrawnFigure
from ops_orchestrator.runs.sweeps.sides import Side, sides_of
from ops_orchestrator.runs.sweeps.state import Counts, SweepState
from ops_orchestrator.runs.sweeps.table import SweepRow, SweepTable
from ops_orchestrator.service.pages.sweep_choice import Choice, name_of
from ops_orchestrator.service.pages.sweep_figure import ShownFigure, SmallFigure, shown_figure, small_figure

MOST_SEEDS: Final = 50
"""So many seeds can be chosen from a list; of more, one is written."""

_MOST_SMALL: Final = 12
_MOST_LABELS: Final = 10
_MOST_RUNS: Final = 100
_MOST_MESSAGES: Final = 50
_MOST_ALIKE: Final = 3
_MOST_LISTED: Final = 20
_SMALL_NUMBER: Final = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class FewerRuns:
    """The values at which equally many runs are left because others failed, `more` of them without a label here."""

    labels: Sequence[str]
    more: int
    left: int


@dataclass(frozen=True)
class NamedRun:
    """A run of the sweep with the values at which it is, and what it found of the chosen figure."""

    row: SweepRow
    values: Sequence[str]
    figure: str = ""
    change: str = ""


@dataclass(frozen=True)
class Failure:
    """Runs that ended in the same way with the same message: how many, and the first of them."""

    status: str
    message: str
    count: int
    runs: Sequence[NamedRun]

    @property
    def is_group(self) -> bool:
        """Whether they are too many to have a row each."""
        return self.count > _MOST_ALIKE

    @property
    def more(self) -> int:
        """How many are not listed."""
        return self.count - len(self.runs)


@dataclass(frozen=True)
class SweepView:
    """A sweep as far as it is, with what its address chooses. `files` are the names of its tables that can be read."""

    state: SweepState
    request: SweepRequest
    table: SweepTable
    choice: Choice
    files: Sequence[str]

    @cached_property
    def sides(self) -> tuple[Side, ...]:
        """The parameters that change on their own; none when the sweep varies seeds alone."""
        return sides_of(self.table)

    @property
    def headings(self) -> list[str]:
        """The names and units of the parameters, as columns have them."""
        return [side.name_and_unit for side in self.sides] if self.table.parameters else []

    @cached_property
    def held(self) -> tuple[Input, ...]:
        """The inputs that are the same in all runs."""
        return named_inputs(self.request.scenario.inputs, {parameter.pointer for parameter in self.table.parameters})

    @cached_property
    def counts(self) -> Counts:
        """How far it is, by its table: the state of a sweep that goes on is up to a second older."""
        if self.state.is_over:
            return self.state.points
        failed = sum(row.has_failed for row in self.table.rows)
        completed = sum(row.status == "completed" for row in self.table.rows)
        left = self.state.points.total - failed - completed
        running = min(self.state.points.running, left)
        return Counts(total=self.state.points.total, completed=completed, failed=failed, running=running)

    @cached_property
    def synthetic(self) -> tuple[int, int]:
        """Of how many runs figures are made up, and how many have any."""
        found = [row for row in self.table.rows if row.status == "completed"]
        return sum(row.synthetic for row in found), len(found)

    @cached_property
    def fewer(self) -> list[FewerRuns]:
        """Where failed runs leave fewer than elsewhere, by how many are left."""
        if len(self.sides) > 2:
            return []
        everything = Counter(self._places)
        failed = Counter(place for place, row in zip(self._places, self.table.rows, strict=True) if row.has_failed)
        by_left: dict[int, list[int]] = {}
        for place, lost in sorted(failed.items()):
            by_left.setdefault(everything[place] - lost, []).append(place)
        return [
            FewerRuns([self._label(place) for place in places[:_MOST_LABELS]], max(len(places) - _MOST_LABELS, 0), left)
            for left, places in sorted(by_left.items(), reverse=True)
        ]

    @cached_property
    def seeds(self) -> Sequence[int]:
        """The seeds with which each value is run."""
        return self.table.seeds

    @property
    def offers_seeds(self) -> bool:
        """Whether one seed can be looked at: a cell has room for one figure."""
        return len(self.sides) == 2 and len(self.seeds) > 1

    @property
    def figures(self) -> list[tuple[str, str]]:
        """The figures that can be chosen, by what they are called in an address, with labels that tell them apart."""
        columns = self.table.figures
        labels = [column.label for column in columns]
        return [
            (name_of(column), column.label if labels.count(column.label) == 1 else f"{column.label} ({name_of(column)})")
            for column in columns
        ]

    @cached_property
    def chosen(self) -> int | None:
        """The column of the figure that the address names, or else of the first one that can be shown."""
        if (named := self._named) is not None:
            return named
        return next((index for index in range(len(self.table.figures)) if self._has_numbers(index)), None)

    @cached_property
    def shown(self) -> ShownFigure | None:
        """The chosen figure; None where no run has it, or there is no chart for so many parameters."""
        if self.chosen is None or not 1 <= len(self.sides) <= 2:
            return None
        figure = DrawnFigure(self._of_seed, self.chosen, self.choice.reading)
        return shown_figure(figure, self.sides_of_seed, self.choice) if figure.count else None

    @cached_property
    def sides_of_seed(self) -> tuple[Side, ...]:
        """As `sides`, for the runs with the chosen seed."""
        return self.sides if self._of_seed is self.table else sides_of(self._of_seed)

    @cached_property
    def small(self) -> list[SmallFigure]:
        """The first of the other figures, each against the same parameter."""
        if len(self.sides) != 1:
            return []
        figures = (DrawnFigure(self.table, index, self.choice.reading) for index in self._others)
        return [small_figure(figure, self.sides[0], self.choice) for figure in islice(figures, _MOST_SMALL)]

    @property
    def more_figures(self) -> int:
        """How many other figures are not drawn."""
        return len(self._others) - len(self.small) if len(self.sides) == 1 else 0

    @cached_property
    def remarks(self) -> list[str]:
        """What the address asks for and the sweep does not have."""
        said = []
        if self.choice.kpi and self._named is None:
            said.append(f"No run has a figure {self.choice.kpi:.200}, so that another one is shown.")
        elif self.shown is None and self.chosen is not None and self.choice.reading == "change" and len(self.sides) <= 2:
            said.append("No run has a baseline for this figure, so that there is no change; look at its level.")
        if self.choice.seed and self._of_seed is self.table:
            said.append(f"The sweep has no seed {self.choice.seed:.60}, so that the median of all seeds is shown.")
        if self.choice.at and self._at is None:
            said.append(f"The sweep has no place {self.choice.at:.60}; choose one in the table.")
        return said

    @cached_property
    def here(self) -> tuple[str, Sequence[NamedRun], int] | None:
        """The values that the address names, their first runs, and how many more there are."""
        if (at := self._at) is None:
            return None
        rows = [row for place, row in zip(self._places, self.table.rows, strict=True) if place == at]
        label = ", ".join(f"{side.name} {label}" for side, label in zip(self.sides, self._labels(rows[0]), strict=True))
        return label, [self._run(row) for row in rows[:_MOST_RUNS]], max(len(rows) - _MOST_RUNS, 0)

    @cached_property
    def failures(self) -> list[Failure]:
        """The runs that failed, those together that say the same, in the order of the first of each."""
        alike: dict[tuple[str, str], list[SweepRow]] = {}
        for row in self.table.rows:
            if row.has_failed:
                alike.setdefault((row.status, row.message), []).append(row)
        return [
            Failure(status, message, len(rows), [NamedRun(row, self._labels(row)) for row in rows[:_MOST_LISTED]])
            for (status, message), rows in islice(alike.items(), _MOST_MESSAGES)
        ]

    @property
    def more_failures(self) -> int:
        """How many failed runs have a message that is not listed."""
        return sum(row.has_failed for row in self.table.rows) - sum(failure.count for failure in self.failures)

    @cached_property
    def _named(self) -> int | None:
        names = [name_of(column) for column in self.table.figures]
        return names.index(self.choice.kpi) if self.choice.kpi in names else None

    @cached_property
    def _of_seed(self) -> SweepTable:
        """The runs with the seed that the address names, or all."""
        if not self.offers_seeds:
            return self.table
        rows = tuple(row for row in self.table.rows if str(row.seed) == self.choice.seed)
        table = self.table
        return SweepTable(table.sweep_id, table.scenario_id, table.parameters, table.figures, rows) if rows else table

    @property
    def _others(self) -> list[int]:
        return [index for index in range(len(self.table.figures)) if index != self.chosen and self._has_numbers(index)]

    def _has_numbers(self, index: int) -> bool:
        part = "change" if self.choice.reading == "change" else "value"
        cells = (row.figures[index] for row in self.table.rows if row.figures)
        return any(cell is not None and getattr(cell, part) is not None for cell in cells)

    @cached_property
    def _places(self) -> Sequence[int]:
        """For each row, its place along the values, or among the pairs of values."""
        return self.sides[0].places if len(self.sides) == 1 else plots.pairs_of(*plots.across_and_down(self.sides))

    @cached_property
    def _first_rows(self) -> Mapping[int, SweepRow]:
        """The first row at each place."""
        pairs = zip(reversed(self._places), reversed(self.table.rows), strict=True)
        return dict(pairs)

    @cached_property
    def _at(self) -> int | None:
        """The place that the address names, counted from 0."""
        if len(self.sides) > 2 or not _SMALL_NUMBER.fullmatch(self.choice.at):
            return None
        place = int(self.choice.at) - 1
        return place if place in self._first_rows else None

    def _label(self, place: int) -> str:
        """The value, or the pair of values, of a place."""
        labels = self._labels(self._first_rows[place])
        return labels[0] if len(labels) == 1 else f"({', '.join(labels)})"

    def _labels(self, row: SweepRow) -> list[str]:
        return [side.labels[side.places[row.number - 1]] for side in self.sides]

    def _run(self, row: SweepRow) -> NamedRun:
        texts = [self._figure_text(row, is_change=is_change) for is_change in (False, True)]
        return NamedRun(row, self._labels(row), *texts)

    def _figure_text(self, row: SweepRow, *, is_change: bool) -> str:
        if self.chosen is None:
            return ""
        figure = DrawnFigure(self.table, self.chosen, "change" if is_change else "level")
        number = figure.number(row)
        return "" if number is None else figure.text(number)


def title_of(side: Side) -> str:
    """What a parameter takes, for a title: from the first to the last value, or the values themselves where they are few."""
    first, last, unit = side.labels[0], side.labels[-1], f" {side.unit}" if side.unit else ""
    if len(side.labels) == 1:
        return f"{first}{unit}"
    if side.numbers:
        return f"from {first} to {last}{unit}"
    few = ", ".join(label[:60] for label in side.labels[:_MOST_ALIKE])
    return few if len(side.labels) <= _MOST_ALIKE else f"{few} and {len(side.labels) - _MOST_ALIKE} more"


def seeds_of(seeds: Sequence[int]) -> str:
    """The seeds in words: the first to the last where none is left out, else the first few."""
    if list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[0])
    few = ", ".join(map(str, seeds[:_MOST_LABELS]))
    return few if len(seeds) <= _MOST_LABELS else f"{few} …"
