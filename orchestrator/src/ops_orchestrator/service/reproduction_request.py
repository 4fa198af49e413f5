"""The body of `POST /runs/{run_id}/reproduce`: how a run is reproduced."""

from typing import Annotated, Final, Literal

from pydantic import Field

from ops_contract import JsonError, ShapeError, parse_json, validate
from ops_orchestrator.errors import InvalidRequestError
from ops_orchestrator.planning.scenario import Closed
from ops_orchestrator.runs.events import Reproduction

_MOST_VALUES: Final = 100


class NumberTolerance(Closed):
    """How far apart two numbers may be, whichever allows more."""

    rel: Annotated[float, Field(ge=0, le=1, description="as a share of the larger one")] = 0.0
    abs: Annotated[float, Field(ge=0)] = 0.0


class ReproductionRequest(Closed):
    """How a run is reproduced."""

    modules: Annotated[
        Literal["recorded", "current"], Field(description="as the run's modules.json has them, or as they are registered now")
    ] = "recorded"
    offline: Annotated[bool, Field(description="no module is called: the recorded answers stand in for theirs")] = False
    pin: Annotated[bool, Field(description="refuse modules of another version or image digest than the recorded ones")] = False
    tolerance: NumberTolerance = NumberTolerance()

    @property
    def terms(self) -> Reproduction:
        """The request as the new run keeps it."""
        return Reproduction(self.modules, self.offline, self.tolerance.rel, self.tolerance.abs)


def read_reproduction_request(body: bytes) -> ReproductionRequest:
    """The request in a body, which may be empty. Raises InvalidRequestError: 400 for bad JSON, 422 with pointers."""
    if not body:
        return ReproductionRequest()
    try:
        return validate(ReproductionRequest, parse_json(body, max_values=_MOST_VALUES), "request")
    except JsonError as error:
        raise InvalidRequestError(f"This is not JSON as it should be: {error}.", status=400) from error
    except ShapeError as error:
        raise InvalidRequestError("The request does not have the right shape.", error.problems, error.problem_count) from error
