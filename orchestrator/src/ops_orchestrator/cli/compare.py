"""`ops runs compare`: the headline figures of several runs side by side."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Annotated, Final

import typer
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ops_contract.command_line import print_json, write
from ops_orchestrator.cli.display import plain
from ops_orchestrator.cli.opened_run import opened_run
from ops_orchestrator.cli.run_ids import complete_run_id
from ops_orchestrator.cli.tables import plain_table
from ops_orchestrator.cli.terminal import on_terminal
from ops_orchestrator.runs.figure_comparison import (
    ComparedFigure,
    ComparedRun,
    ComparedValue,
    FigureComparison,
    compare_figures,
)
from ops_orchestrator.runs.figure_tables import csv_of, markdown_of
from ops_orchestrator.runs.run_figures import RunFigures
from ops_orchestrator.runs.scale import Scale, shortened

_MOST_COLUMNS: Final = 4
"""More runs do not fit beside one another on a terminal of usual width: the next ones stand below, beside the first again."""

# The least characters for the names of figures, for a heading that is longer, and for a value that is.
_LABEL: Final = 16
_BROKEN: Final = 12
_LONGEST_VALUE: Final = 30


class Format(StrEnum):
    """How a comparison is printed."""

    TABLE = "table"
    CSV = "csv"
    MARKDOWN = "markdown"
    JSON = "json"


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|DIR|ZIP...",
            help="Two runs or more as in `ops runs show`, or folders (with a slash in their paths) or zip files of runs.",
            autocompletion=complete_run_id,
        ),
    ],
    format: Annotated[  # noqa: A002  # the option's name
        Format | None, typer.Option(help="Default: a table on a terminal, JSON anywhere else.")
    ] = None,
) -> None:
    """Put the key figures of several runs side by side.

    Changes are those against the first run. The best and the worst value are marked where the modules declare a direction.
    """
    comparison = compare_figures([_figures_of(name) for name in runs])
    match format or (Format.TABLE if on_terminal() else Format.JSON):
        case Format.JSON:
            print_json(comparison.as_json())
        case Format.CSV:
            write(csv_of(comparison).encode(errors="replace"))
        case Format.MARKDOWN:
            write(markdown_of(comparison).encode(errors="replace"))
        case Format.TABLE:
            console = Console()
            console.print(comparison_view(comparison, console.width), crop=False)


def comparison_view(comparison: FigureComparison, width: int) -> RenderableType:
    """The runs, and below them their figures by step, each with its change against the first run, in `width` characters."""
    runs = [
        (run.run_id, run.status, run.warnings or None, "synthetic" if run.synthetic else None, run.heading)
        for run in comparison.runs
    ]
    parts: list[RenderableType] = [plain_table(("run", "status", "warnings", "data", "scenario"), runs)]
    for _, same_step in groupby(comparison.figures, lambda figure: figure.step):
        figures = list(same_step)
        parts += [Text(""), _title(figures), *_side_by_side(comparison, figures, width)]
    if not comparison.figures:
        parts += [Text(""), plain("No run has key figures: no module has `kpis` in its outputs.")]
    if comparison.more:
        parts.append(plain(f"and {comparison.more:,} more figures", "dim"))
    return Group(*parts)


def _figures_of(name: str) -> RunFigures:
    with opened_run(name) as run:
        return RunFigures.of(run.record(), run.results())


def _side_by_side(comparison: FigureComparison, figures: Sequence[ComparedFigure], width: int) -> Iterator[RenderableType]:
    """Tables with the first run and as many others as fit in `width`; a list where not even one does."""
    columns = _columns(comparison, figures)
    for most in range(_MOST_COLUMNS, 1, -1):
        blocks = [[columns[at] for at in block] for block in _blocks(len(columns), most)]
        widths = [_widths(block, width - _LABEL) for block in blocks]
        if all(widths):
            for number, (block, of_columns) in enumerate(zip(blocks, widths, strict=True)):
                yield from [Text("")] if number else []
                yield _table(figures, block, of_columns)
            return
    yield from _list(figures, columns)


def _blocks(runs: int, most: int) -> Iterator[list[int]]:
    """The columns of each table: the first run, and a few of the others."""
    for start in range(1, runs, most - 1):
        yield [0, *range(start, min(start + most - 1, runs))]


def _widths(columns: Sequence[Sequence[Text]], room: int) -> list[int]:
    """How wide each column is, if need be with a broken heading; empty when they do not fit in `room`."""
    values = [max(_width(cell) for cell in column[1:]) for column in columns]
    for heading in (_width, lambda text: min(_width(text), _BROKEN)):
        widths = [max(heading(column[0]), min(value, _LONGEST_VALUE)) for column, value in zip(columns, values, strict=True)]
        if sum(widths) + len(widths) <= room:
            return widths
    return []


def _width(text: Text) -> int:
    return max(map(cell_len, text.plain.split("\n")))


def _title(figures: Sequence[ComparedFigure]) -> Text:
    mark = [plain("  synthetic", "yellow")] if _all_synthetic(figures) else []
    return Text.assemble(plain(f"Headline figures of {figures[0].step}", "bold"), *mark)


def _all_synthetic(figures: Sequence[ComparedFigure]) -> bool:
    return all(value.synthetic for figure in figures for value in figure.values if value.value is not None)


def _columns(comparison: FigureComparison, figures: Sequence[ComparedFigure]) -> list[list[Text]]:
    """By run its heading, and its value of each figure."""
    marked = not _all_synthetic(figures)
    values = [[_value(value, marked=marked) for value in figure.values] for figure in figures]
    return [[_heading(run), *(row[at] for row in values)] for at, run in enumerate(comparison.runs)]


def _heading(run: ComparedRun) -> Text:
    notes = [note for note in run.notes if note != "synthetic"]
    return Text("\n").join([plain(shortened(run.heading)), *(plain(note, "yellow") for note in notes)])


def _table(figures: Sequence[ComparedFigure], columns: Sequence[Sequence[Text]], widths: Sequence[int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("figure")
    headings, *rows = zip(*columns, strict=True)
    for heading, width in zip(headings, widths, strict=True):
        table.add_column(heading, justify="right", width=width)
    for figure, values in zip(figures, rows, strict=True):
        table.add_row(_label(figure), *values)
    return table


def _list(figures: Sequence[ComparedFigure], columns: Sequence[Sequence[Text]]) -> Iterator[RenderableType]:
    """The figures, below each the runs with their values."""
    headings, *rows = zip(*columns, strict=True)
    for figure, values in zip(figures, rows, strict=True):
        yield _label(figure)
        for heading, value in zip(headings, values, strict=True):
            words = [word for text in (heading, value) for word in text.split("\n") if word]
            yield Padding(Text("  ").join(words), (0, 0, 0, 4))


def _label(figure: ComparedFigure) -> Text:
    return Text.assemble(plain(shortened(figure.label)), "\n", plain(f"  {Scale.of(figure.unit).unit}", "dim"))


def _value(value: ComparedValue, *, marked: bool) -> Text:
    """A value, and in the line below it its change; `marked` says that a synthetic one is called so."""
    words = [value.text, *([value.mark] if value.mark else []), *(["synthetic"] if value.synthetic and marked else [])]
    return Text.assemble(plain(" ".join(words), "bold" if value.mark == "best" else ""), "\n", plain(value.change_text, "dim"))
