"""The fixtures as a test of a module team uses them, on a stack of processes."""

import json
from collections.abc import Callable

import pytest
from local_service import ROOT

from ops_harness import HarnessError, Run, Stack, Stub, assert_reproducible, assert_same_result

pytestmark = pytest.mark.slow

EXAMPLE = ROOT / "examples/plan_and_execute.request.json"
RunScenario = Callable[..., Run]
StageStub = Callable[..., Stub]


@pytest.fixture(scope="module")
def run(ops_stack: Stack) -> Run:
    return ops_stack.run(EXAMPLE)


def test_run_has_what_its_steps_found_and_delivered(run: Run) -> None:
    assert run.status == "completed"
    assert isinstance(run.outputs["policy-simulator"]["kpis"]["gdp_growth"], float)
    assert run.artifact("plot.png").read_bytes().startswith(b"\x89PNG")
    assert [step.step for step in run.evidence.steps] == ["policy-simulator", "strategy-agent"]
    assert (run.folder / "manifest-sha256.txt").is_file()


def test_scenario_may_be_an_object_with_another_seed(ops_run: RunScenario, run: Run) -> None:
    scenario = json.loads(EXAMPLE.read_bytes())
    assert_same_result(run, ops_run(scenario))
    other = ops_run(scenario, seed=7)
    assert other.record["request"]["run_options"]["seed"] == 7


def test_difference_is_told_with_its_cause_and_both_values(ops_run: RunScenario, run: Run) -> None:
    scenario = json.loads(EXAMPLE.read_bytes())
    scenario["inputs"]["policy_parameters"]["vat_rate"] = 0.21
    with pytest.raises(AssertionError) as caught:
        assert_same_result(run, ops_run(scenario))
    told = str(caught.value)
    assert "input policy_parameters.vat_rate" in told
    assert "0.21" in told


def test_run_is_reproducible(ops_stack: Stack, run: Run) -> None:
    again = assert_reproducible(ops_stack, run)
    assert again.record["reproduces"] == run.id


def test_stub_fails_as_it_is_staged_and_tells_what_it_was_asked(ops_run: RunScenario, ops_stub: StageStub) -> None:
    simulator = ops_stub("policy-simulator", faults=["status:code=503,retry_after=0,first=1"])
    run = ops_run(EXAMPLE)
    assert run.record["steps"][0]["attempts"] == 2
    assert [body["step_id"] for body in simulator.executed] == ["policy-simulator"] * 2


def test_stub_gives_the_answer_of_the_test_and_is_asked_what_came(ops_run: RunScenario, ops_stub: StageStub) -> None:
    simulator = ops_stub("policy-simulator")
    simulator.answer({"kpis": {"gdp_growth": 0.5}}, inputs={"/country": "DR"}, priority=9)
    simulator.answer(status=503, headers={"Retry-After": "0"}, scenario="busy", when_state="started", then_state="idle")
    run = ops_run(EXAMPLE)
    assert run.outputs["policy-simulator"] == {"kpis": {"gdp_growth": 0.5}}
    assert simulator.verify(match={"action": "execute"}, inputs={"/country": "DR"}, times=2) == 2
    with pytest.raises(AssertionError, match=r"nearest is request .* /inputs/country \(expected \"DO\", got \"DR\"\)"):
        simulator.verify(inputs={"/country": "DO"})


def test_answer_or_question_that_makes_no_sense_is_the_tests_mistake(ops_stub: StageStub) -> None:
    simulator = ops_stub("policy-simulator")
    with pytest.raises(HarnessError, match=r"policy-simulator: .*did you mean 'warnings'"):
        simulator.answer({}, warning=["x"])
    with pytest.raises(HarnessError, match="either times, or at_least"):
        simulator.verify(times=1, at_most=2)


def test_failure_may_be_what_a_test_is_about(ops_run: RunScenario, ops_stub: StageStub) -> None:
    ops_stub("strategy-agent", violate=["OPS-ART-003"])
    run = ops_run(EXAMPLE, status="failed")
    assert run.record["error"]["step"] == "strategy-agent"


def test_failure_that_was_not_asked_for_is_told_with_step_message_and_folder(ops_run: RunScenario, ops_stub: StageStub) -> None:
    ops_stub("strategy-agent", violate=["OPS-ART-003"])
    with pytest.raises(AssertionError, match=r"failed in step 'strategy-agent' .*sha256(.|\n)*Its folder: /"):
        ops_run(EXAMPLE)


def test_faults_and_requests_are_those_of_one_test_alone(ops_stub: StageStub) -> None:
    assert ops_stub("strategy-agent").requests == []


def test_scenario_that_is_refused_is_told_with_its_problems(ops_run: RunScenario) -> None:
    with pytest.raises(AssertionError, match=r"made no run: A module is not registered(.|\n)*did you mean 'policy-simulator'"):
        ops_run({"scenario_id": "x", "modules": ["policy-simulatr"], "inputs": {}})


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (lambda stack, _: stack.run("no/such.json"), "no/such.json cannot be read: No such file"),
        (lambda _, stub: stub("simulator"), "'simulator' is no stub of this stack; its stubs are data-layer"),
        (lambda _, stub: stub("monitor", faults=["latencie"]), "did you mean 'latency'"),
    ],
    ids=["file", "stub", "fault"],
)
def test_wrong_use_is_told_in_a_sentence(
    ops_stack: Stack, ops_stub: StageStub, use: Callable[[Stack, StageStub], object], sentence: str
) -> None:
    with pytest.raises(HarnessError) as caught:
        use(ops_stack, ops_stub)
    assert sentence in str(caught.value)
