"""A comparison of figures as CSV for spreadsheets and as Markdown."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from ops_orchestrator.excerpt import one_line
from ops_orchestrator.runs.figure_comparison import ComparedFigure, ComparedValue, FigureComparison
from ops_orchestrator.runs.scale import Scale, is_number, shortened
from ops_orchestrator.runs.series_comparison import ComparedSeries

_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>|#~&])")
# A spreadsheet takes text that begins so for a formula, which could read other cells or files.
_FULLWIDTH: Final = "\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
_FORMULA: Final = tuple(f"=+-@{_FULLWIDTH}")


def csv_of(comparison: FigureComparison) -> str:
    """One line a figure: what it is, then per run its value, its change, its relative change, and a note.

    Numbers have all of their digits. The note says what a reader must know: the status of a run that did not complete,
    `synthetic`, another unit, country or module, `best` or `worst`. Text that a spreadsheet would take for a formula has an
    apostrophe in front.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    first, *others = comparison.runs
    names = ["step", "figure", "label", "unit", "better", f"{first.heading} [{first.run_id}]", f"{first.heading}: note"]
    for run in others:
        names += [
            f"{run.heading} [{run.run_id}]",
            *(f"{run.heading}: {name}" for name in ("change", "relative change", "note")),
        ]
    writer.writerow(map(spreadsheet_cell, names))
    for figure in comparison.figures:
        cells: list[Any] = [figure.step, figure.key, figure.label, figure.unit, figure.direction]
        for at, (run, value) in enumerate(zip(comparison.runs, figure.values, strict=True)):
            ended = "" if run.status == "completed" else run.status
            changes = [value.change, value.relative] if at else []
            cells += [_plain_value(value.value), *changes, "; ".join(filter(None, (ended, *_notes(value))))]
        writer.writerow(map(spreadsheet_cell, cells))
    return out.getvalue()


def series_csv_of(comparison: FigureComparison, series: Iterable[ComparedSeries]) -> str:
    """One line a figure and period: what it is, then its value in each run. Text is as harmless as in `csv_of`."""
    out = io.StringIO()
    writer = csv.writer(out)
    names = ["step", "figure", "label", "unit", "period", *(f"{run.heading} [{run.run_id}]" for run in comparison.runs)]
    writer.writerow(map(spreadsheet_cell, names))
    for one in series:
        for period, *values in zip(one.periods, *one.values, strict=True):
            writer.writerow(map(spreadsheet_cell, [one.step, one.key, one.label, one.unit, period, *values]))
    return out.getvalue()


def markdown_of(comparison: FigureComparison) -> str:
    """A table of the runs and below it one of their figures, each with its change against the first run."""
    runs = [
        (run.heading, f"`{run.run_id}`", run.status, run.warnings or "", "synthetic" if run.synthetic else "")
        for run in comparison.runs
    ]
    escaped = [(_escaped(heading), run_id, *map(_escaped, rest)) for heading, run_id, *rest in runs]
    parts = [_table(("Run", "Id", "Status", "Warnings", "Data"), escaped, "lllrl")]
    heads = ("Step", "Figure", "Unit", *(_heading(run.heading, run.notes) for run in comparison.runs))
    rows = (
        (_escaped(figure.step), _escaped(figure.label), _escaped(Scale.of(figure.unit).unit), *_values(figure))
        for figure in comparison.figures
    )
    parts.append(_table(heads, rows, "lll" + "r" * len(comparison.runs)) if comparison.figures else "No run has key figures.\n")
    if comparison.more:
        parts.append(f"{comparison.more:,} more figures are left out.\n")
    return "\n".join(parts)


def _notes(value: ComparedValue) -> Iterator[str]:
    if value.value is None:
        yield "no value"
    if value.has_other_unit:
        yield f"other unit: {value.unit or 'none'}"
    if value.other_country:
        yield f"other country: {value.other_country}"
    if value.other_module:
        yield f"other module: {value.other_module}"
    if value.synthetic:
        yield "synthetic"
    if value.mark:
        yield value.mark


def _plain_value(value: Any) -> Any:
    return value if is_number(value) or value is None else Scale().value(value)


def spreadsheet_cell(value: Any) -> Any:
    """A number as it is; text on one line, so that neither a spreadsheet nor a terminal acts on it."""
    if value is None or is_number(value):
        return "" if value is None else value
    text = "".join(character if character.isprintable() else " " for character in str(value))
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def _heading(heading: str, notes: Sequence[str]) -> str:
    return _escaped(f"{heading} ({', '.join(notes)})" if notes else heading)


def _values(figure: ComparedFigure) -> Iterator[str]:
    for value in figure.values:
        written = _escaped(f"{value.text} ({value.change_text})" if value.change_text else value.text)
        yield f"{written} **{value.mark}**" if value.mark else written


def _escaped(value: object) -> str:
    return _MARKDOWN.sub(r"\\\1", shortened(one_line(str(value))))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], columns: str) -> str:
    rules = ["---:" if column == "r" else "---" for column in columns]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (heads, rules, *rows))
