"""Tables of figures: as plain rows, as pandas data frames where pandas is installed, and as a notebook shows them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from ops_orchestrator.runs.figure_comparison import ComparedValue, FigureComparison
from ops_orchestrator.runs.figure_tables import csv_of, markdown_of
from ops_orchestrator.runs.figures import Direction
from ops_orchestrator.runs.scale import Scale

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RunFigure:
    """A headline figure of a run, with the fields of a FigureValue; `synthetic` if it is made up, or rests on what is."""

    step: str
    key: str
    label: str
    value: Any
    unit: str
    baseline: float | None
    change: float | None
    direction: Direction | None
    synthetic: bool


@dataclass(frozen=True)
class FigureTable:
    """The headline figures of a run, in the order of its steps."""

    figures: tuple[RunFigure, ...]

    def __iter__(self) -> Iterator[RunFigure]:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)

    def __getitem__(self, key: str) -> RunFigure:
        """The figure with this key; where several steps have one, `STEP/KEY` says which. Raises KeyError."""
        found = [figure for figure in self.figures if key in (figure.key, f"{figure.step}/{figure.key}")]
        if len(found) != 1:
            names = ", ".join(f"{figure.step}/{figure.key}" for figure in (found or self.figures))
            raise KeyError(f"{'several figures are' if found else 'no figure is'} named {key!r}; there are {names}")
        return found[0]

    def to_pandas(self) -> "pd.DataFrame":
        """One row a figure: step, key, label, value, unit, baseline, change, direction, synthetic.

        Raises ImportError without pandas.
        """
        return data_frame([vars(figure) for figure in self.figures], list(RunFigure.__dataclass_fields__))

    def _repr_html_(self) -> str:
        rows = []
        for figure in self.figures:
            scale = Scale.of(figure.unit)
            change = "" if figure.change is None else scale.change(figure.change)
            made_up = "synthetic" if figure.synthetic else ""
            rows.append((figure.step, figure.label, scale.value(figure.value), change, scale.unit, made_up))
        return html_table(("step", "figure", "value", "change", "unit", "data"), rows)


@dataclass(frozen=True)
class Comparison:
    """The headline figures of several runs side by side; `content` has the runs and, by figure, the value of each."""

    content: FigureComparison

    def rows(self) -> list[dict[str, Any]]:
        """One row for each figure of each run, with its change against the first run."""
        return [
            {
                **{name: getattr(figure, name) for name in ("step", "key", "label", "direction")},
                "run": run.heading,
                "run_id": run.run_id,
                "status": run.status,
                **vars(value),
            }
            for figure in self.content.figures
            for run, value in zip(self.content.runs, figure.values, strict=True)
        ]

    def to_pandas(self) -> "pd.DataFrame":
        """The rows; `pivot(index=["step", "key"], columns="run", values="value")` puts the runs side by side.

        Raises ImportError without pandas.
        """
        first = ["step", "key", "label", "direction", "run", "run_id", "status"]
        return data_frame(self.rows(), [*first, *ComparedValue.__dataclass_fields__])

    def to_csv(self) -> str:
        """As `ops runs compare --format csv` prints it."""
        return csv_of(self.content)

    def to_markdown(self) -> str:
        """As `ops runs compare --format markdown` prints it."""
        return markdown_of(self.content)

    def as_json(self) -> dict[str, Any]:
        """As `ops runs compare --format json` prints it."""
        return self.content.as_json()

    def _repr_html_(self) -> str:
        heads = ("step", "figure", "unit", *(", ".join((run.heading, *run.notes)) for run in self.content.runs))
        rows = [
            (figure.step, figure.label, Scale.of(figure.unit).unit, *map(_in_words, figure.values))
            for figure in self.content.figures
        ]
        return html_table(heads, rows)


def data_frame(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> "pd.DataFrame":
    """The rows as a data frame. Raises ImportError without pandas."""
    try:
        import pandas as pd  # noqa: PLC0415  # optional, and slow to import
    except ImportError as error:
        message = "pandas is not installed; install it (`pip install pandas`), or use the rows, which are plain Python"
        raise ImportError(message, name="pandas") from error
    return pd.DataFrame(rows, columns=list(columns))


def html_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for a notebook; text of modules is escaped."""

    def line(cells: Sequence[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"

    return f"<table><thead>{line(heads, 'th')}</thead><tbody>{''.join(line(row, 'td') for row in rows)}</tbody></table>"


def _in_words(value: ComparedValue) -> str:
    changed = f" ({value.change_text})" if value.change_text else ""
    return f"{value.text}{changed}{f' {value.mark}' if value.mark else ''}"
