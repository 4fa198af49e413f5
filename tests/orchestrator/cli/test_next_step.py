from typing import Any

import pytest

from ops_orchestrator.runs.next_step import next_step

RESUME = "ops runs resume run_1"


def record(status: str, code: str = "", message: str = "", **step: Any) -> dict[str, Any]:
    error = {"code": code, "message": message, "step": "alpha", "module": "alpha"} if code else None
    steps = [{"id": "alpha", "module": "alpha", "adapter": None, "exchange": None, **step}]
    return {"format": 2, "run_id": "run_1", "status": status, "error": error, "steps": steps}


@pytest.mark.parametrize(
    ("status", "code"), [("failed", "MODULE_ERROR"), ("errored", ""), ("cancelled", ""), ("interrupted", "")]
)
def test_run_that_did_not_complete_can_be_resumed(status: str, code: str) -> None:
    assert next_step(record(status, code)) == RESUME


@pytest.mark.parametrize("status", ["queued", "running", "completed"])
def test_run_that_is_not_over_or_complete_needs_nothing(status: str) -> None:
    assert not next_step(record(status))


def test_run_of_version_0_1_0_cannot_be_resumed() -> None:
    assert not next_step({**record("failed", "MODULE_ERROR"), "format": 1})


@pytest.mark.parametrize(
    ("code", "message"),
    [("CANCELLED", f"it was cancelled; `{RESUME}` goes on with it"), ("RUN_DEADLINE", "run it again with --deadline")],
)
def test_error_that_says_what_to_do_is_left_alone(code: str, message: str) -> None:
    assert not next_step(record("failed", code, message))


@pytest.mark.parametrize(
    ("step", "target"),
    [
        ({"exchange": {"url": "http://a.test/alpha/execute"}}, "http://a.test/alpha"),
        ({}, "URL"),
        ({"exchange": {"url": "http://a.test/old"}, "adapter": "f" * 64}, "--adapter modules.yaml:alpha"),
    ],
)
def test_module_that_breaks_the_contract_is_checked_first(step: dict[str, Any], target: str) -> None:
    assert next_step(record("failed", "INVALID_ANSWER", **step)) == f"ops-contract check {target}, then {RESUME}"
