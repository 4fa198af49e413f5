import json
import unicodedata
from itertools import chain
from typing import Any

import pytest
from pydantic_core import to_json
from run_records import record

from ops_contract import Evidence
from ops_orchestrator.runs.events import ExchangeRecord, Fingerprints
from ops_orchestrator.runs.json_text import json_document, json_line, json_text
from ops_orchestrator.runs.record import ArtifactRecord, Results, StepRecord, StepResults
from ops_orchestrator.runs.run_file import FileRef

EVERY_CHARACTER = "".join(map(chr, chain(range(0xD800), range(0xE000, 0x110000))))
BIDIRECTIONAL = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
MARKS = set("\u061c\u200e\u200f\u2028\u2029")
STEP = StepRecord(
    step=1,
    id="alpha",
    module="alpha",
    action="execute",
    contract_versions=("1.0",),
    exchange=ExchangeRecord("POST", "http://a", 200, "a", "b"),
    error={"code": "X", "message": "broke"},
)
RESULT: dict[str, Any] = {
    "module": "alpha",
    "outputs": {"kpis": {"growth": 0.02}, "table": [[1, None]]},
    "artifacts": (ArtifactRecord(name="a.txt", media_type="text/plain", size_bytes=1, sha256="a" * 64),),
    "evidence": (Evidence(id="e1", kind="dataset", title="Census"),),
    "warnings": ("careful",),
}


def nested(depth: int) -> object:
    value: object = "deep"
    for _ in range(depth):
        value = [value]
    return value


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


@pytest.mark.parametrize(
    "value",
    [
        record(1).model_copy(update={"steps": (STEP,), "fingerprints": Fingerprints("a", None)}),
        Results.of(record(1), {"alpha": StepResults(**RESULT)}),
        {"count": 10**40, "empty": [{}, []]},
    ],
    ids=["record", "results", "integers"],
)
def test_document_is_what_its_model_writes(value: object) -> None:
    assert json_document(value) == to_json(value, indent=2) + b"\n"


def test_document_ends_with_a_newline_and_is_indented() -> None:
    assert json_document({"a\x9b": 1}) == b'{\n  "a\\u009b": 1\n}\n'


@pytest.mark.parametrize(
    "value",
    [
        [0.1 + 0.2, 1e16, 1e22, 5e-324, -0.0, 1.7976931348623157e308, 1e-5, 123456789012345680.0],
        [True, None, 0, -(2**63), 2**64 - 1, 2**64, 10**40],
        {"text": EVERY_CHARACTER, "key \u2028": {}, "empty": [(), [], ""]},
        {"file": FileRef("a", "b", 3), "exchange": ExchangeRecord("POST", "http://a", 200, "a", "b")},
        nested(210),
    ],
    ids=["floats", "integers", "texts", "records", "deep"],
)
def test_line_has_the_bytes_of_the_documents(value: object) -> None:
    assert json_line(value) == json_text(value) + b"\n"
