"""The results of a run's steps: each result file against the log, its artifacts, and the fingerprint computed again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops_contract import NumberError, ShapeError, validate
from ops_orchestrator.runs.events import StepCompleted
from ops_orchestrator.runs.integrity.files import CheckedFolder
from ops_orchestrator.runs.integrity.finding import Findings
from ops_orchestrator.runs.provenance import step_fingerprint
from ops_orchestrator.runs.record import FORMAT, RESULTS, RunRecord, StepRecord, StepResults, artifacts_folder, result_name
from ops_orchestrator.runs.supports import warnings_of
from ops_orchestrator.runs.synthetic import calls_figures_made_up


@dataclass(frozen=True)
class StepAnswer:
    """What a completed step answered: as JSON and as a model, and the file that it was read from."""

    step: StepRecord
    source: str
    values: Mapping[str, Any]
    results: StepResults

    @property
    def artifact_names(self) -> list[str]:
        """The names of the artifacts, in their order."""
        return [artifact.name for artifact in self.results.artifacts]


def step_answers(folder: CheckedFolder, record: RunRecord, results: Mapping[str, Any] | None) -> Iterator[StepAnswer]:
    """What the completed steps answered, one after another: an answer may be large.

    In folders of version 0.1.0, which have no file for each step, it is read from results.json.
    """
    steps = results.get("steps") if results else None
    for step in record.steps:
        if step.status != "completed":
            continue
        source = RESULTS if record.format < FORMAT else result_name(step.step, step.id)
        in_results = steps.get(step.id) if isinstance(steps, dict) else None
        values = in_results if source == RESULTS else folder.values(source)
        if values is None:
            continue
        try:
            yield StepAnswer(step, source, values, validate(StepResults, values, source))
        except ShapeError as error:
            folder.findings.add(source, f"the result of step {step.id}", str(error.problems[0]))


def check_answer(
    answer: StepAnswer, completed: StepCompleted | None, folder: CheckedFolder, *, keeps: bool, after_synthetic: bool
) -> None:
    """Compute the fingerprint of what a step answered, compare it with what its event says, and note what it says of files.

    `after_synthetic` says that an earlier step is synthetic, on which this one may rest.
    """
    step, results, findings = answer.step, answer.results, folder.findings
    try:
        computed = step_fingerprint(results, results.artifacts)
    except NumberError as error:
        computed = f"none: {error}"
    if computed != step.result:
        findings.add(answer.source, f"{step.result or 'null'} as fingerprint of the result, as the log says", computed)
    if completed is not None:
        _check_event(answer, completed, findings, after_synthetic=after_synthetic)
    for artifact in results.artifacts:
        path = f"{artifacts_folder(step.id)}/{artifact.name}"
        if artifact.path is None and not keeps:
            findings.note(
                f"the artifacts of {step.id} were not kept, since save_artifacts is false: their bytes cannot be checked"
            )
        elif artifact.path != path:
            findings.add(answer.source, f"{path} as path of the artifact {artifact.name}", str(artifact.path or "null"))
        else:
            folder.claims.add(path, artifact.sha256, artifact.size_bytes, answer.source)


def _check_event(answer: StepAnswer, completed: StepCompleted, findings: Findings, *, after_synthetic: bool) -> None:
    results = answer.results
    # Earlier versions did not warn of figures without evidence, and called a step synthetic by its own evidence alone.
    warnings = results.warnings if completed.warnings == results.warnings else warnings_of(results)
    own = calls_figures_made_up(results.evidence)
    stated = {
        "warnings": (completed.warnings, warnings),
        "artifacts": (completed.artifacts, tuple(answer.artifact_names)),
        "synthetic": (completed.synthetic, own or (after_synthetic and completed.synthetic)),
    }
    for name, (expected, found) in stated.items():
        if expected != found:
            findings.add(answer.source, f"{name} {expected}, as the log says", str(found))
