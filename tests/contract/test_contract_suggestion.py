"""What somebody who misspelt a name probably meant."""

import pytest

from ops_contract import nearest, suggestion

KNOWN = ("policy-simulator", "monitor", "OPS-ART-003")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("policy-simulater", "policy-simulator"),
        ("MONITR", "monitor"),
        ("ops-art-03", "OPS-ART-003"),
        ("nothing like it", None),
        ("", None),
    ],
)
def test_nearest_is_the_known_name_that_is_most_like_it(name: str, meant: str | None) -> None:
    assert nearest(name, KNOWN) == meant


def test_nearest_to_a_giant_name_is_looked_for_at_its_beginning_only() -> None:
    assert nearest("monitor" + "x" * 10_000_000, ["monitor" + "x" * 93]) == "monitor" + "x" * 93


def test_suggestion_is_a_question() -> None:
    assert suggestion("monitr", KNOWN) == "did you mean 'monitor'?"


def test_suggestion_without_a_name_that_is_near_is_empty() -> None:
    assert not suggestion("x", KNOWN)
