"""The anti-corruption stub: entities that do not exist, and scores that add up."""

import json
from collections.abc import Callable

import pytest

from ops_contract import ExecuteRequest
from ops_stubs.dr_anticorruption import RiskBody, execute, risk

MakeRequest = Callable[..., ExecuteRequest]

INVENTED = ("Fictitious", "Sample", "Imaginary", "Placeholder", "Make-Believe", "Ejemplo", "Invented", "Mock")


def test_execute_names_only_entities_that_are_obviously_invented(ask: MakeRequest) -> None:
    names = [entity["name"] for entity in execute(ask()).outputs["entities"]]
    assert len(names) == 8
    assert all(any(word in name for word in INVENTED) for name in names)


def test_execute_adds_contributions_to_scores(ask: MakeRequest) -> None:
    outputs = execute(ask()).outputs
    assert sum(outputs["weights"].values()) == pytest.approx(1)
    for entity in outputs["entities"]:
        assert sum(factor["contribution"] for factor in entity["factors"]) == pytest.approx(entity["score"])
        assert 0 <= entity["score"] <= 100


def test_execute_puts_the_highest_score_first(ask: MakeRequest) -> None:
    scores = [entity["score"] for entity in execute(ask()).outputs["entities"]]
    assert scores == sorted(scores, reverse=True)


def test_execute_weighs_the_overall_score_by_spending(ask: MakeRequest) -> None:
    outputs = execute(ask()).outputs
    spent = sum(entity["spending_musd"] for entity in outputs["entities"])
    weighed = sum(entity["score"] * entity["spending_musd"] for entity in outputs["entities"])
    assert outputs["overall"] == pytest.approx(weighed / spent, abs=0.01)


def test_execute_hands_the_entities_over_as_a_file(ask: MakeRequest) -> None:
    result = execute(ask())
    assert json.loads(result.artifacts[0].content) == result.outputs["entities"]


def test_execute_for_another_country_warns(ask: MakeRequest) -> None:
    assert execute(ask()).warnings == ()
    (warning,) = execute(ask(inputs={"country": "CO"})).warnings
    assert "Colombia" in warning


def test_execute_with_another_seed_scores_otherwise(ask: MakeRequest) -> None:
    one, two = (execute(ask(options={"seed": seed})).outputs["overall"] for seed in (1, 2))
    assert one != two


def test_risk_answers_the_top_without_an_envelope() -> None:
    found = risk(RiskBody(top=3))
    assert (found["ok"], found["error"], len(found["data"])) == (True, None, 3)
    assert 0 <= found["data"][0]["risk"] <= 1


def test_risk_of_one_institution_answers_it_alone() -> None:
    (row,) = risk(RiskBody(institution="ENT-002"))["data"]
    assert row["inst"] == "Sample Hospital of Villa Inventada"


def test_risk_of_an_unknown_institution_hides_its_failure_in_a_success() -> None:
    assert risk(RiskBody(institution="ENT-999")) == {"ok": False, "error": "institution ENT-999 not found", "data": None}
