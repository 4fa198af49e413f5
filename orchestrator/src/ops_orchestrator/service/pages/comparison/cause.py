"""Why runs differ from the reference, in one sentence where one holds for all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ops_orchestrator.runs.comparison.diff import RunDiff
from ops_orchestrator.runs.comparison.grades import SAME
from ops_orchestrator.runs.comparison.places import Place, places_of
from ops_orchestrator.runs.comparison.reasons import input_reasons, seed_reasons
from ops_orchestrator.runs.comparison.sides import Side
from ops_orchestrator.runs.comparison.wording import path_text, value_texts


@dataclass(frozen=True)
class Cause:
    """A sentence about the runs `names`; with `values`, by run, it ends in a colon before them."""

    names: tuple[str, ...]
    text: str
    values: tuple[tuple[str, str], ...] = ()


def causes(sides: Sequence[Side], diffs: Sequence[RunDiff]) -> list[Cause]:
    """One sentence for all runs, or one for each group of them of which the same holds."""
    if len(diffs) > 1 and (common := _common(sides, diffs)):
        return [common]
    by_text: dict[str, list[str]] = {}
    for side, diff in zip(sides[1:], diffs, strict=True):
        by_text.setdefault(diff.cause, []).append(side.name)
    return [Cause(tuple(names), text) for text, names in by_text.items()]


def _common(sides: Sequence[Side], diffs: Sequence[RunDiff]) -> Cause | None:
    """The one value in which all runs differ from the reference, if it is the only reason that the same first step differs."""
    first = [next((step for step in diff.steps if step.grade not in SAME), None) for diff in diffs]
    begin = first[0]
    if begin is None or any(step is None or step.id != begin.id or step.grade != "different" for step in first):
        return None
    whys = [step.why for step in first if step is not None]
    for what, places in _candidates(sides, begin.id):
        if all(place is not None and why == reason for (place, reason), why in zip(places, whys, strict=True)):
            found = [place for place, _ in places if place is not None]
            if len({place.pointer for place in found}) != 1:
                return None
            text = f"{begin.id} is the first step whose result differs: {what} {path_text(found[0].pointer)} differs"
            values = [value_texts(found[0])[0], *(value_texts(place)[1] for place in found)]
            return Cause((), text, tuple(zip((side.name for side in sides), values, strict=True)))
    return None


def _candidates(sides: Sequence[Side], step: str) -> Iterator[tuple[str, list[tuple[Place | None, str]]]]:
    """For an input and for the seed: by run the place that differs, if it is one, and the reason as the comparison says it."""
    steps = [(side, side.steps[step]) for side in sides]
    inputs = [side.inputs(found) for side, found in steps]
    yield "its input", [(_only(inputs[0], other), next(input_reasons("its", inputs[0], other), "")) for other in inputs[1:]]
    options = [side.record.request["run_options"] for side in sides]
    seeds = [{"seed": given.get("seed")} for given in options]
    yield (
        "the",
        [
            (_only(seeds[0], seed), next(seed_reasons(options[0], other), ""))
            for seed, other in zip(seeds[1:], options[1:], strict=True)
        ],
    )


def _only(first: object, second: object) -> Place | None:
    places = places_of(first, second)
    return places.listed[0] if places.count == 1 else None
