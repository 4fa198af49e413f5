"""JSON that is safe to show on a terminal."""

import json

import pytest

from ops_contract import terminal_safe

CONTROLS = "\x7f\x80\x85\x9b\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069"


@pytest.mark.parametrize("character", CONTROLS, ids=ascii)
def test_control_is_escaped_and_means_the_same(character: str) -> None:
    text = json.dumps({character: f"é{character}é"}, ensure_ascii=False).encode()
    assert terminal_safe(text) == text.replace(character.encode(), b"\\u%04x" % ord(character))
    assert json.loads(terminal_safe(text)) == json.loads(text)


@pytest.mark.parametrize("text", ["plain", "é\xa0ÿ", "؛\u2010\u202f\u2065\u206a 😀"], ids=ascii)
def test_other_text_is_kept(text: str) -> None:
    assert terminal_safe(text.encode()) == text.encode()
