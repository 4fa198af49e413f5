"""A run in a list of runs."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ops_orchestrator.runs.document_fields import Time
from ops_orchestrator.runs.events import Fingerprints, Status

ListedStatus = Literal[Status, "damaged"]
"""The status of an entry of a list of runs."""


class RunSummary(BaseModel):
    """A run in the list of runs."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    status: ListedStatus
    reason: Annotated[str, Field(description="why a run is damaged; left out for any other")] = ""
    started_at: str
    finished_at: Time | None
    fingerprints: Fingerprints
    scenario_id: str | None
    modules: list[str]
    labels: dict[str, str]
    warnings: Annotated[int, Field(description="how many warnings its modules gave")]
    synthetic: Annotated[bool, Field(description="whether a module calls some of its figures made up")]
    reproduces: Annotated[str | None, Field(description="the run that it reproduces; left out for any other")] = None
    sweep: Annotated[str | None, Field(description="the sweep that it is part of; left out for any other")] = None
