"""Texts in a drawing: what they may hold, and how they are made to fit."""

import pytest

from ops_orchestrator.charts.words import shortened, typeset, visible, width, wrapped


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("VAT\nrate\t", "VAT␊rate␉"),
        ("\x00\x1b[31m\x7f\x9b", "␀␛[31m␡�"),
        ("\u202egnp.exe\u2066", "�gnp.exe�"),
        ("\ud800\ufffe", "��"),
        ("Añasco, الجزائر, 東京 👩‍🌾", "Añasco, الجزائر, 東京 👩‍🌾"),
    ],
)
def test_control_characters_are_symbols_and_other_text_stays(text: str, expected: str) -> None:
    assert visible(text) == expected


def test_number_and_unit_are_typeset() -> None:
    assert typeset("-0.27 pp") == "\N{MINUS SIGN}0.27\N{NARROW NO-BREAK SPACE}pp"


@pytest.mark.parametrize("text", ["Government revenue", "W" * 40, "東京" * 20, "i" * 90])
def test_shortened_text_fits_and_begins_as_it_did(text: str) -> None:
    cut = shortened(text, 100)
    assert width(cut) <= 100
    assert text.startswith(cut.removesuffix("…"))


def test_title_is_wrapped_between_words_and_cut_where_it_is_too_long() -> None:
    lines = wrapped("Government revenue and spending by VAT rate " * 3, 210, 15, 2)
    assert len(lines) == 2
    assert lines[0] == "Government revenue and"
    assert lines[1].endswith("…")
    assert all(width(line, 15) <= 210 for line in lines)


def test_word_that_is_longer_than_a_line_is_cut() -> None:
    (line,) = wrapped("x" * 1000, 200, 15, 2)
    assert line.endswith("x…")
