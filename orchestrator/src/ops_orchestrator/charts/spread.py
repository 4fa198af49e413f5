"""From where to where figures lie, and what is in the middle of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Final

ENOUGH_FOR_QUANTILES: Final = 20
"""With fewer figures than that, 5 and 95 % of them lie beyond the second smallest and the second largest."""


@dataclass(frozen=True)
class Spread:
    """The middle of some figures, and from where to where they lie."""

    low: float
    middle: float
    high: float


def whole_spread(figures: Sequence[float]) -> Spread:
    """The median, and from the least to the most."""
    return Spread(min(figures), median(figures), max(figures))


def inner_spread(figures: Sequence[float]) -> Spread:
    """The median, and from 5 to 95 % of the figures, linear between neighbours. There are two or more."""
    twentieths = quantiles(figures, n=20, method="inclusive")
    return Spread(twentieths[0], median(figures), twentieths[-1])
