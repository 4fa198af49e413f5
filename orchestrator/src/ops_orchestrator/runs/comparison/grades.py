"""How much alike the results of two steps, or of two runs, are."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from ops_orchestrator.errors import ConfigurationError

Grade = Literal["identical", "equal", "within tolerance", "different", "missing"]
"""From best to worst.

`identical`: the recorded results are the same bytes. `equal`: outputs, evidence (less `observed_at`) and the hashes of the
artifacts are equal. `within tolerance`: nothing but numbers differs, in outputs or JSON artifacts, and each of them by no more
than was allowed. `missing`: the step is not completed, or not there, in at least one of the two runs.
"""

SAME: Final = frozenset[Grade]({"identical", "equal", "within tolerance"})
"""The grades of results that count as the same."""

_POINTER: Final = re.compile(r"(/([^~/]|~[01])*)*")
_ORDER: Final[tuple[Grade, ...]] = get_args(Grade)


def worst(grades: Iterable[Grade]) -> Grade:
    """The worst of `grades`; `identical` when there are none."""
    return max(grades, key=_ORDER.index, default="identical")


@dataclass(frozen=True)
class Tolerance:
    """How far apart two numbers may be: `rel` as a share of the larger one, or `abs`, whichever allows more.

    Raises ConfigurationError unless both are finite and not negative.
    """

    rel: float = 0.0
    abs: float = 0.0

    def __post_init__(self) -> None:
        for number in (self.rel, self.abs):
            if not (math.isfinite(number) and number >= 0):
                raise ConfigurationError(f"a tolerance is a number from 0 on, such as 1e-6, not {number}")

    def accepts(self, first: float, second: float) -> bool:
        """Whether two numbers are that close."""
        try:
            return math.isclose(first, second, rel_tol=self.rel, abs_tol=self.abs)
        except OverflowError:
            # A document may hold integers that no float can.
            return first == second


@dataclass(frozen=True)
class Tolerances:
    """How far apart numbers may be: `general`, and `places` by pointer for what is at or below it.

    A pointer leads into the outputs of a step, or into a JSON artifact; the longest one that fits counts. Raises
    ConfigurationError for what is not a JSON pointer.
    """

    general: Tolerance = Tolerance()
    places: Mapping[str, Tolerance] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for pointer in self.places:
            if not _POINTER.fullmatch(pointer):
                raise ConfigurationError(
                    f"a tolerance is for a JSON pointer, such as /kpis/gdp_growth, not for {pointer[:200]!r}"
                )

    def at(self, pointer: str) -> Tolerance:
        """The tolerance for the number at `pointer`."""
        fitting = (place for place in self.places if pointer == place or pointer.startswith(f"{place}/"))
        longest = max(fitting, key=len, default=None)
        return self.general if longest is None else self.places[longest]


EXACT: Final = Tolerances()
"""Numbers must be equal."""
