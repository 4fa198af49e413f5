"""What a person asks for: the body of `POST /plan_and_execute`."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from ops_contract import (
    ContractModel,
    Identifier,
    JsonError,
    NumberError,
    Problem,
    Seed,
    ShapeError,
    canonical_json,
    parse_json,
    validate,
)
from ops_orchestrator.errors import InvalidRequestError


class RunOptions(ContractModel):
    """What holds for the whole run. A typo here would silently change a result, so unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    seed: Seed = 0
    save_artifacts: Annotated[bool, Field(description="false keeps the artifacts' hashes but no files")] = True


class Scenario(ContractModel):
    """A scenario request, as in the seed."""

    model_config = ConfigDict(extra="forbid")

    scenario_id: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]
    modules: Annotated[tuple[Identifier, ...], Field(strict=False, min_length=1, max_length=100, fail_fast=True)]
    inputs: Annotated[dict[str, Any], Field(default_factory=dict, description="passed to every module")]
    run_options: RunOptions = RunOptions()


def read_scenario(body: bytes) -> Scenario:
    """Make a scenario of a request body. Raises InvalidRequestError: 400 for bad JSON, 422 with pointers for the rest."""
    try:
        value = parse_json(body)
    except JsonError as error:
        raise InvalidRequestError(f"This is not JSON as it should be: {error}.", status=400) from error
    try:
        scenario = validate(Scenario, value, "scenario")
        canonical_json(scenario.inputs)
    except ShapeError as error:
        raise InvalidRequestError("The scenario does not have the right shape.", error.problems) from error
    except NumberError as error:
        problem = Problem(f"/inputs{error.pointer}", error.reason)
        raise InvalidRequestError("The inputs hold a number that JSON cannot carry safely.", [problem]) from error
    return scenario
