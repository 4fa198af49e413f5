"""Where two JSON values differ."""

from typing import Any

import pytest

from ops_contract import ABSENT, Difference, differences


@pytest.mark.parametrize(
    ("first", "second"),
    [({"a": 1, "b": 0.1}, {"b": 0.1, "a": 1.0}), ([], []), (None, None), ({"a": [{}]}, {"a": [{}]})],
    ids=str,
)
def test_differences_of_equal_values_are_none(first: Any, second: Any) -> None:
    """RFC 8785: neither the order of keys nor the writing of a number makes another value."""
    assert list(differences(first, second)) == []


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (1, True, Difference("", 1, True)),
        (False, 0, Difference("", False, 0)),
        ({"a": None}, {}, Difference("/a", None, ABSENT)),
        ([1], [1, 2], Difference("/1", ABSENT, 2)),
        ({"a": {}}, {"a": []}, Difference("/a", {}, [])),
        ({"a/b": {"~": "x"}}, {"a/b": {"~": "y"}}, Difference("/a~1b/~0", "x", "y")),
        ({"a": {"b": 1}}, {}, Difference("/a", {"b": 1}, ABSENT)),
    ],
)
def test_differences_are_told_at_the_place_where_they_begin(first: Any, second: Any, expected: Difference) -> None:
    assert list(differences(first, second)) == [expected]


def test_differences_come_in_the_order_of_their_keys() -> None:
    found = differences({"b": 1, "a": {"d": 1, "c": 1}, "e": [1, 2]}, {})
    assert [difference.pointer for difference in found] == ["/a", "/b", "/e"]


def test_difference_reads_as_both_values_after_their_names() -> None:
    assert Difference("/a", 0.18, ABSENT).phrase("recorded", "sent") == "recorded 0.18, sent nothing"
    assert Difference("/a", None, "é").phrase("recorded", "sent") == 'recorded null, sent "é"'


def test_difference_of_long_values_reads_as_their_beginnings() -> None:
    shortened = f'"{"x" * 76}...'
    assert Difference("/a", "x" * 79, "x" * 78).phrase("was", "is") == f'was {shortened}, is "{"x" * 78}"'
    assert Difference("/a", "x" * 79, 1).as_json("was", "is", longest=80) == {"pointer": "/a", "was": shortened, "is": 1}


def test_difference_for_programs_leaves_out_what_is_not_there() -> None:
    assert Difference("/a", ABSENT, None).as_json("recorded", "now") == {"pointer": "/a", "now": None}


@pytest.mark.parametrize(
    ("difference", "change"),
    [
        (Difference("/kpis/gdp", 1.2, 1.3), "/outputs/kpis/gdp: 1.2 became 1.3"),
        (Difference("/kpis/gdp", ABSENT, "é"), '/outputs/kpis/gdp: "é" is new'),
        (Difference("/kpis/gdp", None, ABSENT), "/outputs/kpis/gdp: null is gone"),
        (Difference("", [], "x" * 99), f'/outputs: [] became "{"x" * 36}...'),
    ],
)
def test_difference_reads_as_what_became_of_the_place(difference: Difference, change: str) -> None:
    assert difference.change("/outputs") == change
