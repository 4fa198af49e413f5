"""How far a sweep is: sweep.json, small enough to be written again each second while the sweep goes on."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, computed_field

from ops_orchestrator.planning.sweep import SweepRequest
from ops_orchestrator.runs.document_fields import Array, Error, Time
from ops_orchestrator.runs.events import now
from ops_orchestrator.runs.json_text import LEFT_OUT

FORMAT: Final = 1
"""The form of the folder of a sweep that this version writes."""

SweepStatus = Literal["running", "completed", "failed", "cancelled", "interrupted", "errored"]
"""`completed`: every run completed. `failed`: every point was run, and some did not complete. `errored`: we failed."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SweptInput(_Part):
    """An input that is varied; `own` is the value that the scenario itself has there, null when it has none."""

    pointer: str
    label: str
    unit: str = ""
    own: Any = None


class Counts(_Part):
    """How many points there are, and how far they are; `failed` are those whose runs are over and did not complete."""

    total: int
    completed: int = 0
    failed: int = 0
    running: int = 0

    @property
    def done(self) -> int:
        """How many points have a run that is over."""
        return self.completed + self.failed

    @computed_field  # type: ignore[prop-decorator]  # as pydantic documents it
    @property
    def pending(self) -> int:
        """How many points are still to be run."""
        return self.total - self.done - self.running


class SweepState(_Part):
    """A sweep, as far as it is. `attempt` counts how often it was started or resumed."""

    format: int = FORMAT
    sweep_id: str
    scenario_id: str
    status: SweepStatus
    points: Counts
    parameters: Array[SweptInput] = ()
    seeds: Array[int] = ()
    created_at: Time
    finished_at: Time | None = None
    attempt: int = 1
    drivers: Annotated[
        int | None,
        LEFT_OUT,
        Field(description="how many processes drove this attempt so far; left out without a queue"),
    ] = None
    started_by: Annotated[str | None, LEFT_OUT, Field(description="the name of a key; left out where none was needed")] = None
    resumed_by: Annotated[str | None, LEFT_OUT, Field(description="the same of whoever resumed it last")] = None
    points_per_s: Annotated[float | None, Field(description="since it was started or resumed; null until one is done")] = None
    seconds_left: Annotated[float | None, Field(description="at this rate; null when it is not running, or not known")] = None
    notes: Annotated[Array[str], Field(description="what may not be meant as it was written, and what is not drawn")] = ()
    error: Error | None = None

    @classmethod
    def begun(cls, sweep_id: str, request: SweepRequest, caller: str | None = None, *, is_queued: bool = False) -> Self:
        """The state of a sweep that begins now, or when a process takes it from the queue."""
        return cls(
            sweep_id=sweep_id,
            scenario_id=request.scenario.scenario_id,
            status="running",
            points=Counts(total=request.size),
            parameters=tuple(SweptInput(**vars(parameter)) for parameter in request.parameters),
            seeds=request.seeds,
            created_at=now(),
            notes=request.notes,
            started_by=caller,
            drivers=0 if is_queued else None,
        )

    @property
    def caller(self) -> str | None:
        """The name of the key with which its runs are asked for."""
        return self.resumed_by if self.attempt > 1 else self.started_by

    @property
    def was_taken_over(self) -> bool:
        """Whether this attempt goes on where another process left it."""
        return self.drivers is not None and self.drivers > 1

    @property
    def is_over(self) -> bool:
        """Whether nobody executes the sweep, as far as this state tells."""
        return self.status != "running"
