"""Rows of text as a table where its columns fit beside one another, and as a list on a narrower terminal."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

# What is copied, and words that nobody can read in pieces.
_UNBROKEN: Final = ("run", "module", "sweep", "status", "state")
# Characters of a column of other text, which is broken.
_NARROWEST: Final = 8


@dataclass(frozen=True)
class FittingTable:
    """Cells by row, one for each of `columns`; the list has the first of each row as its heading."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """See rich."""
        yield from (self._table(),) if self._least_width() <= options.max_width else self._list()

    def _least_width(self) -> int:
        widths = [max(map(cell_len, (name, *(row[at].plain for row in self.rows)))) for at, name in enumerate(self.columns)]
        kept = (
            width if name in _UNBROKEN else min(width, _NARROWEST) for name, width in zip(self.columns, widths, strict=True)
        )
        return sum(kept) + len(widths) - 1

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in self.columns:
            table.add_column(name, overflow="fold", no_wrap=name in _UNBROKEN)
        for row in self.rows:
            table.add_row(*row)
        return table

    def _list(self) -> Iterator[RenderableType]:
        for number, (heading, *cells) in enumerate(self.rows):
            if number:
                yield Text("")
            yield heading
            fields = Table.grid(padding=(0, 2, 0, 0))
            fields.add_column(no_wrap=True, style="dim")
            fields.add_column(overflow="fold")
            for name, cell in zip(self.columns[1:], cells, strict=True):
                if cell:
                    fields.add_row(f"  {name}", cell)
            yield fields
