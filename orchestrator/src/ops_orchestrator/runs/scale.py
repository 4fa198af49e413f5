"""How numbers of one unit are written for people: per cent, percentage points, thousands separators, significant digits."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from typing import Any, Final, Self

from ops_contract import is_number as is_number  # noqa: PLC0414 - whoever writes numbers takes it from here
from ops_orchestrator.charts.scale import exact

_LONGEST_TEXT: Final = 60
_SIGNIFICANT_DIGITS: Final = 4
# Beside much larger numbers, the decimals of small ones would be digits without end.
_MOST_FITTED_DIGITS: Final = _SIGNIFICANT_DIGITS + 2
# Outside of these bounds a number is easier to read with an exponent.
_SMALLEST_PLAIN: Final = 1e-4
_LARGEST_PLAIN: Final = 1e15
# Sums and differences of numbers that are drawn, as for a median, stay within the range of a double.
_LARGEST_DRAWN: Final = 1e300
_PRECISE: Final = Context(prec=50)


@dataclass(frozen=True)
class Scale:
    """How numbers of one unit are written: the factor, decimals (None for significant digits), signs and words after them.

    `unit` has all that a number and its sign do not say of the unit.
    """

    factor: int = 1
    decimals: int | None = None
    change_decimals: int | None = None
    sign: str = ""
    change_sign: str = ""
    unit: str = ""

    @classmethod
    def of(cls, unit: str) -> Self:
        """Units that begin with `share` are fractions of one, and are read as per cent."""
        words = shortened(unit.replace("_", " ").strip())
        if unit.startswith("share"):
            return cls(100, 2, 2, "%", "pp", words.removeprefix("share").strip())
        if unit.startswith("index"):
            return cls(1, 1, 2, unit=words)
        return cls(unit=words)

    def fitted(self, numbers: Iterable[float | None]) -> Self:
        """This scale for a column of `numbers`: each, and their changes, with as many decimals as four significant digits need.

        A unit that has its decimals keeps them, and numbers of very different sizes keep their own digits.
        """
        if self.decimals is not None:
            return self
        written = [_digits(number, None).lstrip("-") for number in map(finite, numbers) if number is not None]
        parts = [text.partition(".") for text in written if "e" not in text]
        decimals = max((len(fraction) for _, _, fraction in parts), default=0)
        whole = max((len(digits.replace(",", "")) for digits, _, _ in parts), default=0)
        if not decimals or whole + decimals > _MOST_FITTED_DIGITS:
            return self
        return replace(self, decimals=decimals, change_decimals=decimals)

    @property
    def whole_unit(self) -> str:
        """The unit as it stands beside a column of numbers, also with the sign that each of them has."""
        return f"{self.sign} {self.unit}".strip()

    def value(self, value: Any) -> str:
        """A figure; what is not a number says what it is."""
        if not is_number(value):
            return _not_a_number(value)
        return f"{_written(value, self.factor, self.decimals)} {self.sign}".rstrip()

    def change(self, change: float) -> str:
        """A change, with a plus when it is one."""
        written = _written(change, self.factor, self.change_decimals)
        plus = "+" if change > 0 else ""
        return f"{plus}{written} {self.change_sign}".rstrip()


RELATIVE: Final = Scale(factor=100, change_decimals=1, change_sign="%")
"""How a change is written as a share of what it is a change of."""


def scaled(value: Any, factor: int = 1) -> float | None:
    """A number times a factor, as the product is written in decimals: 0.14 times 100 is 14. None for all that no axis holds."""
    if not is_number(value):
        return None
    product = value if factor == 1 and isinstance(value, float) else float(exact(value) * factor)
    return product if abs(product) <= _LARGEST_DRAWN else None


def difference(value: float, before: float) -> float:
    """`value` less `before`, exact in the decimals in which they are written; infinite beyond a double's range."""
    if isinstance(value, int) and isinstance(before, int):
        return value - before
    try:
        # With doubles, 0.3 less 0.1 is 0.19999999999999998.
        return float(_PRECISE.subtract(Decimal(str(value)), Decimal(str(before))))
    except (ArithmeticError, ValueError):
        return math.nan


def changes(value: float, before: float) -> tuple[float | None, float | None]:
    """The change from `before` to `value`, and the same as a share of the size of `before`; None for what is not finite."""
    change = difference(value, before)
    try:
        return finite(change), finite(change / abs(before)) if before else None
    except OverflowError:  # an integer beyond a double's range
        return None, None


def finite(number: float | None) -> float | None:
    """The number, when it is one that a double can hold."""
    try:
        return number if number is not None and math.isfinite(number) else None
    except OverflowError:
        return None


def shortened(text: str, most: int = _LONGEST_TEXT) -> str:
    """A text of a module, cut where it is too long for a table."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def value_text(value: Any, most: int = _LONGEST_TEXT) -> str:
    """A JSON value as text: a text as it is, anything else as JSON, cut where it is too long for a table."""
    return shortened(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), most)


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
            return shortened(value)
        case Mapping():
            return "an object"
        case _:
            return "an array"
