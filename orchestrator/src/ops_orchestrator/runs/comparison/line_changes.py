"""In which lines two texts differ, found in time that is bounded for any text."""

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Final

from ops_orchestrator.runs.comparison.longest_rising import longest_rising

# To find what moved takes time quadratic in the lines. Longer parts are divided at lines that both have once, and where there
# are none, all lines of the one precede all of the other.
_MOST_COMPARED: Final = 500

Change = tuple[str, int, int, int, int]
"""As in difflib: `equal`, `replace`, `delete` or `insert`, with a range of the first text and one of the second."""


def line_changes(first: Sequence[str], second: Sequence[str]) -> list[Change]:
    """What turns the lines `first` into `second`, from the beginning to the end; no two neighbours are of the same kind."""
    return list(_merged(_changes(first, second)))


def common_start(first: Sequence[str], second: Sequence[str]) -> int:
    """How many items both begin with."""
    shorter = min(len(first), len(second))
    return next((at for at in range(shorter) if first[at] != second[at]), shorter)


def common_end(first: Sequence[str], second: Sequence[str], start: int) -> int:
    """How many items both end with, of those from `start` on."""
    shorter = min(len(first), len(second)) - start
    return next((at for at in range(shorter) if first[-1 - at] != second[-1 - at]), shorter)


def _changes(first: Sequence[str], second: Sequence[str]) -> Iterator[Change]:
    start = common_start(first, second)
    end = common_end(first, second, start)
    last, other_last = len(first) - end, len(second) - end
    yield "equal", 0, start, 0, start
    ours, theirs = first[start:last], second[start:other_last]
    if max(len(ours), len(theirs)) <= _MOST_COMPARED:
        yield from _moved(SequenceMatcher(None, ours, theirs).get_opcodes(), start, start)
    else:
        yield from _between_anchors(ours, theirs, start)
    yield "equal", last, len(first), other_last, len(second)


def _between_anchors(first: Sequence[str], second: Sequence[str], start: int) -> Iterator[Change]:
    """The changes of long texts, part by part between lines that both have once and in the same order."""
    anchors = _anchors(first, second)
    if not anchors:
        yield "replace", start, start + len(first), start, start + len(second)
        return
    for (i1, j1), (i2, j2) in pairwise([(0, 0), *anchors, (len(first), len(second))]):
        yield from _moved(_changes(first[i1:i2], second[j1:j2]), start + i1, start + j1)


def _anchors(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]]:
    counts, others = Counter(first), Counter(second)
    there = {line: at for at, line in enumerate(second) if others[line] == 1}
    once = [(at, there[line]) for at, line in enumerate(first) if counts[line] == 1 and line in there]
    in_order = longest_rising([at for _, at in once])
    return [places for places in once if places[1] in in_order]


def _moved(changes: Sequence[Change] | Iterator[Change], by: int, other_by: int) -> Iterator[Change]:
    for kind, i1, i2, j1, j2 in changes:
        yield kind, i1 + by, i2 + by, j1 + other_by, j2 + other_by


def _merged(changes: Iterator[Change]) -> Iterator[Change]:
    """The changes without empty ones, neighbours of the same kind as one, and all others as replacements."""
    i1 = i2 = j1 = j2 = 0
    kind = ""
    for found, start, end, other_start, other_end in changes:
        if start == end and other_start == other_end:
            continue
        if (found == "equal") != (kind == "equal") or not kind:
            if kind:
                yield _named(kind, i1, i2, j1, j2)
            kind, i1, j1 = "equal" if found == "equal" else "replace", start, other_start
        i2, j2 = end, other_end
    if kind:
        yield _named(kind, i1, i2, j1, j2)


def _named(kind: str, i1: int, i2: int, j1: int, j2: int) -> Change:
    if kind == "equal":
        return kind, i1, i2, j1, j2
    return "insert" if i1 == i2 else "delete" if j1 == j2 else "replace", i1, i2, j1, j2
