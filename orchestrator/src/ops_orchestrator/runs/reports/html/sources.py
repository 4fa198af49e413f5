"""The evidence of a run as rows of a table: what each piece is, what it supports, and where it can be looked up."""

import json
from dataclasses import dataclass
from typing import Final

from ops_contract import Evidence
from ops_orchestrator.runs.record import Results, RunRecord, StepRecord
from ops_orchestrator.runs.reports.html.room import Room
from ops_orchestrator.runs.supports import leaves

MOST_ITEMS: Final = 100
"""So many pieces of evidence of a step are listed; results.json has all of them."""

MOST_ITEMS_TOGETHER: Final = 300
"""So many pieces of all steps are listed."""

_LONGEST_ADDRESS: Final = 2_000

MOST_POINTERS: Final = 3
"""So many of the values that one piece supports are named."""

_UPSTREAM: Final = "upstream:"


@dataclass(frozen=True)
class Source:
    """One piece of evidence. `path` is that of its artifact in the run's folder, `upstream` the earlier step that it names."""

    evidence: Evidence
    path: str | None
    upstream: StepRecord | None

    @property
    def details(self) -> str:
        """What else its module says of it, as JSON in lines; empty when it says nothing."""
        said = self.evidence.details
        return "" if said is None else json.dumps(said, indent=2, ensure_ascii=False)

    @property
    def link(self) -> str | None:
        """Its address, where that is one that a browser may be sent to."""
        uri = self.evidence.uri
        return uri if uri and uri.lower().startswith("https:") and len(uri) <= _LONGEST_ADDRESS else None


@dataclass(frozen=True)
class StepSources:
    """The evidence of a step: of its `values` so many are `supported`; `more` pieces are not listed."""

    step: StepRecord
    values: int
    supported: int
    synthetic: int
    listed: tuple[Source, ...]
    more: int

    @property
    def count(self) -> int:
        """How many pieces there are."""
        return len(self.listed) + self.more


def step_sources(record: RunRecord, results: Results) -> list[StepSources]:
    """The evidence of each step that gave some, in the order of the plan."""
    by_id = {step.id: step for step in record.steps}
    room = Room(MOST_ITEMS_TOGETHER)
    return [
        _of_step(step, results, by_id, room)
        for step in record.steps
        if (answered := results.steps.get(step.id)) and answered.evidence
    ]


def _of_step(step: StepRecord, results: Results, by_id: dict[str, StepRecord], room: Room) -> StepSources:
    answered = results.steps[step.id]
    values = supported = 0
    for leaf in leaves(answered.outputs, answered.evidence):
        values += 1
        supported += leaf.is_supported
    paths = {artifact.name: artifact.path for artifact in answered.artifacts}
    shown = answered.evidence[: room.take(min(len(answered.evidence), MOST_ITEMS))]
    listed = tuple(Source(item, paths.get(item.artifact or ""), _upstream(item, by_id)) for item in shown)
    synthetic = sum(bool(item.synthetic) for item in answered.evidence)
    return StepSources(step, values, supported, synthetic, listed, len(answered.evidence) - len(listed))


def _upstream(item: Evidence, by_id: dict[str, StepRecord]) -> StepRecord | None:
    uri = item.uri or ""
    return by_id.get(uri.removeprefix(_UPSTREAM).partition("/")[0]) if uri.startswith(_UPSTREAM) else None
