from typing import Any

import pytest

from ops_contract import SuccessEnvelope, validate
from ops_orchestrator.modules.adapters.evidence import evidence_of


def piece(title: str, number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"id": f"evidence-{number}", "kind": "source", "title": title, **fields}


@pytest.mark.parametrize("value", [None, [], {}, [None], [[], [None]]], ids=str)
def test_nothing_is_no_evidence(value: Any) -> None:
    assert evidence_of(value) == []


@pytest.mark.parametrize(
    ("value", "pieces"),
    [
        ("World Bank", [piece("World Bank")]),
        ("https://x.test/a", [piece("https://x.test/a", uri="https://x.test/a")]),
        ("", [piece("(empty)")]),
        (7, [piece("7")]),
        (True, [piece("true")]),
        (["a", "b"], [piece("a"), piece("b", 2)]),
        ([["a"], None, "b"], [piece("a"), piece("b", 2)]),
        ([{"title": "A"}, "b"], [piece("A"), piece("b", 2)]),
    ],
    ids=str,
)
def test_entry_of_a_list_is_a_piece_and_a_string_its_title(value: Any, pieces: list[dict[str, Any]]) -> None:
    assert evidence_of(value) == pieces


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"name": "WDI", "url": "https://x.test"}, piece("WDI", uri="https://x.test")),
        ({"label": "WDI", "link": "https://x.test"}, piece("WDI", uri="https://x.test")),
        ({"source": "WDI", "href": "https://x.test"}, piece("WDI", uri="https://x.test")),
        ({"citation": "Doe (2020)"}, piece("Doe (2020)")),
        ({"description": "Survey", "rows": 7}, piece("Survey")),
        ({"url": "https://x.test"}, piece("https://x.test", uri="https://x.test")),
        ({"name": 7}, piece('{"name": 7}')),
        ({"title": None, "name": "WDI"}, piece("WDI")),
    ],
    ids=str,
)
def test_object_with_a_title_or_an_address_is_one_piece(value: dict[str, Any], found: dict[str, Any]) -> None:
    assert evidence_of(value) == [found]


def test_object_in_the_contract_s_form_is_kept() -> None:
    own = {
        "id": "wdi",
        "kind": "dataset",
        "title": "WDI",
        "uri": "https://x.test",
        "supports": ["/gdp"],
        "artifact": "a.csv",
        "synthetic": True,
        "observed_at": "2026-01-01T00:00:00Z",
    }
    assert evidence_of({**own, "rows": 7}) == [own]


@pytest.mark.parametrize("given", [{"id": 7, "kind": 1, "title": 2.5}], ids=str)
def test_words_that_are_numbers_become_text(given: dict[str, Any]) -> None:
    assert evidence_of(given) == [{"id": "7", "kind": "1", "title": "2.5"}]


def test_members_of_any_other_object_are_pieces_under_their_names() -> None:
    value = {"gdp": "World Bank", "cpi": {"source": "IMF"}, "rows": 7, "list": ["a"], "nothing": None, "else": {"a": 1}}
    assert evidence_of(value) == [
        {"id": "gdp", "kind": "source", "title": "World Bank"},
        {"id": "cpi", "kind": "source", "title": "IMF"},
        {"id": "rows", "kind": "source", "title": "rows: 7"},
        {"id": "list", "kind": "source", "title": 'list: ["a"]'},
        {"id": "nothing", "kind": "source", "title": "nothing: null"},
        {"id": "else", "kind": "source", "title": '{"a": 1}'},
    ]


def test_empty_title_gives_way_to_another_name() -> None:
    assert evidence_of({"title": "", "name": "World Bank"}) == [piece("World Bank")]


@pytest.mark.parametrize("given", ["evidence-1", "evidence-2"])
def test_made_up_id_is_none_that_another_piece_has(given: str) -> None:
    first, second = evidence_of([{"id": given, "title": "A"}, {"title": "B"}])
    assert first["id"] != second["id"]


def test_word_that_is_a_boolean_is_written_as_in_json() -> None:
    assert evidence_of({"id": True, "title": "A"})[0]["id"] == "true"


@pytest.mark.parametrize(
    "value",
    [
        "",
        0,
        [[["x"]]],
        {"a": ""},
        {"a": {}},
        {"uri": None},
        {"text": "long"},
        {"name": ""},
        {"synthetic": False},
        {"méxico": 1},
    ],
    ids=str,
)
def test_whatever_a_module_calls_evidence_fits_an_envelope(value: Any) -> None:
    fields = {"status": "success", "module": "legacy", "outputs": {}, "evidence": evidence_of(value)}
    assert validate(SuccessEnvelope, fields, "envelope").evidence
