"""The table of a sweep as files: CSV for spreadsheets, and Parquet where pyarrow is installed."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Any, Final

from ops_orchestrator.runs.figure_tables import spreadsheet_cell
from ops_orchestrator.runs.scale import is_number
from ops_orchestrator.runs.sweeps.table import FigureCell, SweepTable

TABLE_CSV: Final = "table.csv"
TABLE_PARQUET: Final = "table.parquet"

_BEFORE: Final = ("point",)
_AFTER: Final = ("status", "run_id", "synthetic", "message")


def header_of(table: SweepTable) -> list[str]:
    """The names of the columns: inputs by pointer, figures as `step/key`, their baseline and change where any run has them."""
    inputs = (parameter.pointer for parameter in table.parameters)
    figures = (
        f"{column.step}/{column.key}{'' if part == 'value' else f' {part}'}"
        for column, parts in zip(table.figures, _parts(table), strict=True)
        for part in parts
    )
    return [*_BEFORE, *inputs, "seed", *figures, *_AFTER]


def rows_of(table: SweepTable) -> Iterator[list[Any]]:
    """The rows under `header_of`, their values as JSON has them."""
    parts = _parts(table)
    for row in table.rows:
        figures = (
            None if cell is None else getattr(cell, part)
            for cell, names in zip(row.figures, parts, strict=True)
            for part in names
        )
        yield [row.number, *row.parameters, row.seed, *figures, row.status, row.run_id, row.synthetic, row.message]


def csv_of(table: SweepTable) -> Iterator[bytes]:
    """The table as CSV in UTF-8 (RFC 4180), line by line; numbers have all of their digits, and no text is a formula."""
    yield _line(header_of(table))
    for row in rows_of(table):
        yield _line(row)


def parquet_of(table: SweepTable) -> bytes | None:
    """The table as Parquet; None where pyarrow is not installed."""
    if find_spec("pyarrow") is None:
        return None
    # It takes a quarter of a second to load, which nothing else should wait for.
    import pyarrow as pa  # noqa: PLC0415  # see above
    from pyarrow import parquet  # noqa: PLC0415  # see above

    columns = zip(header_of(table), zip(*rows_of(table), strict=True), strict=True)
    out = io.BytesIO()
    parquet.write_table(pa.table({name: _of_one_type(values) for name, values in columns}), out)
    return out.getvalue()


def _parts(table: SweepTable) -> list[tuple[str, ...]]:
    """For each figure, what a column is made of: its value and, where any run has it, its baseline and change."""
    columns = zip(*(row.figures for row in table.rows), strict=True)
    return [
        tuple(part for part in ("value", "baseline", "change") if part == "value" or _any_has(cells, part)) for cells in columns
    ]


def _any_has(cells: Iterable[FigureCell | None], part: str) -> bool:
    return any(cell is not None and getattr(cell, part) is not None for cell in cells)


def _line(values: Iterable[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(map(spreadsheet_cell, map(_written, values)))
    return text.getvalue().encode()


def _written(value: Any) -> Any:
    """A number, a text or None as it is, any other value as JSON."""
    return value if value is None or isinstance(value, str) or is_number(value) else json.dumps(value, ensure_ascii=False)


def _of_one_type(values: tuple[Any, ...]) -> list[Any]:
    """The values of a column: all numbers, all truth values, or all texts."""
    given = [value for value in values if value is not None]
    if all(map(is_number, given)):
        as_double = any(isinstance(value, float) for value in given)
        return [value if value is None or not as_double else float(value) for value in values]
    if all(isinstance(value, bool) for value in given):
        return list(values)
    return [value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values]
