"""run.json and results.json against what they are made of: the log, and the result files of the steps."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel

import ops_orchestrator
from ops_contract import ABSENT, Difference, Evidence, differences, join_pointer, parse_json, sha256_hex
from ops_orchestrator.runs.integrity.finding import Findings, value_at
from ops_orchestrator.runs.integrity.steps import StepAnswer
from ops_orchestrator.runs.json_text import json_line
from ops_orchestrator.runs.record import LOGS, RECORD, RESULTS, ArtifactRecord, RunRecord, StepRecord
from ops_orchestrator.runs.run_state import fingerprints_of
from ops_orchestrator.runs.store.reading import MOST_VALUES

# Their fields that are null may be stated or left out.
_MODELS: Final[Mapping[str, type[BaseModel]]] = {"artifacts": ArtifactRecord, "evidence": Evidence}
_FIELD: Final = re.compile(r"/(artifacts|evidence)/[0-9]+/([^/]+)")


def is_of_this_version(versions: Mapping[str, str | None]) -> bool:
    """Whether the orchestrator of a run's `versions` is this one, so that it is known byte for byte what that wrote."""
    return versions.get("orchestrator") == ops_orchestrator.__version__


def check_bytes(file: str, content: bytes, expected: Iterable[bytes], findings: Findings) -> None:
    """Compare the `content` of a document that says what it should with the pieces in which it is written."""
    digest = hashlib.sha256()
    for piece in expected:
        digest.update(piece)
    if digest.hexdigest() != sha256_hex(content):
        findings.add(file, "the bytes that this version writes", "others, which say the same")


def check_record(values: Mapping[str, Any], expected: RunRecord, findings: Findings) -> None:
    """Compare run.json with what the log comes down to."""
    is_ours = is_of_this_version(expected.versions)
    for difference in differences(_as_values(expected), values):
        field = _field(difference.pointer)
        if difference.second is ABSENT and field and difference.first == field[1]:
            continue  # a version wrote it that did not know the field
        if difference.first is ABSENT and field is None and _is_member(difference.pointer) and not is_ours:
            findings.note(f"{RECORD} has {difference.pointer}, which this version does not know")
            continue
        _add(RECORD, LOGS, difference, findings)


def check_fingerprints(record: RunRecord, findings: Findings) -> None:
    """Compute the fingerprints of the run again."""
    expected = fingerprints_of(record, record.status)
    for name in ("recipe", "result"):
        computed, stated = getattr(expected, name), getattr(record.fingerprints, name)
        if computed != stated:
            findings.add(RECORD, f"{computed or 'null'} as fingerprint of the {name}, computed again", str(stated or "null"))


def check_step_results(answer: StepAnswer, results: Mapping[str, Any], findings: Findings) -> None:
    """Compare what results.json has of a step, in both forms, with what the step answered."""
    step = answer.step.id
    found = {name: part.get(step, ABSENT) for name in ("results", "steps") if isinstance(part := results.get(name), dict)}
    expected = {"results": {**answer.values["outputs"], "artifacts": answer.artifact_names}, "steps": answer.values}
    for form, value in expected.items():
        for difference in differences(value, found.get(form, ABSENT)):
            if form != "steps" or not _is_null_left_out(difference):
                _add(RESULTS, answer.source, difference, findings, join_pointer(f"/{form}", step))


def check_results_frame(results: Mapping[str, Any], record: RunRecord, findings: Findings) -> None:
    """Compare what results.json has besides the answers of steps: whose they are, and of which steps there are any."""
    found = {
        name: sorted(value) if name in ("results", "steps") and isinstance(value, dict) else value
        for name, value in results.items()
    }
    steps = sorted(step.id for step in record.steps if step.status == "completed")
    expected = {"run_id": record.run_id, "scenario_id": record.scenario_id, "results": steps, "steps": steps}
    for difference in differences(expected, found):
        _add(RESULTS, LOGS, difference, findings)


def _add(file: str, source: str, difference: Difference, findings: Findings, above: str = "") -> None:
    """Add that `file` differs from what it is made of, which is in `source`."""
    pointer = above + difference.pointer
    findings.add(file, f"{value_at(pointer, difference.first)}, as {source} says", value_at(pointer, difference.second))


def _as_values(record: RunRecord) -> Any:
    """A record as the JSON value that stands in run.json."""
    return parse_json(json_line(record), max_values=MOST_VALUES[RECORD])


def _is_null_left_out(difference: Difference) -> bool:
    values = (difference.first, difference.second)
    field = _FIELD.fullmatch(difference.pointer) if None in values and ABSENT in values else None
    return field is not None and field[2] in _MODELS[field[1]].model_fields


def _is_member(pointer: str) -> bool:
    """Whether it is a member of the record, or of one of its steps."""
    path = pointer.split("/")[1:]
    return len(path) == 1 or (len(path) == 3 and path[0] == "steps")


def _field(pointer: str) -> tuple[str, Any] | None:
    """The field of a record or of a step that is at `pointer`, and its default as JSON; None when there is none."""
    path = pointer.split("/")[1:]
    model = RunRecord if len(path) == 1 else StepRecord
    field = model.model_fields.get(path[-1]) if path and _is_member(pointer) else None
    if field is None:
        return None
    return path[-1], ABSENT if field.is_required() else parse_json(json_line(field.default))
