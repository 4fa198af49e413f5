"""Key figures of several runs: value, change, relative change, and a bar for each run on one scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from ops_orchestrator.charts.words import typeset
from ops_orchestrator.runs.comparison.sides import Side
from ops_orchestrator.runs.figure_comparison import ComparedFigure, ComparedValue, FigureComparison
from ops_orchestrator.runs.reports.html.figures import Bar, bar_of
from ops_orchestrator.runs.scale import RELATIVE, Scale, is_number

MOST_FIGURES: Final = 200
"""So many figures are on the page; the rest is in its file."""

_NONE: Final = "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """A figure of one run: `raw` is the number for programs; change and relative change are those against the reference."""

    value: str
    raw: float | None
    change: str
    relative: str
    bar: Bar | None
    synthetic: bool


@dataclass(frozen=True)
class FigureRow:
    """A key figure in all runs, the reference first."""

    label: str
    unit: str
    cells: tuple[Cell, ...]

    @property
    def is_same(self) -> bool:
        """Whether every run has the same."""
        return len({(cell.value, cell.raw) for cell in self.cells}) == 1


@dataclass(frozen=True)
class FigureTable:
    """The key figures of one step. `notes` say why some of them have no change."""

    step: str
    rows: tuple[FigureRow, ...]
    notes: tuple[str, ...]

    @property
    def is_synthetic(self) -> bool:
        """Whether a figure of it is made up, or rests on what is."""
        return any(cell.synthetic for row in self.rows for cell in row.cells)

    @property
    def is_same(self) -> bool:
        """Whether no figure differs in any run, and there is nothing to say of one."""
        return not self.notes and all(row.is_same for row in self.rows)


def figure_tables(figures: FigureComparison, sides: Sequence[Side]) -> list[FigureTable]:
    """A table for each step that has figures in any run."""
    listed = figures.figures[:MOST_FIGURES]
    return [_table(step, list(found), sides) for step, found in groupby(listed, key=lambda figure: figure.step)]


def _table(step: str, figures: Sequence[ComparedFigure], sides: Sequence[Side]) -> FigureTable:
    relatives = [abs(value.relative) for figure in figures for value in figure.values if value.relative is not None]
    longest = max(relatives, default=0.0)
    scales = _scales([value for figure in figures for value in figure.values])
    rows = (
        FigureRow(
            figure.label,
            Scale.of(figure.unit).whole_unit,
            tuple(_cell(value, scales[value.unit], longest, is_reference=at == 0) for at, value in enumerate(figure.values)),
        )
        for figure in figures
    )
    return FigureTable(step, tuple(rows), tuple(_notes(figures, sides)))


def _scales(values: Sequence[ComparedValue]) -> Mapping[str, Scale]:
    """For each unit, the scale on which all of its figures have as many decimals."""
    numbers: dict[str, list[float | None]] = {}
    for value in values:
        numbers.setdefault(value.unit, []).append(value.value if is_number(value.value) else None)
    return {unit: Scale.of(unit).fitted(those) for unit, those in numbers.items()}


def _cell(value: ComparedValue, scale: Scale, longest: float, *, is_reference: bool) -> Cell:
    raw = value.value if is_number(value.value) else None
    no_change = "" if is_reference or raw is None else _NONE
    change = no_change if value.change is None else typeset(scale.change(value.change))
    relative = no_change if value.relative is None else typeset(RELATIVE.change(value.relative))
    return Cell(_text(value, scale), raw, change, relative, bar_of(value.relative, longest), value.synthetic)


def _text(value: ComparedValue, scale: Scale) -> str:
    """The value as it is printed, and what is not as in the row's first: its unit, its country, its module."""
    alone = Scale.of(value.unit).value(value.value)
    return f"{typeset(scale.value(value.value))}{value.text.removeprefix(alone)}" if is_number(value.value) else value.text


def _notes(figures: Sequence[ComparedFigure], sides: Sequence[Side]) -> list[str]:
    """What keeps figures of a run from being compared, in a sentence for each run."""
    notes = list[str]()
    for at, side in enumerate(sides):
        values = [figure.values[at] for figure in figures]
        country = next((value.other_country for value in values if value.other_country), "")
        if country:
            notes.append(f"{side.name} is of another country ({country}): its figures stand beside the others without change.")
        elif any(value.has_other_unit for value in values):
            notes.append(f"{side.name} has figures in another unit: they stand beside the others without change.")
        module = next((value.other_module for value in values if value.other_module), "")
        if module:
            notes.append(f"In {side.name} the figures are those of the module {module}.")
    return notes
