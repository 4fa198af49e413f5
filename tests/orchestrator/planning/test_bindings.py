"""Needs of adapted modules, met by earlier steps of a plan."""

from pathlib import Path
from typing import Any

import pytest
from scripted_module import demo

from ops_orchestrator.errors import ConfigurationError, InvalidRequestError
from ops_orchestrator.modules.catalogue import Catalogue, load_catalogue
from ops_orchestrator.planning.planner import plan

MODULES = """
modules:
  agent:
    url: http://agent.test
    adapter: { actions: { assess: { path: /assess }, rank: { path: /rank } } }
  report:
    url: http://report.test
    adapter:
      actions:
        write:
          path: /write
          needs: { assessment: agent/assess, table: agent }
          body: needs.assessment.outputs
"""
REPORT = {"module": "report"}


@pytest.fixture
def agents(tmp_path: Path) -> Catalogue:
    return catalogue_of(tmp_path, MODULES)


def catalogue_of(folder: Path, text: str) -> Catalogue:
    (folder / "modules.yaml").write_text(text)
    return load_catalogue(folder / "modules.yaml", {})


def agent(step: str, action: str = "assess") -> dict[str, str]:
    return {"module": "agent", "id": step, "action": action}


def test_need_is_met_by_the_latest_earlier_step_that_fits(agents: Catalogue) -> None:
    steps = plan(demo(agent("a1"), agent("a2"), agent("r1", "rank"), REPORT, agent("a3")), agents).as_json()
    assert steps[3] == {"step": 4, "module": "report", "action": "write", "with": {"assessment": "a2", "table": "r1"}}
    assert all("with" not in step for step in (*steps[:3], steps[4]))


def test_two_steps_of_one_plan_can_take_different_assessments(agents: Catalogue) -> None:
    first = {**REPORT, "id": "first", "with": {"assessment": "a1"}}
    scenario = demo(agent("a1"), agent("a2"), first, REPORT)
    steps = plan(scenario, agents).steps
    assert [step.needs.get("assessment") for step in steps[2:]] == ["a1", "a2"]
    assert scenario.as_json()["modules"][2] == first


@pytest.mark.parametrize(
    ("bound", "pointer", "words"),
    [
        ({"assessment": "a9"}, "/modules/3/with/assessment", "there is no step 'a9'; what fits: a1, a2"),
        ({"assessment": "a3"}, "/modules/3/with/assessment", "the step 'a3' comes after it; what fits: a1, a2"),
        ({"assessment": "report"}, "/modules/3/with/assessment", "the step 'report' is this step itself; what fits: a1, a2"),
        ({"assessment": "r1"}, "/modules/3/with/assessment", "'r1' is agent/rank, not agent/assess; what fits: a1, a2"),
        ({"assesment": "a1"}, "/modules/3/with/assesment", "has no need 'assesment'; did you mean 'assessment'?"),
        ({"x": "a1"}, "/modules/3/with/x", "it needs assessment (agent/assess), table (agent)"),
    ],
    ids=str,
)
def test_binding_that_cannot_be_is_refused_with_its_place_and_what_fits(
    agents: Catalogue, bound: dict[str, str], pointer: str, words: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        plan(demo(agent("a1"), agent("a2"), agent("r1", "rank"), {**REPORT, "with": bound}, agent("a3")), agents)
    (problem,) = caught.value.problems
    assert (problem.pointer, words in problem.message) == (pointer, True), problem.message


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ((REPORT,), "needs 'assessment', a step of agent/assess before it; no step fits"),
        ((REPORT, agent("a1")), "needs 'assessment', a step of agent/assess before it; a1 would fit, but comes after it"),
    ],
    ids=str,
)
def test_need_that_no_earlier_step_meets_is_refused(agents: Catalogue, steps: tuple[Any, ...], words: str) -> None:
    with pytest.raises(InvalidRequestError, match="latest that fits") as caught:
        plan(demo(*steps), agents)
    assert caught.value.problems[0].pointer == "/modules/0"
    assert words in caught.value.problems[0].message


def test_module_of_the_contract_takes_no_bindings(catalogue: Catalogue) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        plan(demo("alpha", {"module": "beta", "with": {"a": "alpha"}}), catalogue)
    assert "action 'execute' of beta has no need 'a'; it declares none" in caught.value.problems[0].message


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "needs.assessment.outputs",
            "needs.assesment.outputs",
            ":10: write uses needs.assesment, which it does not declare; did",
        ),
        ("agent/assess,", "agent/assess/x,", ":12: assessment must name a module, or a module and its action"),
        ("needs: { assessment: agent/assess, table: agent }", "retries: 1", "needs: { assessment: MODULE/ACTION }"),
    ],
    ids=str,
)
def test_declared_need_that_cannot_be_is_refused_with_file_and_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        catalogue_of(tmp_path, MODULES.replace(old, new))
    assert words in str(caught.value)
