"""The output of `ops-stubs drift`: lines for people, JSON for programs."""

from collections.abc import Iterator
from typing import Any, Final

from ops_contract import ABSENT, Difference
from ops_stubs.drift import Drift, StepDrift

__all__ = ["as_json", "lines"]

_SHOWN: Final = 20


def as_json(drift: Drift) -> dict[str, Any]:
    """All differences, in full."""
    return {
        "run_id": drift.run_id,
        "module": drift.module,
        "url": drift.url,
        "same": drift.is_none,
        "steps": [
            {
                "step": step.id,
                "action": step.action,
                "same": not step.differences,
                "version": {"recorded": step.recorded_version, "now": step.version},
                "differences": [difference.as_json("recorded", "now") for difference in step.differences],
            }
            for step in drift.steps
        ],
        "unanswered": list(drift.unanswered),
    }


def lines(drift: Drift) -> Iterator[str]:
    """A line for every step and, below it, for each of its first differences."""
    for step in drift.steps:
        count = len(step.differences)
        result = f"{count} difference{'s' if count > 1 else ''}" if count else "same"
        yield f"{step.id}: {result}{_versions(step)}"
        yield from (f"  {_line(difference)}" for difference in step.differences[:_SHOWN])
        if count > _SHOWN:
            yield f"  and {count - _SHOWN} more; --json has all of them"
    for name in drift.unanswered:
        yield f"{name}: not compared, since it was not answered in {drift.run_id}"


def _versions(step: StepDrift) -> str:
    if step.version == step.recorded_version:
        return ""
    return f" (version {step.recorded_version or 'unknown'} then, {step.version or 'unknown'} now)"


def _line(difference: Difference) -> str:
    # A whole artifact or evidence item may be long, so only its coming or going is reported.
    if difference.pointer.startswith(("/artifacts/", "/evidence/")) and difference.pointer.count("/") == 2:
        if difference.first is ABSENT:
            return f"{difference.pointer}: gained"
        if difference.second is ABSENT:
            return f"{difference.pointer}: dropped"
    return f"{difference.pointer}: {difference.phrase('recorded', 'now')}"
