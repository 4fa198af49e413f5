"""The places in which two JSON values differ: values, change, and whether a tolerance allows it."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ops_contract import Difference, differences
from ops_orchestrator.runs.comparison.grades import EXACT, Tolerances
from ops_orchestrator.runs.scale import changes, is_number


class Shape(BaseModel):
    """A part of a comparison. What is empty is not set, and left out of its JSON."""

    model_config = ConfigDict(frozen=True)

    def as_json(self) -> dict[str, Any]:
        """The part as JSON."""
        return self.model_dump(mode="json", exclude_unset=True)


@dataclass(frozen=True)
class Limits:
    """How much is listed: `places` in each layer, `characters` of a value, `lines` and `text_bytes` of a text."""

    places: int = 200
    characters: int = 500
    lines: int = 400
    text_bytes: int = 64 * 1024


BRIEF: Final = Limits()
"""What programs get unless they ask for more."""

SCREEN: Final = Limits(places=20, lines=100)
"""What people read on a terminal."""

FULL: Final = Limits(places=100_000, characters=100_000, lines=20_000, text_bytes=4 * 1024 * 1024)
"""As much as can be kept in memory."""


class Place(Shape):
    """A place in which A and B differ. A value that only one of them has is left out for the other."""

    pointer: Annotated[str, Field(description="JSON pointer (RFC 6901)")]
    a: Annotated[Any, Field(description="in A; of a long value, the beginning of its JSON text")] = None
    b: Annotated[Any, Field(description="in B")] = None
    change: Annotated[int | float | None, Field(description="B - A, of numbers")] = None
    relative: Annotated[float | None, Field(description="change / |A|; left out when A is 0")] = None
    within_tolerance: Annotated[bool, Field(description="whether the tolerance allows it; left out when not")] = False


class Places(Shape):
    """In how many places two values differ, and the first of them; those that no tolerance allows come first."""

    count: int = 0
    beyond_tolerance: int = 0
    listed: tuple[Place, ...] = ()

    @property
    def more(self) -> int:
        """How many places are not listed."""
        return self.count - len(self.listed)

    def followed_by(self, others: "Places", limits: Limits) -> "Places":
        """These places and `others` as one list; those that no tolerance allows come first, of each those of this one."""
        if not (self.count and others.count):
            return self if self.count else others
        listed = sorted([*self.listed, *others.listed], key=lambda place: place.within_tolerance)
        return Places(
            count=self.count + others.count,
            beyond_tolerance=self.beyond_tolerance + others.beyond_tolerance,
            listed=tuple(listed[: limits.places]),
        )


NO_PLACES: Final = Places()


def places_of(first: Any, second: Any, tolerances: Tolerances = EXACT, limits: Limits = BRIEF) -> Places:
    """Every place in which two JSON values differ is counted, and as many are listed as `limits` allow; NO_PLACES for none."""
    beyond, within, count, count_within = list[Place](), list[Place](), 0, 0
    for found in differences(first, second):
        count += 1
        is_within = _is_within(found, tolerances)
        count_within += is_within
        listed = within if is_within else beyond
        if len(listed) < limits.places:
            listed.append(_place(found, limits, is_within=is_within))
    if not count:
        return NO_PLACES
    return Places(count=count, beyond_tolerance=count - count_within, listed=tuple([*beyond, *within][: limits.places]))


def _is_within(found: Difference, tolerances: Tolerances) -> bool:
    if not (is_number(found.first) and is_number(found.second)):
        return False
    return tolerances.at(found.pointer).accepts(found.first, found.second)


def _place(found: Difference, limits: Limits, *, is_within: bool) -> Place:
    allowed = {"within_tolerance": True} if is_within else {}
    return Place(**found.as_json("a", "b", longest=limits.characters), **_changes(found), **allowed)


def _changes(found: Difference) -> dict[str, float]:
    if not (is_number(found.first) and is_number(found.second)):
        return {}
    change, relative = changes(found.second, found.first)
    return {name: value for name, value in (("change", change), ("relative", relative)) if value is not None}
