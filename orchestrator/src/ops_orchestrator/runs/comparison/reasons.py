"""Why the result of one step differs: its own inputs, its module, the steps before it, or none of these."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ops_orchestrator.runs.comparison.layers import made_with
from ops_orchestrator.runs.comparison.places import Limits, places_of
from ops_orchestrator.runs.comparison.reading import Reads, reads_of, sent_places, touched
from ops_orchestrator.runs.comparison.sides import Pair
from ops_orchestrator.runs.comparison.steps import StepDiff
from ops_orchestrator.runs.comparison.wording import differing, joined, visible

_SOME: Final = Limits(places=1_000)
_HASH_CHARACTERS: Final = 19
_UNCHANGED: Final = ("identical", "equal")


def reasons_of(pair: Pair, step_id: str, found: Mapping[str, StepDiff]) -> list[str]:
    """What differs of what a step of both was made from, each as a clause; `found` says how all steps compare."""
    a, b = pair.a.steps[step_id], pair.b.steps[step_id]
    reads = (reads_of(pair.a, a), reads_of(pair.b, b))
    return [
        *input_reasons("its", pair.a.inputs(a), pair.b.inputs(b), reads),
        *seed_reasons(pair, reads),
        *module_reasons("its", pair, step_id),
        *_upstream_reasons(pair, step_id, found, reads),
    ]


def input_reasons(
    whose: str, first: Mapping[str, Any], second: Mapping[str, Any], reads: Sequence[Reads] = (None,)
) -> Iterator[str]:
    """Which inputs differ, of those that are read."""
    places = places_of(first, second, limits=_SOME)
    read = touched(places.listed, ("inputs",), reads)
    if read:
        yield differing(f"{whose} input", read, len(read) + places.more)


def seed_reasons(pair: Pair, reads: Sequence[Reads] = (None,)) -> Iterator[str]:
    """That the seed differs, when it is read."""
    first, second = ({"seed": side.record.request["run_options"].get("seed")} for side in (pair.a, pair.b))
    places = places_of(first, second)
    if touched(places.listed, (), reads) or touched(places.listed, ("options",), reads):
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
        yield f"{whose} adapter {_adapter_change(first.get('adapter'), second.get('adapter'))}"


def unexplained(pair: Pair, step_id: str) -> str:
    """Why a result differs though nothing does that it was made from, as far as the records go."""
    sent = sent_places(pair, step_id)
    if sent is not None and sent.count:
        return differing("the request's field", sent.listed, sent.count)
    first, second = made_with(pair, step_id)
    nothing = "nothing that went in differs"
    if first.get("address") != second.get("address"):
        return f"{nothing}, but it was answered by another address ({_address(first)} → {_address(second)})"
    versions = [side.record.versions.get("orchestrator") for side in (pair.a, pair.b)]
    if versions[0] != versions[1]:
        return f"{nothing}, but another version of the orchestrator executed the run ({versions[0]} → {versions[1]})"
    if first.get("version") is None:
        return f"{nothing}, and its module states no version: it may have changed, or it is not deterministic"
    return f"{nothing}, and its module is {_version(first)} in both runs: it is not deterministic"


def _upstream_reasons(pair: Pair, step_id: str, found: Mapping[str, StepDiff], reads: Sequence[Reads]) -> Iterator[str]:
    """Which earlier steps, whose answers it was given, differ."""
    earlier = [_before(side.steps, step_id) for side in (pair.a, pair.b)]
    for step in (step for step in pair.order if step in earlier[0] or step in earlier[1]):
        if not _is_read(step, reads):
            continue
        if step not in earlier[0] or step not in earlier[1]:
            yield f"{visible(step)} comes before it only in {'B' if step in earlier[1] else 'A'}"
        elif found[step].grade not in _UNCHANGED:
            yield from _upstream_reason(found[step], reads)


def _upstream_reason(upstream: StepDiff, reads: Sequence[Reads]) -> Iterator[str]:
    if any(paths is None for paths in reads):
        yield f"it is given the result of {visible(upstream.id)}, which differs"
        return
    outputs = touched(upstream.outputs.listed, ("upstream", upstream.id, "outputs"), reads)
    if outputs:
        which = differing("the output", outputs, len(outputs) + upstream.outputs.more)
        yield f"it reads what {visible(upstream.id)} found, where {which}"
    elif upstream.outputs.more or _reads_more_than_outputs(upstream.id, reads):
        yield f"it reads what {visible(upstream.id)} answered, which differs"


def _is_read(step_id: str, reads: Sequence[Reads]) -> bool:
    return any(
        paths is None or any(path[0] == "upstream" and path[1:2] in ((), (step_id,)) for path in paths) for paths in reads
    )


def _reads_more_than_outputs(step_id: str, reads: Sequence[Reads]) -> bool:
    """Whether an adapter reads artifacts, evidence or the raw answer of a step; outputs that it reads do not count."""
    paths = (path for some in reads for path in some or () if path[0] == "upstream" and path[1:2] in ((), (step_id,)))
    return any(path[2:3] != ("outputs",) for path in paths)


def _before(steps: Mapping[str, Any], step_id: str) -> frozenset[str]:
    ids = list(steps)
    return frozenset(ids[: ids.index(step_id)])


def _version(made: Mapping[str, Any]) -> str:
    version = made.get("version")
    return "an unknown version" if version is None else visible(str(version))


def _digest(made: Mapping[str, Any]) -> str:
    digest = made.get("image_digest")
    return "unknown" if digest is None else visible(digest[:_HASH_CHARACTERS])


def _address(made: Mapping[str, Any]) -> str:
    return visible(str(made.get("address", "unknown")))


def _adapter_change(first: Any, second: Any) -> str:
    if first is None or second is None:
        return f"is used only in {'B' if first is None else 'A'}"
    if not (isinstance(first, dict) and isinstance(second, dict)):
        return "changed"
    keys = [key for key in sorted(first.keys() | second.keys()) if first.get(key) != second.get(key)]
    return f"changed ({joined(map(visible, keys))})"
