from typing import Any

import pytest
from legacy_exchange import legacy_exchange

from ops_contract import SuccessEnvelope, validate
from ops_orchestrator.errors import StepError
from ops_orchestrator.modules.adapters.declaration import Action
from ops_orchestrator.modules.adapters.envelope import map_answer
from ops_orchestrator.modules.adapters.evaluation import Evaluation

STUDIES = [
    {"ref": "S-1", "heading": "Labour survey", "web": "https://x.test/1", "rows": 7},
    {"ref": "S-2", "heading": "Tax records", "publisher": {"name": "DGII"}},
]


def pieces_of(body: Any, evidence: Any = "response.body") -> list[dict[str, Any]]:
    """The evidence of a module that answers `body`, as far as it is given."""
    action = validate(Action, {"path": "/score", "outputs": '{"gdp": 1}', "evidence": evidence}, "action")
    answer = map_answer(action, None, Evaluation("legacy", "score", {"inputs": {}}), legacy_exchange(body))
    return [item.model_dump(mode="json", exclude_unset=True) for item in answer.envelope.evidence]


def failure_of(body: Any, evidence: Any) -> str:
    with pytest.raises(StepError) as caught:
        pieces_of(body, evidence)
    return caught.value.failure.message


def piece(title: str, number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"id": f"evidence-{number}", "kind": "source", "title": title, **fields}


@pytest.mark.parametrize(
    "value", [None, "", [], {}, [None], [[], [None]], [{}, ""], {"a": None, "b": "", "c": [], "d": {}}], ids=str
)
def test_null_and_empty_is_no_evidence(value: Any) -> None:
    assert pieces_of(value) == []


@pytest.mark.parametrize(
    ("value", "pieces"),
    [
        ("World Bank", [piece("World Bank")]),
        ("https://x.test/a", [piece("https://x.test/a", uri="https://x.test/a")]),
        (7, [piece("7")]),
        (["a", "b"], [piece("a"), piece("b", 2)]),
        ([["a"], None, "b"], [piece("a"), piece("b", 2)]),
        ([{"title": "A"}, "b"], [piece("A"), piece("b", 2)]),
    ],
    ids=str,
)
def test_entry_of_a_list_is_a_piece_and_a_string_its_title(value: Any, pieces: list[dict[str, Any]]) -> None:
    assert pieces_of(value) == pieces


def test_objects_in_a_list_are_one_piece_each_whatever_their_fields_are_called() -> None:
    assert pieces_of(STUDIES) == [
        piece("ref: S-1, heading: Labour survey, web: https://x.test/1, rows: 7", details=STUDIES[0]),
        piece("ref: S-2, heading: Tax records", 2, details=STUDIES[1]),
    ]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"name": "WDI", "url": "https://x.test"}, piece("WDI", uri="https://x.test")),
        ({"label": "WDI", "link": "https://x.test"}, piece("WDI", uri="https://x.test")),
        ({"citation": "Doe (2020)"}, piece("Doe (2020)")),
        ({"description": "Survey", "rows": 7}, piece("Survey", details={"rows": 7})),
        ({"url": "https://x.test"}, piece("https://x.test", uri="https://x.test")),
        ({"title": "", "name": "WDI"}, piece("WDI")),
        (
            {"title": {"en": "WDI"}, "supports": "gdp"},
            piece("supports: gdp", details={"title": {"en": "WDI"}, "supports": "gdp"}),
        ),
    ],
    ids=str,
)
def test_object_with_a_title_or_an_address_is_one_piece(value: dict[str, Any], found: dict[str, Any]) -> None:
    assert pieces_of(value) == [found]


def test_object_in_the_contract_s_form_is_kept_and_what_else_it_has_are_details() -> None:
    own = {
        "id": "wdi",
        "kind": "dataset",
        "title": "WDI",
        "uri": "https://x.test",
        "supports": ["/gdp"],
        "synthetic": True,
        "observed_at": "2026-01-01T00:00:00Z",
    }
    assert pieces_of({**own, "rows": 7}) == [{**own, "details": {"rows": 7}}]
    assert pieces_of({**own, "rows": 7, "details": {"unit": "%"}}) == [{**own, "details": {"rows": 7, "unit": "%"}}]
    assert pieces_of({**own, "details": ["a"]}) == [{**own, "details": ["a"]}]


