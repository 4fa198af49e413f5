"""The headline figures of a whole run, and what of its record has to be known to read them."""

from dataclasses import dataclass
from typing import Any, Self

from ops_orchestrator.runs.figures import FigureValue, figure_values
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.series import Series, series_of
from ops_orchestrator.runs.step_inputs import inputs_of
from ops_orchestrator.runs.synthetic import synthetic_sources


@dataclass(frozen=True)
class StepFigures:
    """The headline figures of one step, and its series over time.

    `synthetic` says that they are made up, or rest on what is. `country` is the input of that name, None where there is none.
    """

    step: str
    module: str
    synthetic: bool
    figures: tuple[FigureValue, ...]
    series: tuple[Series, ...] = ()
    country: Any = None


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
        countries = {step.id: inputs_of(record, step).get("country") for step in record.steps}
        steps = (
            StepFigures(
                step,
                answered.module,
                step in synthetic,
                tuple(figure_values(answered.outputs)),
                series_of(answered.outputs),
                countries.get(step),
            )
            for step, answered in results.steps.items()
        )
        return cls(record, bool(synthetic), tuple(step for step in steps if step.figures or step.series))

    @property
    def warnings(self) -> int:
        """How many warnings the steps of the run have."""
        return sum(len(step.warnings) for step in self.record.steps)
