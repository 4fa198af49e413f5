from typing import Any

import pytest

from ops_orchestrator.catalogue import Catalogue
from ops_orchestrator.errors import InvalidRequestError, UnknownModuleError
from ops_orchestrator.planner import plan
from ops_orchestrator.scenario import Scenario


def scenario(*modules: str, **fields: Any) -> Scenario:
    return Scenario(scenario_id="demo", modules=modules, inputs={}, **fields)


def test_plan_has_one_step_per_module_in_the_order_named(catalogue: Catalogue) -> None:
    steps = plan(scenario("gamma", "alpha"), catalogue).steps
    assert [(step.number, step.id, step.module.name, step.action) for step in steps] == [
        (1, "gamma", "gamma", "execute"),
        (2, "alpha", "alpha", "execute"),
    ]


def test_plan_is_shown_as_in_the_seed(catalogue: Catalogue) -> None:
    assert plan(scenario("alpha"), catalogue).as_json() == [{"step": 1, "module": "alpha", "action": "execute"}]


def test_plan_with_unknown_modules_names_each_and_all_that_are_registered(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownModuleError) as caught:
        plan(scenario("alpha", "alhpa", "xxxxx"), catalogue)
    assert "alpha, beta, gamma" in caught.value.detail
    assert [(problem.pointer, problem.message) for problem in caught.value.problems] == [
        ("/modules/1", "'alhpa' is not registered; did you mean 'alpha'?"),
        ("/modules/2", "'xxxxx' is not registered"),
    ]


def test_plan_without_any_registered_module_says_so() -> None:
    with pytest.raises(UnknownModuleError, match="Registered modules: none"):
        plan(scenario("alpha"), Catalogue({}))


def test_plan_that_names_a_module_twice_is_refused_with_its_place(catalogue: Catalogue) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        plan(scenario("alpha", "beta", "alpha"), catalogue)
    assert caught.value.problems[0].pointer == "/modules/2"
