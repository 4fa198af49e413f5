import json
from collections.abc import Iterator

import pytest
from compose_stack import Stack


@pytest.fixture
def simulator_gone(stack: Stack) -> Iterator[None]:
    stack.compose("kill", "policy-simulator")
    yield
    stack.compose("up", "--detach", "--wait", "policy-simulator")


@pytest.mark.usefixtures("simulator_gone")
def test_run_with_a_killed_module_fails_and_says_which_and_where(stack: Stack, example: bytes) -> None:
    response = stack.post(example)
    body = response.json()
    assert (response.status_code, body["status"], body["results"]) == (502, "failed", {})
    assert (body["error"]["code"], body["error"]["module"]) == ("MODULE_NOT_READY", "policy-simulator")
    assert "policy-simulator was not ready within 5 s" in body["error"]["message"]
    assert "http://policy-simulator:8080/health" in body["error"]["message"]
    assert json.loads((stack.runs / body["run_id"] / "run.json").read_bytes())["status"] == "failed"


@pytest.mark.usefixtures("simulator_gone")
def test_run_completes_after_a_module_was_started_again(stack: Stack, example: bytes) -> None:
    stack.compose("up", "--detach", "--wait", "policy-simulator")
    assert stack.post(example).json()["status"] == "completed"


def test_earlier_runs_are_still_there_after_the_orchestrator_was_restarted(stack: Stack, example: bytes) -> None:
    run_id = stack.post(example).json()["run_id"]
    before = stack.get(f"/runs/{run_id}")
    stack.compose("restart", "orchestrator")
    stack.compose("up", "--detach", "--wait", "orchestrator")
    assert stack.get(f"/runs/{run_id}") == before
    assert run_id in {run["run_id"] for run in stack.get("/runs")["runs"]}


@pytest.mark.usefixtures("simulator_gone")
def test_run_that_was_running_when_the_orchestrator_died_is_interrupted(stack: Stack, example: bytes) -> None:
    run_id = stack.post(example, Prefer="respond-async").json()["run_id"]
    stack.compose("kill", "orchestrator")
    left = json.loads((stack.runs / run_id / "run.json").read_bytes())
    stack.compose("up", "--detach", "--wait", "orchestrator")
    record = stack.get(f"/runs/{run_id}")
    assert (left["status"], record["status"]) == ("running", "interrupted")
    assert (stack.runs / run_id / "manifest-sha256.txt").is_file()


def test_modules_of_the_stack_are_all_ready(stack: Stack) -> None:
    # `up --wait` has waited for the health checks that the stubs' own image brings.
    modules = stack.get("/modules")["modules"]
    assert {module["name"]: module.get("reason") for module in modules if not module["ready"]} == {}
    assert len(modules) == 6
