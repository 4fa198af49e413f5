"""A plain scalar means what it means in JSON, or text; what some readers of YAML take for something else is refused."""

from typing import Any

import pytest

from ops_orchestrator.modules.yaml_scalar import AmbiguousScalarError, meaning_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-5", -5),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        ("DR", "DR"),
        ("1.2.3", "1.2.3"),
        ("0xZZ", "0xZZ"),
        ("9007199254740991", 2**53 - 1),
        ("http://a:80", "http://a:80"),
    ],
)
def test_scalar_means_what_it_means_in_json_or_text(text: str, value: Any) -> None:
    assert (meaning_of(text), type(meaning_of(text))) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        "NO",
        "no",
        "Yes",
        "on",
        "OFF",
        "True",
        "FALSE",
        "Null",
        "010",
        "0x1F",
        "0b1",
        "1_000",
        "+1",
        "1:30",
        "1:30.5",
        ".5",
        "5.",
        ".inf",
        "-.INF",
        ".nan",
        "1_0.5",
        "0o10",
        "08",
        "-09",
        "+1e3",
        ".5e3",
        "5.e1",
        "9007199254740992",
        "1e999",
        "1" * 5000,
        "2026-01-09",
        "2026-01-09T12:34:56Z",
    ],
)
def test_scalar_that_some_readers_take_for_something_else_is_refused(text: str) -> None:
    with pytest.raises(AmbiguousScalarError, match="quote it"):
        meaning_of(text)
