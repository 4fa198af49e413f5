"""What changed in a text, line by line: words are marked in lines that are alike, and equal lines are folded."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice
from typing import Final, Literal

from ops_orchestrator.runs.comparison.line_changes import Change, common_end, common_start, line_changes

MOST_ROWS: Final = 300
"""So many lines of a comparison are listed; the rest is counted."""

_CONTEXT: Final = 2
_LONGEST: Final = 600
_ALIKE: Final = 0.4
# So many lines of a block are listed, so that those that take their place are seen too.
_LONGEST_BLOCK: Final = 40
# A line is looked for among so many that may have replaced it.
_NEAR: Final = 4
# To find which words moved takes time quadratic in the words; of more than these, all between beginning and end is marked.
_MOST_WORDS: Final = 200
_WORD: Final = re.compile(r"\s+|[-+]?\d+(?:[.,]\d+)*|\w+|[^\w\s]")

Kind = Literal["same", "dropped", "gained", "folded"]


@dataclass(frozen=True)
class Part:
    """A part of a line; `is_marked` for what its counterpart does not have."""

    text: str
    is_marked: bool = False


@dataclass(frozen=True)
class Row:
    """A line as it is shown. A folded one stands for `count` equal lines, one without parts for as many that are left out."""

    kind: Kind
    parts: tuple[Part, ...] = ()
    count: int = 1


@dataclass(frozen=True)
class TextChanges:
    """The first lines of what changed, and how many lines are not listed."""

    rows: tuple[Row, ...]
    more: int = 0

    @property
    def is_same(self) -> bool:
        """Whether no line differs."""
        return not any(row.kind in ("dropped", "gained") for row in self.rows)


def text_changes(first: Sequence[str], second: Sequence[str]) -> TextChanges:
    """What turns the lines `first` into `second`. Time and size are bounded, whatever the lines are."""
    changes = line_changes(first, second)
    listed = tuple(islice(_rows(first, second, changes), MOST_ROWS))
    lines = len(first) + sum(j2 - j1 for kind, _, _, j1, j2 in changes if kind != "equal")
    return TextChanges(listed, lines - sum(row.count for row in listed))


def _rows(first: Sequence[str], second: Sequence[str], changes: Sequence[Change]) -> Iterator[Row]:
    for number, (kind, i1, i2, j1, j2) in enumerate(changes):
        if kind == "equal":
            yield from _equal(first[i1:i2], begins=number == 0, ends=number == len(changes) - 1)
        else:
            yield from _replaced(first[i1:i2], second[j1:j2])


def _equal(lines: Sequence[str], *, begins: bool, ends: bool) -> Iterator[Row]:
    """The lines next to a change, and what is between them as one."""
    before, after = 0 if begins else _CONTEXT, 0 if ends else _CONTEXT
    folded = len(lines) - before - after
    if folded < 2:
        yield from map(_same, lines)
        return
    yield from map(_same, lines[:before])
    yield Row("folded", count=folded)
    yield from map(_same, lines[len(lines) - after :])


def _replaced(dropped: Sequence[str], gained: Sequence[str]) -> Iterator[Row]:
    """Lines that are alike one below the other; all others as blocks of dropped and of gained lines."""
    begin = other = 0
    for at, counterpart in _pairs(dropped, gained):
        yield from _blocks(dropped[begin:at], gained[other:counterpart])
        yield from _marked(dropped[at], gained[counterpart])
        begin, other = at + 1, counterpart + 1
    yield from _blocks(dropped[begin:], gained[other:])


def _pairs(dropped: Sequence[str], gained: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The places of lines that are alike, in the order of both."""
    begin = 0
    for at, line in enumerate(dropped):
        ours, near = _bag(line), range(begin, min(begin + _NEAR, len(gained)))
        likeness = {place: _likeness(ours, _bag(gained[place])) for place in near}
        best = max(likeness, key=likeness.__getitem__, default=None)
        if best is not None and likeness[best] >= _ALIKE:
            yield at, best
            begin = best + 1


def _bag(line: str) -> Counter[str]:
    return Counter(word for word in _WORD.findall(line[: _LONGEST * 2]) if not word.isspace())


def _likeness(first: Counter[str], second: Counter[str]) -> float:
    """The share of words that both lines have."""
    return 2 * (first & second).total() / ((first.total() + second.total()) or 1)


def _blocks(dropped: Sequence[str], gained: Sequence[str]) -> Iterator[Row]:
    yield from _block("dropped", dropped)
    yield from _block("gained", gained)


def _block(kind: Kind, lines: Sequence[str]) -> Iterator[Row]:
    yield from (Row(kind, (Part(line[: _LONGEST * 2]),)) for line in lines[:_LONGEST_BLOCK])
    if len(lines) > _LONGEST_BLOCK:
        yield Row(kind, count=len(lines) - _LONGEST_BLOCK)


def _same(line: str) -> Row:
    return Row("same", (Part(line[: _LONGEST * 2]),))


def _marked(dropped: str, gained: str) -> Iterator[Row]:
    """Two lines that are alike, with the words that differ marked."""
    first, second = _WORD.findall(dropped), _WORD.findall(gained)
    start = common_start(first, second)
    end = common_end(first, second, start)
    ours, theirs = first[start : len(first) - end], second[start : len(second) - end]
    kept = Part("".join(first[:start])), Part("".join(first[len(first) - end :]))
    marked = list(_marks(ours, theirs))
    sides: tuple[tuple[Kind, int], ...] = (("dropped", 0), ("gained", 1))
    for kind, place in sides:
        yield Row(kind, tuple(_shortened(_joined([kept[0], *(both[place] for both in marked), kept[1]]))))


def _marks(first: Sequence[str], second: Sequence[str]) -> Iterator[tuple[Part, Part]]:
    if max(len(first), len(second)) > _MOST_WORDS:
        yield Part("".join(first), is_marked=True), Part("".join(second), is_marked=True)
        return
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        is_marked = kind != "equal"
        yield Part("".join(first[i1:i2]), is_marked), Part("".join(second[j1:j2]), is_marked)


def _joined(parts: Sequence[Part]) -> list[Part]:
    """The parts that are not empty; words that are marked one after the other are marked together."""
    joined = list[Part]()
    for part in parts:
        is_between = len(joined) > 1 and part.is_marked and joined[-1].text.isspace() and joined[-2].is_marked
        if is_between:
            space, before = joined.pop(), joined.pop()
            joined.append(Part(before.text + space.text + part.text, is_marked=True))
        elif part.text:
            joined.append(part)
    return joined


def _shortened(parts: Sequence[Part]) -> Iterator[Part]:
    """The parts; of a long line those around its first difference."""
    room = _LONGEST
    for number, part in enumerate(parts):
        text = part.text
        if not part.is_marked and len(text) > _LONGEST // 4:
            half = _LONGEST // 8
            text = f"{'' if number == 0 else text[:half]} … {text[-half:]}"
        if room <= 0:
            yield Part(" …")
            return
        room -= len(text)
        yield Part(text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …", part.is_marked)
