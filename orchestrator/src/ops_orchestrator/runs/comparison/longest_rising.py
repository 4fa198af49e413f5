"""The longest selection of numbers, in their order, that rises: what stayed in its place when things were moved."""

from bisect import bisect_left
from collections.abc import Sequence


def longest_rising(numbers: Sequence[int]) -> frozenset[int]:
    """The longest selection of different `numbers`, in their order, that rises."""
    # The least number in which a rising selection of each length ends, and what comes before a number in its selection.
    ends, before = list[int](), dict[int, int | None]()
    for number in numbers:
        length = bisect_left(ends, number)
        before[number] = ends[length - 1] if length else None
        ends[length : length + 1] = [number]
    selected, last = set[int](), ends[-1] if ends else None
    while last is not None:
        selected.add(last)
        last = before[last]
    return frozenset(selected)
