import json
import unicodedata

from ops_orchestrator.runs.json_text import json_document, json_line

EVERY_CHARACTER = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
BIDIRECTIONAL = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
MARKS = set("\u061c\u200e\u200f\u2028\u2029")


def changes_a_terminal(character: str) -> bool:
    return (
        unicodedata.category(character) == "Cc" or unicodedata.bidirectional(character) in BIDIRECTIONAL or character in MARKS
    )


def test_text_is_kept_and_only_what_changes_a_terminal_is_escaped() -> None:
    line = json_line(EVERY_CHARACTER)
    assert json.loads(line) == EVERY_CHARACTER
    raw = set(line.decode().removesuffix("\n"))
    assert {character for character in EVERY_CHARACTER if character not in raw} == set(
        filter(changes_a_terminal, EVERY_CHARACTER)
    )


def test_document_ends_with_a_newline_and_is_indented() -> None:
    assert json_document({"a\x9b": 1}) == b'{\n  "a\\u009b": 1\n}\n'
