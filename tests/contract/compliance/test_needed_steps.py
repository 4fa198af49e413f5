"""Modules that work on what earlier steps found: the kit sends the steps that it is given."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from twisted_module import NAME, Answer, Asked, TwistedModule

from ops_contract.compliance.arguments import UsageError, read_upstream
from ops_contract.compliance.result import Verdict

pytestmark = pytest.mark.anyio

STEPS: Final[dict[str, Any]] = {"data": {"module": "data-layer", "outputs": {"gdp": 1.5}}}
REQUEST: Final = {"contract_version": "1.0", "run_id": "r", "step_id": "s", "action": "execute", "upstream": STEPS}


def needing_data(asked: Asked, answer: Answer) -> Answer:
    """Refuses a good request without the outputs of the data layer, and finds something in them."""
    if answer.status != 200 or asked.method != "POST":
        return answer
    found = [step["outputs"] for step in asked.fields.get("upstream", {}).values() if step["module"] == "data-layer"]
    if found:
        return answer.with_body(outputs={"gdp": found[-1].get("gdp")})
    error = {"code": "DATA_LACKING", "message": "no step of data-layer", "retryable": False, "pointer": "/upstream"}
    return Answer(422, {"status": "error", "module": NAME, "error": error})


@pytest.mark.slow
async def test_module_that_needs_earlier_steps_is_compliant_when_they_are_given() -> None:
    assert await TwistedModule(needing_data).broken(upstream=STEPS) == {}


async def test_who_gives_no_steps_is_told_how() -> None:
    found = await TwistedModule(needing_data).broken("OPS-EXE-001", "OPS-EXE-003")
    assert {one.verdict for one in found.values()} == {Verdict.NOT_TESTABLE}
    assert {one.actual for one in found.values()} == {"not testable: no step of data-layer"}
    assert all("--upstream FILE" in one.requirement.remedy for one in found.values())


@pytest.mark.parametrize("content", [STEPS, REQUEST])
def test_steps_are_read_alone_or_from_a_request_of_a_run(content: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text(json.dumps(content))
    assert read_upstream(tmp_path / "request.json") == STEPS


def test_steps_of_another_shape_are_refused_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "steps.json").write_text(json.dumps({"data": {"outputs": {}}}))
    with pytest.raises(UsageError, match=r"steps\.json: must hold earlier steps by step id.*/upstream/data/module"):
        read_upstream(tmp_path / "steps.json")
