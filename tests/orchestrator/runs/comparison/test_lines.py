"""Texts line by line: what a unified diff says, and how long it may become."""

import difflib

import pytest

from ops_orchestrator.runs.comparison.lines import unified_diff
from ops_orchestrator.runs.comparison.places import BRIEF, FULL, Limits

TEXT = [f"line {number}" for number in range(40)]


@pytest.mark.parametrize(
    "other",
    [
        TEXT[:20] + TEXT[21:],
        [*TEXT[:5], "new", *TEXT[5:30], "changed", *TEXT[31:]],
        TEXT[1:],
        [*TEXT, ""],
        ["nothing", "alike"],
    ],
)
def test_a_diff_is_the_one_of_the_standard_library(other: list[str]) -> None:
    expected = [*difflib.unified_diff(TEXT, other, lineterm="")][2:]

    assert list(unified_diff("\n".join(TEXT), "\n".join(other), BRIEF).listed) == expected


def test_a_long_change_is_one_block_of_dropped_and_one_of_gained_lines() -> None:
    first, second = ([f"{side}{number}" for number in range(1500)] for side in "ab")
    found = unified_diff("\n".join(["same", *first]), "\n".join(["same", *second]), FULL)

    assert found.listed[0] == "@@ -2,1500 +2,1500 @@"
    assert found.listed[1:] == (*(f"-{line}" for line in first), *(f"+{line}" for line in second))


@pytest.mark.parametrize("limits", [Limits(lines=10), Limits(text_bytes=60), Limits(characters=3, lines=10)])
def test_lines_that_are_too_many_or_too_long_are_counted_or_cut(limits: Limits) -> None:
    found = unified_diff("\n".join(TEXT), "\n".join(f"other {line}" for line in TEXT), limits)

    assert len(found.listed) + found.more == 81
    assert len(found.listed) <= limits.lines
    assert sum(len(line) + 1 for line in found.listed) <= limits.text_bytes
    assert max(map(len, found.listed)) <= limits.characters + len("...")


def test_texts_without_a_newline_that_are_long_take_little_time() -> None:
    found = unified_diff("a" * 4_000_000, "b" * 4_000_000, BRIEF)

    assert [len(line) for line in found.listed] == [len("@@ -1 +1 @@"), 503, 503]


def test_long_lines_are_cut_so_that_their_difference_is_seen() -> None:
    first, second = (f"{'a' * 3000}{word}{'b' * 3000}\nlast" for word in ("old", "new"))
    dropped, gained = unified_diff(first, second, Limits(characters=100)).listed[1:3]

    assert dropped == f"-...{'a' * 25}old{'b' * 68}..."
    assert gained == f"+...{'a' * 25}new{'b' * 68}..."
