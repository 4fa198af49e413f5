"""What stands at the top of a run's page: its inputs in a line, how it ended, and its steps along time."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Final

from ops_orchestrator.runs.record import ArtifactRecord, Results, RunRecord, StepRecord
from ops_orchestrator.runs.reports.html.room import Room
from ops_orchestrator.runs.reports.html.wording import seconds_between
from ops_orchestrator.runs.reports.object_leaves import object_leaves
from ops_orchestrator.runs.scale import value_text

MOST_INPUTS: Final = 12
"""So many inputs of a scenario stand in a line; the scenario itself has all of them."""

MOST_STEPS: Final = 200
"""So many steps have a row; no scenario has more than half as many, and a record may be foreign."""

MOST_ARTIFACTS: Final = 20
"""So many artifacts of a step are named in its row."""

MOST_ARTIFACTS_TOGETHER: Final = 400
"""So many artifacts of all steps are named."""

_WHOLE: Final = 100.0


@dataclass(frozen=True)
class Input:
    """One input in a line: its name, which is the pointer where names repeat, and its value as text."""

    name: str
    value: str


@dataclass(frozen=True)
class StepRow:
    """A step in the table of steps. `begin` and `width` are per cent of the run's time; `begin` is None before it began.

    `attempt` counts the attempts, with the one that is under way. `artifacts` are the first ones, and `more_artifacts` the
    number of the others.
    """

    record: StepRecord
    took: float | None
    begin: float | None
    width: float
    attempt: int
    artifacts: tuple[ArtifactRecord, ...]
    more_artifacts: int
    evidence: int


@dataclass(frozen=True)
class Overview:
    """A run at a glance, from its record and results. `until` is its end, or when it was looked at."""

    record: RunRecord
    results: Results
    until: str | None

    @classmethod
    def of(cls, record: RunRecord, results: Results, now: str | None = None) -> "Overview":
        """The run as it is; `now` is the time (RFC 3339) up to which one that goes on is drawn."""
        ends = [step.finished_at or step.started_at for step in record.steps]
        known = [end for end in ends if end is not None]
        return cls(record, results, record.finished_at or now or (max(known) if known else None))

    @property
    def took(self) -> float | None:
        """How long the run took so far, in seconds."""
        return seconds_between(self.record.started_at, self.until)

    @property
    def completed(self) -> int:
        """How many steps are completed."""
        return sum(step.status == "completed" for step in self.record.steps)

    @property
    def warnings(self) -> int:
        """How many warnings the steps have."""
        return sum(len(step.warnings) for step in self.record.steps)

    @property
    def failed_step(self) -> StepRecord | None:
        """The step in which the run ended, if it did not complete."""
        named = (self.record.error or {}).get("step")
        return next((step for step in self.record.steps if step.id == named), None) or next(
            (step for step in self.record.steps if step.status in ("failed", "interrupted")), None
        )

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The first inputs of the scenario, by their names."""
        return named_inputs(self.record.request["inputs"])

    @property
    def more_inputs(self) -> int:
        """How many inputs are left out."""
        return sum(1 for _ in object_leaves(self.record.request["inputs"])) - len(self.inputs)

    @property
    def seed(self) -> Any:
        """The seed of the run."""
        return self.record.request["run_options"].get("seed", 0)

    @cached_property
    def steps(self) -> tuple[StepRow, ...]:
        """The first steps of the plan along the time of the run."""
        room = Room(MOST_ARTIFACTS_TOGETHER)
        return tuple(self._row(step, room) for step in self.record.steps[:MOST_STEPS])

    @cached_property
    def evidence(self) -> tuple[int, int]:
        """How many pieces of evidence there are, and how many of them are synthetic."""
        items = [item for answered in self.results.steps.values() for item in answered.evidence]
        return len(items), sum(bool(item.synthetic) for item in items)

    @cached_property
    def recommendations(self) -> list[tuple[str, str]]:
        """What steps recommend: each output `recommendation` that is a text."""
        return [
            (step, said)
            for step, answered in self.results.steps.items()
            if isinstance(said := answered.outputs.get("recommendation"), str) and said.strip()
        ]

    def _row(self, step: StepRecord, room: Room) -> StepRow:
        answered = self.results.steps.get(step.id)
        artifacts = answered.artifacts if answered else ()
        named = room.take(min(len(artifacts), MOST_ARTIFACTS))
        begin = seconds_between(self.record.started_at, step.started_at)
        end = step.finished_at or (self.until if step.status == "running" else None)
        took, whole = seconds_between(step.started_at, end), self.took
        return StepRow(
            record=step,
            took=took,
            begin=None if begin is None else _percent(begin, whole),
            width=_percent(took, whole),
            attempt=step.attempts + (step.status == "running"),
            artifacts=artifacts[:named],
            more_artifacts=len(artifacts) - named,
            evidence=len(answered.evidence) if answered else 0,
        )


def named_inputs(inputs: Mapping[str, Any], without: Collection[str] = ()) -> tuple[Input, ...]:
    """The first inputs of a scenario that are not at the pointers `without`, nor below them, by their names."""
    kept = (leaf for leaf in object_leaves(inputs) if not any(f"{leaf[0]}/".startswith(f"{at}/") for at in without))
    leaves = list(islice(kept, MOST_INPUTS))
    names = [pointer.rpartition("/")[2] for pointer, _ in leaves]
    return tuple(
        Input(name if names.count(name) == 1 else pointer, value_text(value))
        for name, (pointer, value) in zip(names, leaves, strict=True)
    )


def _percent(part: float | None, whole: float | None) -> float:
    return round(min(_WHOLE * (part or 0.0) / whole, _WHOLE), 2) if whole else 0.0
