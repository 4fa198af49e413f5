"""Texts line by line and word by word, without their markup."""

import pytest

from ops_orchestrator.runs.comparison.line_changes import line_changes
from ops_orchestrator.runs.comparison.plain_text import plain_lines
from ops_orchestrator.runs.comparison.text_changes import MOST_ROWS, text_changes


def rows(first: list[str], second: list[str]) -> list[tuple[str, str]]:
    """The kind of each row, and its text with marked words in brackets."""
    return [
        (row.kind, "".join(f"[{part.text}]" if part.is_marked else part.text for part in row.parts) or str(row.count))
        for row in text_changes(first, second).rows
    ]


@pytest.mark.parametrize(
    ("markdown", "lines"),
    [
        ("# Head #\n\nSetext\n====\n---", ["Head", "Setext"]),
        ("> quoted **bold** and _thin_ `code`", ["quoted bold and thin code"]),
        ("- one\n* two\n  1. three", ["• one", "• two", "1. three"]),
        ("|a|**b**|\n|-|:-:|\n| 1 | x\\|y |", ["a · b", "1 · x|y"]),
        ("[text](https://example.org) ![alt](x.png)", ["text alt"]),
        ("5*3 a_b_c 2 * 4 \\*z &amp; -0.5", ["5*3 a_b_c 2 * 4 *z & -0.5"]),
        ("```py\n**x**\n```\nend", ["**x**", "end"]),
    ],
)
def test_markdown_is_read_as_text(markdown: str, lines: list[str]) -> None:
    assert list(plain_lines(markdown)) == lines


def test_words_are_marked_in_lines_that_are_alike_and_others_are_blocks() -> None:
    first = ["Debt is 43.7 % of GDP", "Nothing like it", "at all", "end"]
    second = ["Debt is 41.2 % of GDP", "Something quite different here", "end"]

    assert rows(first, second) == [
        ("dropped", "Debt is [43.7] % of GDP"),
        ("gained", "Debt is [41.2] % of GDP"),
        ("dropped", "Nothing like it"),
        ("dropped", "at all"),
        ("gained", "Something quite different here"),
        ("same", "end"),
    ]


def test_runs_of_equal_lines_are_folded_with_their_number() -> None:
    lines = [f"line {number}" for number in range(30)]
    found = rows(["old", *lines, "old"], ["new", *lines, "new"])

    assert [row for row in found if row[0] == "folded"] == [("folded", "26")]
    assert len(found) == 9


def test_changes_of_long_texts_are_found_between_lines_that_occur_once() -> None:
    first = [f"line {number}" for number in range(10_000)]
    second = [*first[:10], "new", *first[10:5_000], *first[5_001:9_000], "other", *first[9_001:]]

    assert [change for change in line_changes(first, second) if change[0] != "equal"] == [
        ("insert", 10, 10, 10, 11),
        ("delete", 5_000, 5_001, 5_001, 5_001),
        ("replace", 9_000, 9_001, 9_000, 9_001),
    ]


def test_texts_without_a_common_line_are_listed_from_both_sides_and_counted() -> None:
    changes = text_changes([f"a {n}" for n in range(10_000)], [f"b {n}" for n in range(10_000, 20_000)])

    assert {row.kind for row in changes.rows} == {"dropped", "gained"}
    assert len(changes.rows) <= MOST_ROWS
    assert changes.more + sum(row.count for row in changes.rows) == 20_000


def test_long_lines_are_cut_so_that_their_difference_is_seen() -> None:
    first, second = (f"{'same ' * 3_000}{word}{' same' * 3_000}" for word in ("old", "new"))
    dropped, gained = (row.parts for row in text_changes([first], [second]).rows)

    assert [part.text for part in dropped if part.is_marked] == ["old"]
    assert [part.text for part in gained if part.is_marked] == ["new"]
    assert sum(len(part.text) for part in dropped) < 1_000
