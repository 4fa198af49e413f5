from typing import Any

import pytest
from scripted_module import demo

from ops_orchestrator.errors import InvalidRequestError, UnknownActionError, UnknownModuleError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.planning.planner import plan


@pytest.fixture
def versatile(catalogue: Catalogue) -> Catalogue:
    """A catalogue whose alpha has two actions, beta one of another name, gamma the usual one."""
    actions = {"alpha": ("score", "rank"), "beta": ("forecast",), "gamma": ("execute",)}
    return Catalogue({name: module.model_copy(update={"actions": actions[name]}) for name, module in catalogue.modules.items()})


def test_plan_has_one_step_per_module_in_the_order_named(catalogue: Catalogue) -> None:
    steps = plan(demo("gamma", "alpha"), catalogue).steps
    assert [(step.number, step.id, step.module.name, step.action) for step in steps] == [
        (1, "gamma", "gamma", "execute"),
        (2, "alpha", "alpha", "execute"),
    ]


def test_plan_is_shown_as_in_the_seed(catalogue: Catalogue) -> None:
    assert plan(demo("alpha"), catalogue).as_json() == [{"step": 1, "module": "alpha", "action": "execute"}]


def test_plan_with_unknown_modules_names_each_and_all_that_are_registered(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownModuleError) as caught:
        plan(demo("alpha", "alhpa", "xxxxx"), catalogue)
    assert "alpha, beta, gamma" in caught.value.detail
    assert [(problem.pointer, problem.message) for problem in caught.value.problems] == [
        ("/modules/1", "'alhpa' is not registered; did you mean 'alpha'?"),
        ("/modules/2", "'xxxxx' is not registered"),
    ]


def test_plan_without_any_registered_module_says_so() -> None:
    with pytest.raises(UnknownModuleError, match="Registered modules: none"):
        plan(demo("alpha"), Catalogue({}))


@pytest.mark.parametrize("again", ["alpha", {"module": "alpha"}, {"module": "beta", "id": "ALPHA"}])
def test_plan_with_two_steps_of_one_id_is_refused_with_its_place_and_a_way_out(
    catalogue: Catalogue, again: str | dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequestError, match=r'write {"module": "(alpha|beta)", "id": "(alpha|ALPHA)-3"}') as caught:
        plan(demo("alpha", "gamma", again), catalogue)
    assert caught.value.problems[0].pointer == "/modules/2"


def test_plan_may_call_a_module_twice_under_different_ids(catalogue: Catalogue) -> None:
    before = {"module": "alpha", "id": "before"}
    after = {"module": "alpha", "id": "after", "inputs": {"vat_rate": 0.2}}
    assert plan(demo(before, after), catalogue).as_json() == [
        {"step": 1, "module": "alpha", "action": "execute", "id": "before"},
        {"step": 2, "module": "alpha", "action": "execute", "id": "after", "inputs": {"vat_rate": 0.2}},
    ]


def test_step_without_an_action_asks_for_execute_or_the_only_one(versatile: Catalogue) -> None:
    assert [step.action for step in plan(demo("beta", "gamma"), versatile).steps] == ["forecast", "execute"]


def test_step_asks_for_the_action_it_names(versatile: Catalogue) -> None:
    assert plan(demo({"module": "alpha", "action": "rank"}), versatile).steps[0].action == "rank"


@pytest.mark.parametrize(
    ("asked", "pointer", "said"),
    [
        ({"module": "alpha", "action": "scroe"}, "/modules/0/action", "no action 'scroe'; did you mean 'score'?; alpha has"),
        ({"module": "gamma", "action": "score"}, "/modules/0/action", "gamma has execute"),
        ("alpha", "/modules/0", "names no action; alpha has score, rank"),
    ],
)
def test_unknown_or_missing_action_is_refused_with_those_there_are(
    versatile: Catalogue, asked: str | dict[str, Any], pointer: str, said: str
) -> None:
    with pytest.raises(UnknownActionError) as caught:
        plan(demo(asked), versatile)
    (problem,) = caught.value.problems
    assert problem.pointer == pointer
    assert said in problem.message
    assert caught.value.status == 422