def test_words_that_are_numbers_become_text() -> None:
    assert pieces_of({"id": 7, "kind": True, "title": 2.5}) == [{"id": "7", "kind": "true", "title": "2.5"}]


def test_members_of_any_other_object_are_pieces_under_their_names() -> None:
    value = {"gdp": "World Bank", "cpi": {"source": "IMF"}, "rows": 7, "list": ["a"], "nothing": None, "else": {"a": 1}}
    assert pieces_of(value) == [
        {"id": "gdp", "kind": "source", "title": "World Bank"},
        {"id": "cpi", "kind": "source", "title": "IMF"},
        {"id": "rows", "kind": "source", "title": "rows: 7"},
        {"id": "list", "kind": "source", "title": 'list: ["a"]'},
        {"id": "else", "kind": "source", "title": "else", "details": {"a": 1}},
    ]


def test_made_up_ids_are_none_that_another_piece_has() -> None:
    listed = pieces_of([{"title": "A"}, {"id": "evidence-1", "title": "B"}, {"title": "C"}])
    assert [each["id"] for each in listed] == ["evidence-2", "evidence-1", "evidence-3"]
    members = pieces_of({"a": {"id": "b", "title": "A"}, "b": "B", "b-2": "C"})
    assert len({each["id"] for each in members}) == 3


def test_fields_are_mapped_as_declared_and_the_rest_are_details() -> None:
    declared = {
        "each": "response.body.studies",
        "id": "item.ref",
        "title": "item.heading",
        "kind": '"study"',
        "uri": "item.web",
    }
    assert pieces_of({"studies": [*STUDIES, None]}, declared) == [
        {"id": "S-1", "kind": "study", "title": "Labour survey", "uri": "https://x.test/1", "details": {"rows": 7}},
        {"id": "S-2", "kind": "study", "title": "DGII", "details": {"publisher": {"name": "DGII"}}} | {"title": "Tax records"},
    ]


def test_declared_fields_may_come_from_anywhere_in_the_answer() -> None:
    declared = {
        "each": "response.body.codes",
        "title": '"Series " & item',
        "supports": '"/gdp"',
        "synthetic": True,
        "details": "{ 'unit': response.body.unit }",
    }
    assert pieces_of({"codes": [7, "x"], "unit": "%"}, declared) == [
        piece("Series 7", supports=["/gdp"], synthetic=True, details={"unit": "%"}),
        piece("Series x", 2, supports=["/gdp"], synthetic=True, details={"unit": "%"}),
    ]


def test_each_never_splits_an_object_by_its_members() -> None:
    assert pieces_of({"a": 1, "b": 2}, {"each": "response.body"}) == [piece("a: 1, b: 2", details={"a": 1, "b": 2})]


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        ({"each": "response.body", "title": "item.publisher"}, "evidence.title of its action 'score': cannot be used"),
        ({"each": "response.body", "title": "item.publisher"}, ": item.publisher"),
        ({"each": "response.body", "id": '"one"'}, "evidence.id of its action 'score': yields two pieces with the id 'one'"),
        ({"each": "response.body", "supports": '"/none"'}, "evidence is made from response.body"),
        ("response.body.{ 'id': 'one' }", "yields two pieces with the id 'one': response.body.{ 'id': 'one' }"),
        ("response.body.{ 'title': 'A', 'artifact': 'no.csv' }", "evidence is made from response.body.{ 'title': 'A'"),
        ("[{ 'n': 9007199254740993 }]", "evidence of its action 'score': yields a number that cannot be kept exactly"),
    ],
)
def test_evidence_that_cannot_be_used_names_its_expression(evidence: Any, said: str) -> None:
    assert said in failure_of(STUDIES, evidence)


@pytest.mark.parametrize(
    "value",
    [0, [[["x"]]], {"a": {"b": {}}}, {"uri": None}, {"text": "long"}, {"name": ""}, {"synthetic": False}, {"méxico": 1}],
    ids=str,
)
def test_whatever_a_module_calls_evidence_fits_an_envelope(value: Any) -> None:
    fields = {"status": "success", "module": "legacy", "outputs": {"gdp": 1}, "evidence": pieces_of(value)}
    assert len(validate(SuccessEnvelope, fields, "envelope").evidence) <= 1
