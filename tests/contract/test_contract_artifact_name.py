"""Which names of artifacts can be stored (OPS-ART-005)."""

import pytest

from ops_contract import unstorable_names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.txt", "a.txt"),
        ("a.txt", "A.TXT"),
        ("x/A", "X/a"),
        ("straße", "STRASSE"),
        ("É", "é"),
        ("caf\u00e9", "cafe\u0301"),
    ],
)
def test_unstorable_names_has_the_second_of_two_equal_ignoring_case_and_spelling(one: str, other: str) -> None:
    assert list(unstorable_names(["first", one, other])) == [(2, f"{other!r} and {one!r} cannot stand in one folder")]


@pytest.mark.parametrize(
    ("one", "other"), [("a", "a/b"), ("a/b", "a"), ("A", "a/b"), ("a/b/c", "A/B"), ("a", "a/b/c"), ("a/b/c/d", "a")]
)
def test_unstorable_names_has_a_file_where_another_needs_a_folder(one: str, other: str) -> None:
    assert [index for index, _ in unstorable_names([one, other])] == [1]


@pytest.mark.parametrize(("one", "other"), [("a/b", "a/c"), ("a", "ab/c"), ("a.b", "a/b"), ("a/b", "b/a"), ("a", "b")])
def test_unstorable_names_without_names_that_a_folder_can_hold(one: str, other: str) -> None:
    assert list(unstorable_names([one, other])) == []


@pytest.mark.parametrize("name", ["é" * 128, "a/" + "é" * 128 + "/b", "😀" * 64])
def test_unstorable_names_has_one_with_a_segment_of_more_than_255_bytes(name: str) -> None:
    ((index, message),) = unstorable_names(["first", name])
    assert (index, "cannot be stored: a segment has 256 bytes in UTF-8, a file name at most 255" in message) == (1, True)


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127 + "x", "é" * 127 + "/" + "é" * 127])
def test_unstorable_names_without_one_with_a_segment_of_255_bytes(name: str) -> None:
    assert list(unstorable_names([name])) == []
