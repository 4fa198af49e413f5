"""Two texts as a unified diff, bounded in time and size."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import takewhile, zip_longest
from typing import Annotated, Final

from pydantic import Field

from ops_orchestrator.runs.comparison.places import Limits, Shape

_CONTEXT_LINES: Final = 3
# To find what moved takes time quadratic in the lines; of longer parts all lines of the one precede all of the other.
_MOST_COMPARED: Final = 1_000

_Change = tuple[str, int, int, int, int]


class UnifiedDiff(Shape):
    """The lines of a unified diff, without the names of the files."""

    listed: Annotated[tuple[str, ...], Field(description="each begins with @@, a space, - or +")] = ()
    more: Annotated[int, Field(description="lines that are not listed; left out when all are")] = 0


def unified_diff(first: str, second: str, limits: Limits) -> UnifiedDiff:
    """What differs between two texts, line by line."""
    listed, room, more = list[str](), limits.text_bytes, 0
    for line, start in _lines(first.split("\n"), second.split("\n")):
        shortened = _shortened(line, start, limits.characters)
        size = len(shortened.encode(errors="replace")) + 1
        # Once one line is left out, a shorter one that follows would stand in its place.
        if more or len(listed) == limits.lines or size > room:
            more += 1
        else:
            listed.append(shortened)
            room -= size
    return UnifiedDiff(listed=tuple(listed), **({"more": more} if more else {}))


def _shortened(line: str, start: int, longest: int) -> str:
    """Of a long line its beginning, or what is around `start`, where it differs from its counterpart."""
    if len(line) <= longest:
        return line
    skipped = start - longest // 4 if start > longest // 2 else 0
    rest = f"{line[:1]}...{line[skipped:]}" if skipped else line
    return rest if len(rest) <= longest else f"{rest[:longest]}..."


def _lines(first: Sequence[str], second: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The lines, each with the place where it begins to differ from its counterpart."""
    for group in _groups(first, second):
        (_, begin, _, other_begin, _), (_, _, end, _, other_end) = group[0], group[-1]
        yield f"@@ -{_range(begin, end)} +{_range(other_begin, other_end)} @@", 0
        for kind, i1, i2, j1, j2 in group:
            if kind == "equal":
                yield from ((f" {line}", 0) for line in first[i1:i2])
                continue
            dropped, gained = first[i1:i2], second[j1:j2]
            starts = [_common(zip(*pair, strict=False)) + 1 for pair in zip(dropped, gained, strict=False)]
            for sign, lines in (("-", dropped), ("+", gained)):
                yield from ((f"{sign}{line}", start) for line, start in zip_longest(lines, starts[: len(lines)], fillvalue=0))


def _groups(first: Sequence[str], second: Sequence[str]) -> Iterator[list[_Change]]:
    """The changes, with the lines around them, by what is close together."""
    shorter = min(len(first), len(second))
    start = _common(zip(first, second, strict=False))
    end = min(_common(zip(reversed(first), reversed(second), strict=False)), shorter - start)
    skipped = max(start - _CONTEXT_LINES, 0)
    kept = max(end - _CONTEXT_LINES, 0)
    ours, theirs = first[skipped : len(first) - kept], second[skipped : len(second) - kept]
    if max(len(ours), len(theirs)) > _MOST_COMPARED:
        yield [("replace", start, len(first) - end, start, len(second) - end)]
        return
    for group in SequenceMatcher(None, ours, theirs).get_grouped_opcodes(_CONTEXT_LINES):
        yield [(kind, i1 + skipped, i2 + skipped, j1 + skipped, j2 + skipped) for kind, i1, i2, j1, j2 in group]


def _common(pairs: Iterator[tuple[str, str]]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _range(begin: int, end: int) -> str:
    """A range of lines as a unified diff has it; an empty one names the line before it."""
    length = end - begin
    return f"{begin + 1}" if length == 1 else f"{begin + 1 if length else begin},{length}"
