"""How much alike the results of one step are in two runs, and in what they differ."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import Field

from ops_orchestrator.runs.comparison.artifacts import ArtifactDiff, ArtifactReader
from ops_orchestrator.runs.comparison.evidence import NO_EVIDENCE_DIFF, EvidenceDiff, evidence_diff
from ops_orchestrator.runs.comparison.grades import Grade, Tolerances
from ops_orchestrator.runs.comparison.places import NO_PLACES, Limits, Places, Shape, places_of
from ops_orchestrator.runs.comparison.sides import Pair
from ops_orchestrator.runs.json_text import json_text
from ops_orchestrator.runs.record import StepResults

# Where the keys of figures stand, which have units (OPS-FIG-001).
_FIGURES: Final = ("kpis", "baseline", "change", "path")


class WarningsDiff(Shape):
    """The warnings that B gained and dropped against A; `more` counts what is not listed."""

    gained: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    more: int = 0


NO_WARNINGS: Final = WarningsDiff()
_NOTHING: Final = (NO_PLACES, NO_EVIDENCE_DIFF, NO_WARNINGS)


class StepDiff(Shape):
    """One step: the grade, and in what its results differ. The status is left out for a run that does not have the step."""

    id: str
    grade: Grade
    why: Annotated[str, Field(description="why the result differs; left out when it does not")] = ""
    a: Annotated[str, Field(description="the step's status in A")] = ""
    b: Annotated[str, Field(description="the step's status in B")] = ""
    outputs: Annotated[Places, Field(description="pointers into the step's outputs, headline figures first")] = NO_PLACES
    units: dict[str, str] = Field(default_factory=dict, description="of the listed figures, where both runs state the same")
    artifacts: tuple[ArtifactDiff, ...] = ()
    evidence: EvidenceDiff = NO_EVIDENCE_DIFF
    warnings: WarningsDiff = NO_WARNINGS


def step_diff(pair: Pair, step_id: str, artifacts: ArtifactReader) -> StepDiff:
    """The step `step_id`, which at least one of the runs has."""
    statuses = {name: side.steps[step_id].status for name, side in (("a", pair.a), ("b", pair.b)) if step_id in side.steps}
    first, second = pair.a.results.get(step_id), pair.b.results.get(step_id)
    if first is None or second is None:
        return StepDiff(id=step_id, grade="missing", **statuses)
    layers: dict[str, Any] = {
        "outputs": outputs_places(first.outputs, second.outputs, artifacts.tolerances, artifacts.limits),
        "artifacts": artifacts.differing(first.artifacts, second.artifacts),
        "evidence": evidence_diff(first.evidence, second.evidence, artifacts.limits),
        "warnings": _warnings_diff(first.warnings, second.warnings, artifacts.limits),
    }
    differing = {name: layer for name, layer in layers.items() if layer and all(layer is not nothing for nothing in _NOTHING)}
    grade = _grade(first, second, differing)
    if units := _units(first.outputs, second.outputs, layers["outputs"]):
        differing["units"] = units
    return StepDiff(id=step_id, grade=grade, **statuses, **differing)


def outputs_places(first: Mapping[str, Any], second: Mapping[str, Any], tolerances: Tolerances, limits: Limits) -> Places:
    """The places in which the outputs of two steps differ; the headline figures come first: they are what people look for."""
    headline = [{key: outputs[key] for key in ("kpis",) if key in outputs} for outputs in (first, second)]
    rest = [{key: value for key, value in outputs.items() if key != "kpis"} for outputs in (first, second)]
    found = [places_of(ours, theirs, tolerances, limits) for ours, theirs in (headline, rest)]
    return found[0].followed_by(found[1], limits)


def _grade(first: StepResults, second: StepResults, differing: Mapping[str, Any]) -> Grade:
    """How much alike two results are that differ in the layers `differing`."""
    artifacts: tuple[ArtifactDiff, ...] = differing.get("artifacts", ())
    if differing.keys() <= {"warnings", "artifacts"} and all(artifact.kind == "media type" for artifact in artifacts):
        return "identical" if json_text(first) == json_text(second) else "equal"
    within = not differing.get("outputs", NO_PLACES).beyond_tolerance and all(
        artifact.is_within_tolerance for artifact in artifacts
    )
    return "within tolerance" if within and "evidence" not in differing else "different"


def _units(first: Mapping[str, Any], second: Mapping[str, Any], places: Places) -> dict[str, str]:
    """By key, the unit that both runs state, of the figures among the listed places."""
    ours, theirs = first.get("units"), second.get("units")
    if not (isinstance(ours, dict) and isinstance(theirs, dict)):
        return {}
    pointers = [place.pointer.split("/") for place in places.listed]
    keys = dict.fromkeys(pointer[-1] for pointer in pointers if pointer[1] in _FIGURES)
    return {key: ours[key] for key in keys if isinstance(ours.get(key), str) and ours[key] == theirs.get(key)}


def _warnings_diff(first: Sequence[str], second: Sequence[str], limits: Limits) -> WarningsDiff:
    ours, theirs = Counter(first), Counter(second)
    both = {"gained": [*(theirs - ours).elements()], "dropped": [*(ours - theirs).elements()]}
    listed: dict[str, Any] = {
        name: tuple(warning[: limits.characters] for warning in found[: limits.places]) for name, found in both.items() if found
    }
    more = sum(map(len, both.values())) - sum(map(len, listed.values()))
    return WarningsDiff(**listed, **({"more": more} if more else {})) if listed else NO_WARNINGS
