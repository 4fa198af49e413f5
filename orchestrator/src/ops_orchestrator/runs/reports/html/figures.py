"""The key figures of a run's steps as rows of a table: value, change, bar, baseline, and what each rests on (OPS-FIG-001)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Self

from ops_contract import Evidence
from ops_orchestrator.charts.words import typeset
from ops_orchestrator.runs.figures import FigureValue, figure_values
from ops_orchestrator.runs.record import StepResults
from ops_orchestrator.runs.reports.html.room import Room
from ops_orchestrator.runs.scale import RELATIVE, Scale, finite
from ops_orchestrator.runs.supports import leaves
from ops_orchestrator.runs.synthetic import calls_figures_made_up

MOST_FIGURES: Final = 200
"""So many figures of a step are listed; the rest is counted."""

MOST_FIGURES_TOGETHER: Final = 400
"""So many figures of all steps are listed."""

_MOST_EVIDENCE: Final = 3
_HALF: Final = 50.0


@dataclass(frozen=True)
class Bar:
    """A bar from the middle of a scale of 0 to 100."""

    x: float
    width: float


@dataclass(frozen=True)
class FigureRow:
    """A key figure in words; `raw` values are numbers for programs. What the module does not say is empty or None."""

    key: str
    label: str
    unit: str
    value: str
    raw: float | None
    change: str
    raw_change: float | None
    relative: str
    bar: Bar | None
    baseline: str
    raw_baseline: float | None
    evidence: tuple[Evidence, ...]
    more_evidence: int
    synthetic: bool


@dataclass(frozen=True)
class FigureTable:
    """The key figures of one step, and how many more it has."""

    step: str
    rows: tuple[FigureRow, ...]
    more: int

    @property
    def has_baseline(self) -> bool:
        """Whether the module compares any of them with something."""
        return any(row.change or row.baseline for row in self.rows)


@dataclass(frozen=True)
class _Measures:
    """What the figures of a table have in common: by unit the scale of its figures, and the longest relative change."""

    scales: Mapping[str, Scale]
    longest: float

    @classmethod
    def of(cls, figures: Sequence[FigureValue]) -> Self:
        """Those of `figures`."""
        numbers: dict[str, list[float | None]] = {}
        for figure in figures:
            numbers.setdefault(figure.unit, []).extend((figure.number, figure.baseline))
        relatives = [abs(relative) for figure in figures if (relative := _relative(figure)) is not None]
        return cls({unit: Scale.of(unit).fitted(those) for unit, those in numbers.items()}, max(relatives, default=0.0))


def figure_table(step: str, answered: StepResults, room: Room, *, inherits: bool) -> FigureTable:
    """The key figures of a step that have `room`; `inherits` says that it may use those of an earlier one that are made up."""
    values = figure_values(answered.outputs)
    listed = list(islice(values, min(MOST_FIGURES, room.left)))
    room.take(len(listed))
    measures = _Measures.of(listed)
    supporting = _supporting(answered)
    rows = (_row(figure, measures, supporting.get(figure.key, ()), inherits=inherits) for figure in listed)
    return FigureTable(step, tuple(rows), sum(1 for _ in values))


def _relative(figure: FigureValue) -> float | None:
    """The change as a share of the baseline's size; None where the baseline is 0, or one of them is not known."""
    change, base = finite(figure.change), finite(figure.baseline)
    return finite(change / abs(base)) if change is not None and base else None


def _supporting(answered: StepResults) -> Mapping[str, tuple[Evidence, ...]]:
    if not isinstance(answered.outputs.get("kpis"), Mapping):
        return {}
    found: dict[str, tuple[Evidence, ...]] = {}
    for leaf in leaves(answered.outputs, answered.evidence, "/kpis"):
        if len(leaf.tokens) > 1 and leaf.is_supported:
            found.setdefault(str(leaf.tokens[1]), leaf.evidence)
    return found


def _row(figure: FigureValue, measures: _Measures, evidence: Sequence[Evidence], *, inherits: bool) -> FigureRow:
    scale, relative = measures.scales[figure.unit], _relative(figure)
    return FigureRow(
        key=figure.key,
        label=figure.label,
        unit=scale.whole_unit,
        value=typeset(scale.value(figure.value)) if figure.number is not None else scale.value(figure.value),
        raw=finite(figure.number),
        change="" if figure.change is None else typeset(scale.change(figure.change)),
        raw_change=finite(figure.change),
        relative="" if figure.change is None else "\N{EN DASH}" if relative is None else typeset(RELATIVE.change(relative)),
        bar=bar_of(relative, measures.longest),
        baseline="" if figure.baseline is None else typeset(scale.value(figure.baseline)),
        raw_baseline=finite(figure.baseline),
        evidence=tuple(evidence[:_MOST_EVIDENCE]),
        more_evidence=max(len(evidence) - _MOST_EVIDENCE, 0),
        synthetic=inherits or calls_figures_made_up(evidence),
    )


def bar_of(relative: float | None, longest: float) -> Bar | None:
    """The bar of a relative change on the scale on which the longest one fills its half; None where there is none."""
    if relative is None:
        return None
    width = _HALF * abs(relative) / longest if longest else 0.0
    return Bar(round(_HALF - width if relative < 0 else _HALF, 2), round(width, 2))
