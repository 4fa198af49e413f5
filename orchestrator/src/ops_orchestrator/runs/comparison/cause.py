"""Why the results of two runs differ: one sentence for people, and a clause for each step."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ops_orchestrator.excerpt import excerpt
from ops_orchestrator.runs.comparison.grades import SAME, Tolerances
from ops_orchestrator.runs.comparison.reading import given_to
from ops_orchestrator.runs.comparison.reasons import input_reasons, module_reasons, reasons_of, seed_reasons, unexplained
from ops_orchestrator.runs.comparison.sides import Pair, Side
from ops_orchestrator.runs.comparison.steps import StepDiff
from ops_orchestrator.runs.comparison.wording import joined, sentence, visible

_LONGEST_MESSAGE: Final = 300
_MOST_NAMED: Final = 3


def why_of(pair: Pair, step: StepDiff, tolerances: Tolerances) -> str:
    """Why the step differs or is missing, as a clause; differences beyond the tolerances are named first."""
    only = _only_in(pair, step.id)
    if only:
        return f"it is a step only in {only}"
    if step.grade == "missing" and sorted((step.a, step.b)) != ["completed", "failed"]:
        return _missing(pair, step.id)
    given = given_to(pair, step.id)
    reasons = reasons_of(pair, step.id, given, tolerances)
    if step.grade == "missing":
        return "; ".join([_missing(pair, step.id), *reasons])
    return ", and ".join(reasons) or unexplained(pair, step.id, given)


def cause_of(pair: Pair, steps: Sequence[StepDiff]) -> str:
    """The first step that differs, and why. `steps` have their clauses already."""
    differing = [step for step in steps if step.grade not in SAME]
    if not differing:
        return sentence(_same(pair, steps))
    in_both = next((step for step in differing if not _only_in(pair, step.id)), None)
    if in_both is differing[0]:
        return sentence(_first(in_both))
    rest = _first(in_both) if in_both else _rest(pair)
    return sentence(f"{_one_sided(pair, differing)}; {rest}")


def _one_sided(pair: Pair, steps: Sequence[StepDiff]) -> str:
    only = {name: [step.id for step in steps if _only_in(pair, step.id) == name] for name in (pair.a.name, pair.b.name)}
    clauses = [
        f"{_listed(ids)} {'is a step' if len(ids) == 1 else 'are steps'} only in {name}" for name, ids in only.items() if ids
    ]
    return " and ".join(clauses)


def _rest(pair: Pair) -> str:
    """What of the steps of both, none of which differs."""
    shared = any(step in pair.b.steps for step in pair.a.steps)
    return "the results of the other steps are the same" if shared else "no step is in both"


def _first(step: StepDiff) -> str:
    if step.grade == "missing":
        return f"{visible(step.id)} {step.why}"
    return f"{visible(step.id)} is the first step whose result differs{_alone(step)}: {step.why}"


def _alone(step: StepDiff) -> str:
    """That only evidence or artifacts differ, where that is so: people take a result for its figures."""
    if step.outputs.beyond_tolerance:
        return ""
    artifacts = not all(artifact.is_within_tolerance for artifact in step.artifacts)
    parts = {"artifacts": artifacts, "evidence": "evidence" in step.model_fields_set}
    within = " within tolerance" if step.outputs.count else ""
    return f", in its {joined(name for name, differs in parts.items() if differs)} only (its outputs are the same{within})"


def _same(pair: Pair, steps: Sequence[StepDiff]) -> str:
    """That nothing differs, also where something went in that does."""
    within = " within tolerance" if any(step.grade == "within tolerance" for step in steps) else ""
    reasons = [
        *_inputs_of_steps(pair, steps),
        *seed_reasons(*(side.record.request["run_options"] for side in (pair.a, pair.b))),
        *(["the steps stand in another order"] if pair.moved else []),
        *(reason for step in steps for reason in module_reasons(f"{visible(step.id)}'s", pair, step.id)),
    ]
    if not reasons:
        return f"The same result{within}, step by step"
    more = len(reasons) - _MOST_NAMED
    named = [*reasons[:_MOST_NAMED], *([f"{more:,} more that went in differ"] if more > 0 else [])]
    return f"The same result{within}, step by step, although {', and '.join(named)}"


def _inputs_of_steps(pair: Pair, steps: Sequence[StepDiff]) -> Iterator[str]:
    """Which inputs differ, as the modules are given them; those of all steps are said once."""
    given = [tuple(side.inputs(side.steps[step.id]) for side in (pair.a, pair.b)) for step in steps]
    shared = {tuple(input_reasons("the", first, second)) for first, second in given}
    if len(shared) == 1:
        yield from shared.pop()
        return
    for step, (first, second) in zip(steps, given, strict=True):
        yield from input_reasons(f"{visible(step.id)}'s", first, second)


def _missing(pair: Pair, step_id: str) -> str:
    """How it came that a step of both has no result in at least one of them."""
    endings = {side.name: _ending(side, step_id) for side in (pair.a, pair.b) if step_id not in side.results}
    if len(endings) > 1 and len({*endings.values()}) == 1:
        return _in("both", endings[pair.a.name])
    return "; ".join(_in(name, ending) for name, ending in endings.items())


def _in(where: str, ending: tuple[str, str]) -> str:
    return f"{ending[0]} in {where}{ending[1]}"


def _ending(side: Side, step_id: str) -> tuple[str, str]:
    """What became of a step without a result, and more about it."""
    step = side.steps[step_id]
    if step.status == "failed":
        return "failed", f": {visible(step.error['code'])}, {_message(step.error)}" if step.error else ""
    if step.status in ("pending", "running") and side.record.is_over:
        return "was not reached", f", which {_how(side)}"
    if step.status == "interrupted":
        return "was interrupted", f", which {_how(side)}"
    return "is not completed yet", ""


def _how(side: Side) -> str:
    status = side.record.status
    return {"failed": "failed before", "completed": "is completed without it"}.get(status, f"was {status}")


def _message(error: Mapping[str, object]) -> str:
    return visible(excerpt(str(error["message"]), _LONGEST_MESSAGE)).rstrip(". ")


def _only_in(pair: Pair, step_id: str) -> str:
    """Which of the runs alone has the step; empty when both have it."""
    if step_id in pair.a.steps and step_id in pair.b.steps:
        return ""
    return (pair.a if step_id in pair.a.steps else pair.b).name


def _listed(ids: Sequence[str]) -> str:
    more = len(ids) - _MOST_NAMED
    return joined([*map(visible, ids[:_MOST_NAMED]), *([f"{more:,} more"] if more > 0 else [])])
