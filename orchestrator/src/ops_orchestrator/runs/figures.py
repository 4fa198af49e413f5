"""The headline figures of a step, as values and as text for people: value, unit, change and baseline (OPS-FIG-001)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal

from ops_orchestrator.runs.scale import Scale, difference, is_number, shortened

MOST_FIGURES: Final = 20
"""A screen shows so many figures of a step and counts the rest."""

Direction = Literal["higher", "lower"]
"""Which of two values of a figure is better."""


@dataclass(frozen=True)
class FigureValue:
    """One headline figure as its module gave it: `value` is any JSON value, most often a number.

    `label` is the key where the module has no label, `unit` empty where it names none. `change` is that against `baseline`.
    """

    key: str
    label: str
    value: Any
    unit: str = ""
    baseline: float | None = None
    change: float | None = None
    direction: Direction | None = None

    @property
    def number(self) -> float | None:
        """The value where it is a number."""
        return self.value if is_number(self.value) else None


@dataclass(frozen=True)
class Figure:
    """One headline figure in words. `change` and `baseline` are empty where the module has nothing to compare with.

    Numbers come with a sign for per cent or percentage points; `unit` has all else that the module says of the unit.
    """

    label: str
    value: str
    change: str
    baseline: str
    unit: str


@dataclass(frozen=True)
class Figures:
    """The first headline figures of a step, and how many more it has."""

    listed: tuple[Figure, ...]
    more: int = 0


def figure_values(outputs: Mapping[str, Any]) -> Iterator[FigureValue]:
    """The figures in `outputs.kpis`, in the module's order; none where it is not an object (OPS-FIG-001).

    What the kit warns about is read all the same, where it can be: figures without a unit, a label or a number.

    A direction is taken from `outputs.directions`, where it is "higher" or "lower": which value is better.
    """
    names = ("units", "labels", "baseline", "change", "directions")
    units, labels, baseline, change, directions = (_object(outputs, name) for name in names)
    for key, value in _object(outputs, "kpis").items():
        unit, label, direction = units.get(key), labels.get(key), directions.get(key)
        before, changed = baseline.get(key), change.get(key)
        if not is_number(changed) and is_number(value) and is_number(before):
            changed = difference(value, before)
        yield FigureValue(
            key,
            label=label if isinstance(label, str) and label.strip() else key,
            value=value,
            unit=unit if isinstance(unit, str) else "",
            baseline=before if is_number(before) else None,
            change=changed if is_number(changed) else None,
            direction=direction if direction in ("higher", "lower") else None,
        )


def headline_figures(outputs: Mapping[str, Any], most: int = MOST_FIGURES) -> Figures:
    """The first of `figure_values`, at most `most`, in words."""
    listed = tuple(_in_words(figure) for figure in islice(figure_values(outputs), most))
    return Figures(listed, len(_object(outputs, "kpis")) - len(listed))


def _in_words(figure: FigureValue) -> Figure:
    scale = Scale.of(figure.unit)
    return Figure(
        label=shortened(figure.label),
        value=scale.value(figure.value),
        change="" if figure.change is None else scale.change(figure.change),
        baseline="" if figure.baseline is None else scale.value(figure.baseline),
        unit=scale.unit,
    )


def _object(outputs: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = outputs.get(name)
    return value if isinstance(value, Mapping) else {}
