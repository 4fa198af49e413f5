"""`ops runs compare`: the headline figures of several runs side by side."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Annotated, Final

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops_contract.command_line import print_json, write
from ops_orchestrator.cli.display import plain
from ops_orchestrator.cli.opened_run import opened_run
from ops_orchestrator.cli.run_ids import complete_run_id
from ops_orchestrator.cli.tables import plain_table
from ops_orchestrator.cli.terminal import on_terminal
from ops_orchestrator.runs.figure_comparison import ComparedFigure, ComparedValue, FigureComparison, compare_figures
from ops_orchestrator.runs.figure_tables import csv_of, markdown_of
from ops_orchestrator.runs.run_figures import RunFigures
from ops_orchestrator.runs.scale import Scale, shortened

_MOST_COLUMNS: Final = 4
"""More runs do not fit beside one another on a terminal of usual width: the next ones stand below, beside the first again."""


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
            Console().print(comparison_view(comparison), crop=False)


def comparison_view(comparison: FigureComparison) -> RenderableType:
    """The runs, and below them their figures by step, each with its change against the first run."""
    runs = [
        (run.run_id, run.status, run.warnings or None, "synthetic" if run.synthetic else None, run.heading)
        for run in comparison.runs
    ]
    parts: list[RenderableType] = [plain_table(("run", "status", "warnings", "data", "scenario"), runs)]
    for _, same_step in groupby(comparison.figures, lambda figure: figure.step):
        figures = list(same_step)
        parts += [Text(""), _title(figures)]
        for number, columns in enumerate(_blocks(len(runs))):
            parts += [*([Text("")] if number else []), _table(comparison, figures, columns)]
    if not comparison.figures:
        parts += [Text(""), plain("No run has key figures: no module has `kpis` in its outputs.")]
    if comparison.more:
        parts.append(plain(f"and {comparison.more:,} more figures", "dim"))
    return Group(*parts)


def _figures_of(name: str) -> RunFigures:
    with opened_run(name) as run:
        return RunFigures.of(run.record(), run.results())


def _blocks(runs: int) -> Iterator[list[int]]:
    """The columns of each table: the first run, and a few of the others."""
    for start in range(1, runs, _MOST_COLUMNS - 1):
        yield [0, *range(start, min(start + _MOST_COLUMNS - 1, runs))]


def _title(figures: Sequence[ComparedFigure]) -> Text:
    mark = [plain("  synthetic", "yellow")] if _all_synthetic(figures) else []
    return Text.assemble(plain(f"Headline figures of {figures[0].step}", "bold"), *mark)


def _all_synthetic(figures: Sequence[ComparedFigure]) -> bool:
    return all(value.synthetic for figure in figures for value in figure.values if value.value is not None)


def _table(comparison: FigureComparison, figures: Sequence[ComparedFigure], columns: Sequence[int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("figure")
    for run in (comparison.runs[at] for at in columns):
        notes = [note for note in run.notes if note != "synthetic"]
        table.add_column(
            Text("\n").join([plain(shortened(run.heading)), *(plain(note, "yellow") for note in notes)]), justify="right"
        )
    marked = not _all_synthetic(figures)
    for figure in figures:
        label = Text.assemble(plain(shortened(figure.label)), "\n", plain(f"  {Scale.of(figure.unit).unit}", "dim"))
        table.add_row(label, *(_value(figure.values[at], marked=marked) for at in columns))
    return table


def _value(value: ComparedValue, *, marked: bool) -> Text:
    """A value, and in the line below it its change; `marked` says that a synthetic one is called so."""
    words = [value.text, *([value.mark] if value.mark else []), *(["synthetic"] if value.synthetic and marked else [])]
    return Text.assemble(plain(" ".join(words), "bold" if value.mark == "best" else ""), "\n", plain(value.change_text, "dim"))
