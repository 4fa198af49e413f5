"""Axes: which numbers stand at them, how they are written, and where a value lies between the ends."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from functools import cached_property
from typing import Final

from ops_orchestrator.charts.words import typeset

_STEPS: Final = tuple(Decimal(step) for step in ("1", "2", "2.5", "5", "10", "20", "25", "50"))
_SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# Figures that differ by less are the same: the differences are those of doubles.
_SAME: Final = Decimal("1e-12")
# Numbers of a size outside of these are written as multiples of a power of ten.
_LEAST_PLAIN: Final = -3
_MOST_PLAIN: Final = 6
_MOST_DECIMALS: Final = 12
# Doubles go beyond the exponents at which their differences can be divided; decimals do not.
_ROOMY: Final = Context(prec=34)
# With ends that are so many lengths of the axis away from zero, a double still has nine digits for a place on it.
_MOST_LENGTHS: Final = 1e6


@dataclass(frozen=True)
class Tick:
    """A number at an axis, as it is written."""

    value: float
    label: str


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`. Its labels are multiples of ten to the power of `exponent`."""

    low: Decimal
    high: Decimal
    ticks: tuple[Tick, ...]
    exponent: int = 0

    def share(self, value: float) -> float:
        """How far `value` is from the low end to the high end: 0 to 1 between them."""
        if self._doubles is not None:
            low, length = self._doubles
            return (value - low) / length
        with localcontext(_ROOMY):
            return float((exact(value) - self.low) / (self.high - self.low))

    @cached_property
    def _doubles(self) -> tuple[float, float] | None:
        """The low end and the length, unless values differ so little that doubles cannot tell where they are."""
        low, high = float(self.low), float(self.high)
        length = high - low
        return (low, length) if max(abs(low), abs(high)) < _MOST_LENGTHS * length < math.inf else None

    @property
    def power(self) -> str:
        """What the labels are multiplied by, "" for nothing."""
        return power(self.exponent)


def exact(value: float) -> Decimal:
    """The decimal that a number is written as."""
    return Decimal(repr(value) if isinstance(value, float) else value)


def axis(values: Iterable[float], most: int = 6, *, signed: bool = False) -> Axis:
    """An axis that covers all of the values, with round numbers at both ends and at most so many in all, three or more."""
    with localcontext(_ROOMY):
        low, high = _ends([exact(value) for value in values])
        step = _step(low, high, most)
        first, last = math.floor(low / step), math.ceil(high / step)
        numbers = [step * count for count in range(first, last + 1)]
        exponent = common_exponent(float(number) for number in numbers)
        decimals = _decimals(step.scaleb(-exponent))
        ticks = (Tick(float(number), written(number.scaleb(-exponent), decimals, signed=signed)) for number in numbers)
        return Axis(numbers[0], numbers[-1], tuple(ticks), exponent)


def inner_axis(values: Sequence[float], most: int) -> Axis:
    """An axis that begins and ends with the values themselves, with round numbers between."""
    covering = axis(values, most)
    with localcontext(_ROOMY):
        low, high = _ends([exact(value) for value in values])
        inside = tuple(tick for tick in covering.ticks if low <= exact(tick.value) <= high)
    return Axis(low, high, inside, covering.exponent)


def common_exponent(values: Iterable[float]) -> int:
    """The power of ten of which the numbers are best written as multiples: 0, or a multiple of three."""
    size = max((exact(value).adjusted() for value in values if value), default=0)
    return 0 if _LEAST_PLAIN <= size <= _MOST_PLAIN else size // 3 * 3


def power(exponent: int) -> str:
    """A power of ten as a factor behind a number, "" for that of 0."""
    return f"\N{MULTIPLICATION SIGN} 10{str(exponent).translate(_SUPERSCRIPTS)}" if exponent else ""


def written(value: Decimal | float, decimals: int, *, signed: bool = False) -> str:
    """A number with so many decimals and a real minus, with a plus where signs are wanted. Nothing has no sign."""
    text = f"{value:,.{decimals}f}"
    if not text.strip("-0.,"):
        return text.removeprefix("-")
    return typeset(f"+{text}" if signed and value > 0 else text)


def as_given(values: Sequence[float]) -> list[str]:
    """Numbers as people gave them, all with as many decimals as the one that has most."""
    exacts = [exact(value) for value in values]
    decimals = max((_decimals(value) for value in exacts), default=0)
    plain = all(_LEAST_PLAIN <= value.adjusted() <= _MOST_DECIMALS for value in exacts if value)
    if decimals > _MOST_DECIMALS or not plain:
        return [typeset(f"{value:.6g}") for value in values]
    return [typeset(f"{value:.{decimals}f}") for value in exacts]


def telling_decimals(values: Iterable[float]) -> int:
    """How many decimals tell the numbers apart in a hundredth of the distance between the least and the most."""
    exacts = [exact(value) for value in values]
    span = max(exacts) - min(exacts)
    size = span if span > _SAME * max(map(abs, exacts)) else max(map(abs, exacts))
    return min(max(2 - size.adjusted(), 0), _MOST_DECIMALS) if size else 0


def _ends(values: Sequence[Decimal]) -> tuple[Decimal, Decimal]:
    """The least and the most, or something on both sides of them where they are the same."""
    low, high = min(values), max(values)
    size = max(abs(low), abs(high))
    if high - low > _SAME * size:
        return low, high
    room = size / 20 if size else Decimal(1)
    return low - room, high + room


def _step(low: Decimal, high: Decimal, most: int) -> Decimal:
    """The smallest of 1, 2, 2.5, 5, 10, 20 ... with which the axis has at most so many numbers."""
    magnitude = Decimal(1).scaleb(((high - low) / most).adjusted())
    steps = (step * magnitude for step in _STEPS)
    return next(step for step in steps if math.ceil(high / step) - math.floor(low / step) < most)


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0
