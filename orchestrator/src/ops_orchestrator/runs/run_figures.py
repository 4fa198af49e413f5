"""The headline figures of a whole run, and what of its record has to be known to read them."""

from dataclasses import dataclass
from typing import Self

from ops_orchestrator.runs.figures import FigureValue, figure_values
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.synthetic import synthetic_sources


@dataclass(frozen=True)
class StepFigures:
    """The headline figures of one step; `synthetic` says that they are made up, or rest on what is."""

    step: str
    module: str
    synthetic: bool
    figures: tuple[FigureValue, ...]


@dataclass(frozen=True)
class RunFigures:
    """The headline figures of a run, by step, without those steps that have none."""

    record: RunRecord
    synthetic: bool
    steps: tuple[StepFigures, ...]

    @classmethod
    def of(cls, record: RunRecord, results: Results) -> Self:
        """The figures in `results`, which are those of the run `record`."""
        synthetic = synthetic_sources(record, results)
        steps = (
            StepFigures(step, answered.module, step in synthetic, tuple(figure_values(answered.outputs)))
            for step, answered in results.steps.items()
        )
        return cls(record, bool(synthetic), tuple(step for step in steps if step.figures))

    @property
    def warnings(self) -> int:
        """How many warnings the steps of the run have."""
        return sum(len(step.warnings) for step in self.record.steps)
