"""Why the result of one step differs: its own inputs, its module, the steps before it, or none of these."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ops_contract import NumberError
from ops_orchestrator.runs.comparison.grades import Tolerances
from ops_orchestrator.runs.comparison.layers import made_with
from ops_orchestrator.runs.comparison.places import NO_PLACES, places_of
from ops_orchestrator.runs.comparison.reading import FEW, Given
from ops_orchestrator.runs.comparison.sides import Pair
from ops_orchestrator.runs.comparison.steps import outputs_places
from ops_orchestrator.runs.comparison.wording import differing, joined, values_text, visible
from ops_orchestrator.runs.provenance import step_fingerprint
from ops_orchestrator.runs.record import StepResults

_HASH_CHARACTERS: Final = 19
# What an adapter may read of an answer, besides its outputs.
_PARTS: Final = ("artifacts", "evidence", "warnings", "version", "module")


def reasons_of(pair: Pair, step_id: str, given: Given, tolerances: Tolerances) -> list[str]:
    """What differs of what a step of both was made from, each as a clause."""
    return [
        *_changed_afterwards(pair, step_id),
        *input_reasons("its", given.a.get("inputs", {}), given.b.get("inputs", {})),
        *seed_reasons(given.a, given.b),
        *module_reasons("its", pair, step_id),
        *_binding_reasons(pair, step_id),
        *_upstream_reasons(pair, step_id, given, tolerances),
    ]


def input_reasons(whose: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[str]:
    """Which inputs differ."""
    places = places_of(first, second, limits=FEW)
    if places.count:
        yield differing(f"{whose} input", places.listed, places.count)


def seed_reasons(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[str]:
    """That the seed differs, which stands in both or in their options."""
    seeds = [{"seed": each.get("seed", each.get("options", {}).get("seed"))} for each in (first, second)]
    places = places_of(seeds[0], seeds[1])
    if places.count:
        yield differing("the", places.listed, 1)


def module_reasons(whose: str, pair: Pair, step_id: str) -> Iterator[str]:
    """In what the module of a step of both changed: which one, its action, version, image and adapter."""
    a, b = pair.a.steps[step_id], pair.b.steps[step_id]
    first, second = made_with(pair, step_id)
    if a.module != b.module:
        yield f"{whose} module is another one ({visible(a.module)} → {visible(b.module)})"
    if a.action != b.action:
        yield f"{whose} action differs ({visible(a.action)} → {visible(b.action)})"
    if a.module == b.module and first.get("version") != second.get("version"):
        yield f"{whose} module changed from {_version(first)} to {_version(second)}"
    if first.get("image_digest") != second.get("image_digest"):
        yield f"{whose} image changed ({_digest(first)} → {_digest(second)})"
    if first.get("adapter") != second.get("adapter"):
        yield f"{whose} adapter {_adapter_change(pair, first.get('adapter'), second.get('adapter'))}"


def unexplained(pair: Pair, step_id: str, given: Given) -> str:
    """Why a result differs though nothing does that should change it, as far as the records go."""
    if lesser := ", and ".join(_lesser_reasons(given)):
        return lesser
    first, second = made_with(pair, step_id)
    nothing = "nothing that went in differs"
    if first.get("address") != second.get("address"):
        return f"{nothing}, but it was answered by another address ({_address(first)} → {_address(second)})"
    versions = [side.record.versions.get("orchestrator") for side in (pair.a, pair.b)]
    if versions[0] != versions[1]:
        return f"{nothing}, but another version of the orchestrator executed the run ({versions[0]} → {versions[1]})"
    unless = ", unless it uses the id of the run" if given.uses_run_id else ""
    if first.get("version") is None:
        return f"{nothing}, and its module states no version: it may have changed, or it is not deterministic{unless}"
    return f"{nothing}, and its module is {_version(first)} in both runs: it is not deterministic{unless}"


def _lesser_reasons(given: Given) -> Iterator[str]:
    """What went in and differs, of what should not change a result; what else the requests have that differs, if none does."""
    sent = given.sent or NO_PLACES
    names = places_of(given.a.get("scenario_id"), given.b.get("scenario_id"))
    limits = [place for place in sent.listed if given.whole and place.pointer == "/options/deadline_s"]
    observed = [step for step in _in_both(given) if _part_differs(given, step, "evidence", lasting=False)]
    if names.count:
        yield f"the id of its scenario differs ({values_text(names.listed[0])})"
    if limits:
        yield f"it was given another time limit ({values_text(limits[0])} seconds)"
    for step in observed:
        yield f"it {_takes(given)} the evidence of {visible(step)}, which was observed at another time"
    if sent.count and not (names.count or limits or observed):
        yield differing("the sent value", sent.listed, sent.count, below="/body")


def _changed_afterwards(pair: Pair, step_id: str) -> Iterator[str]:
    """That results.json does not have what the step found, whose fingerprint is in the record."""
    sides = (pair.a, pair.b)
    changed = [side.name for side in sides if not _is_recorded(side.results.get(step_id), side.steps[step_id].result)]
    if changed:
        yield f"its result in {joined(changed)} is not the recorded one (`ops runs verify` says more)"


def _is_recorded(results: StepResults | None, recorded: str | None) -> bool:
    if results is None or recorded is None:
        return True
    try:
        return step_fingerprint(results, results.artifacts) == recorded
    except NumberError:
        return False


def _binding_reasons(pair: Pair, step_id: str) -> Iterator[str]:
    """Which of its needs are met by other steps."""
    first, second = pair.bound(step_id)
    for role in sorted(first.keys() & second.keys()):
        if first[role] != second[role]:
            yield f"its need {visible(role)} is met by another step ({visible(first[role])} → {visible(second[role])})"


def _upstream_reasons(pair: Pair, step_id: str, given: Given, tolerances: Tolerances) -> Iterator[str]:
    """Which earlier steps, whose answers it was given, differ."""
    a, b = (each.get("upstream", {}) for each in (given.a, given.b))
    whole = list[str]()
    rebound = {step for bound in pair.bound(step_id) for step in bound.values()}
    for step in (step for step in pair.order if step in a or step in b):
        if step not in a or step not in b:
            if step in rebound and step in pair.a.steps and step in pair.b.steps:
                continue  # it was there, but another one was used
            yield f"{visible(step)} comes before it only in {(pair.b if step in b else pair.a).name}"
            continue
        outputs = outputs_places(a[step].get("outputs", {}), b[step].get("outputs", {}), tolerances, FEW)
        parts = [part for part in _PARTS if _part_differs(given, step, part)]
        if outputs.count and given.whole:
            whole.append(visible(step))
        elif outputs.count:
            yield f"it reads what {visible(step)} found, where {differing('the output', outputs.listed, outputs.count)}"
        elif _part_differs(given, step, "raw"):
            yield f"it reads what {visible(step)} answered, which differs"
        elif parts:
            differ = "differ" if len(parts) > 1 or parts[0].endswith("s") else "differs"
            yield f"it {_takes(given)} the {joined(parts)} of {visible(step)}, which {differ}"
    if whole:
        results, differ = ("result", "differs") if len(whole) == 1 else ("results", "differ")
        yield f"it is given the {results} of {joined(whole)}, which {differ}"


def _part_differs(given: Given, step_id: str, part: str, *, lasting: bool = True) -> bool:
    """Whether a part of the answer of an earlier step differs; of evidence, what lasts: not when it was observed."""
    first, second = (each["upstream"][step_id].get(part) for each in (given.a, given.b))
    if part == "evidence" and lasting:
        first, second = _lasting(first), _lasting(second)
    return places_of(first, second).count > 0


def _lasting(evidence: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    return [{name: value for name, value in item.items() if name != "observed_at"} for item in evidence or ()]


def _in_both(given: Given) -> list[str]:
    a, b = (each.get("upstream", {}) for each in (given.a, given.b))
    return [step for step in a if step in b]


def _takes(given: Given) -> str:
    return "is given" if given.whole else "reads"


def _version(made: Mapping[str, Any]) -> str:
    version = made.get("version")
    return "an unknown version" if version is None else visible(str(version))


def _digest(made: Mapping[str, Any]) -> str:
    digest = made.get("image_digest")
    return "unknown" if digest is None else visible(digest[:_HASH_CHARACTERS])


def _address(made: Mapping[str, Any]) -> str:
    return visible(str(made.get("address", "unknown")))


def _adapter_change(pair: Pair, first: Any, second: Any) -> str:
    if first is None or second is None:
        return f"is used only in {(pair.b if first is None else pair.a).name}"
    if not (isinstance(first, dict) and isinstance(second, dict)):
        return "changed"
    keys = [key for key in sorted(first.keys() | second.keys()) if first.get(key) != second.get(key)]
    return f"changed ({joined(map(visible, keys))})"
