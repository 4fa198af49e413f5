"""The headline figures of a step as text for people: value, unit, change and baseline, whatever the module sent."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

MOST_FIGURES: Final = 20
"""A screen shows so many figures of a step and counts the rest."""

_LONGEST_TEXT: Final = 60
_SIGNIFICANT_DIGITS: Final = 4
# Outside of these bounds a number is easier to read with an exponent.
_SMALLEST_PLAIN: Final = 1e-4
_LARGEST_PLAIN: Final = 1e15


@dataclass(frozen=True)
class Figure:
    """One headline figure in words. `change` and `baseline` are empty where the module has nothing to compare with."""

    label: str
    value: str
    change: str
    baseline: str


@dataclass(frozen=True)
class Figures:
    """The first headline figures of a step, and how many more it has."""

    listed: tuple[Figure, ...]
    more: int = 0


def headline_figures(outputs: Mapping[str, Any], most: int = MOST_FIGURES) -> Figures:
    """The figures in `outputs.kpis`, in the module's order, at most `most`; none where it is not an object (OPS-FIG-001)."""
    kpis = _object(outputs, "kpis")
    units, labels, baseline, change = (_object(outputs, name) for name in ("units", "labels", "baseline", "change"))
    listed = []
    for key, value in list(kpis.items())[:most]:
        unit, label = units.get(key), labels.get(key)
        before, difference = baseline.get(key), change.get(key)
        if not _is_number(difference) and _is_number(value) and _is_number(before):
            difference = _difference(value, before)
        scale = _Scale.of(unit if isinstance(unit, str) else "")
        listed.append(
            Figure(
                label=_shortened(label if isinstance(label, str) and label.strip() else key),
                value=scale.value(value),
                change=scale.change(difference) if _is_number(difference) else "",
                baseline=scale.value(before) if _is_number(before) else "",
            )
        )
    return Figures(tuple(listed), len(kpis) - len(listed))


@dataclass(frozen=True)
class _Scale:
    """How numbers of one unit are written: the factor, decimals (None for significant digits), and the words after them."""

    factor: int = 1
    decimals: int | None = None
    change_decimals: int | None = None
    unit: str = ""
    change_unit: str = ""

    @classmethod
    def of(cls, unit: str) -> "_Scale":
        """Units that begin with `share` are fractions of one, and are read as per cent."""
        words = _shortened(unit.replace("_", " ").strip())
        if unit.startswith("share"):
            return cls(100, 2, 2, f"% {words.removeprefix('share').strip()}".rstrip(), "pp")
        if unit.startswith("index"):
            return cls(1, 1, 2, words, "")
        return cls(unit=words, change_unit=words)

    def value(self, value: Any) -> str:
        """A figure with its unit; what is not a number says what it is."""
        if not _is_number(value):
            return _not_a_number(value)
        return f"{_written(value, self.factor, self.decimals)} {self.unit}".rstrip()

    def change(self, change: float) -> str:
        """A change with its sign and unit."""
        written = _written(change, self.factor, self.change_decimals)
        sign = "+" if change > 0 else ""
        return f"{sign}{written} {self.change_unit}".rstrip()


def _object(outputs: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = outputs.get(name)
    return value if isinstance(value, Mapping) else {}


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _difference(value: float, before: float) -> float:
    try:
        return value - before
    except OverflowError:
        return math.nan


def _written(value: float, factor: int, decimals: int | None) -> str:
    """A number with thousands separators; with an exponent where it is very large or very small."""
    try:
        # An integer is kept as one: a float would not have all of its digits.
        number = value * factor if factor != 1 or isinstance(value, float) else value
        return _digits(number, decimals)
    except OverflowError:
        return "less than -1.8e308" if value < 0 else "more than 1.8e308"


def _digits(number: float, decimals: int | None) -> str:
    size = abs(number)
    if not math.isfinite(size):
        return "not a number" if math.isnan(size) else f"{'-' if number < 0 else ''}infinite"
    if size and not _SMALLEST_PLAIN <= size < _LARGEST_PLAIN:
        return f"{number:.{_SIGNIFICANT_DIGITS}g}"
    if isinstance(number, int) and decimals is None:
        return f"{number:,}"
    if decimals is None:
        places = max(_SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(size)), 0) if size else 0
        text = f"{number:,.{places}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{number:,.{decimals}f}"
        if size and not text.strip("-0.,"):
            return f"{number:.1g}"
    return text.removeprefix("-") if not size else text


def _not_a_number(value: Any) -> str:
    match value:
        case None:
            return "no value"
        case bool():
            return "yes" if value else "no"
        case str():
            return _shortened(value)
        case Mapping():
            return "an object"
        case _:
            return "an array"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."
