"""What a step was made from: which inputs and earlier answers its module was given, and what exactly was sent."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from ops_contract import MASK, JsonError, ShapeError, parse_json, split_pointer, validate
from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.modules.adapters.declaration import Action
from ops_orchestrator.runs.comparison.places import Limits, Place, Places, places_of
from ops_orchestrator.runs.comparison.sides import Pair, Side
from ops_orchestrator.runs.record import MAPPED_REQUEST, REQUEST, StepRecord, step_folder

Reads = Collection[tuple[str, ...]] | None
"""The paths that are read of what a module could be given; None for all of it."""

_SENT: Final = (MAPPED_REQUEST, REQUEST)
_FEW: Final = Limits(places=20)


def reads_of(side: Side, step: StepRecord) -> Reads:
    """What the step reads, as its adapter says: a module that follows the contract is given everything."""
    mappings = side.mappings(step)
    if step.adapter is None or not mappings:
        return None
    try:
        return validate(Action, _without_masks(mappings), "adapter").reads
    except ShapeError:
        return None


def touched(places: Sequence[Place], below: tuple[str, ...], reads: Sequence[Reads]) -> list[Place]:
    """Those of `places` that any of `reads` reads; their pointers begin in the object at `below`."""
    if any(paths is None for paths in reads):
        return list(places)
    paths = [path for some in reads for path in some or ()]
    return [place for place in places if any(_meet(path, (*below, *split_pointer(place.pointer))) for path in paths)]


def sent_places(pair: Pair, step_id: str) -> Places | None:
    """In what the recorded requests of a step differ, less the ids of the runs; None when they were not both kept."""
    first, second = (_sent(side, side.steps[step_id]) for side in (pair.a, pair.b))
    return None if first is None or second is None else places_of(first, second, limits=_FEW)


def _meet(path: tuple[str, ...], tokens: tuple[str, ...]) -> bool:
    """Whether `path` leads to the place `tokens`, into it, or to something around it.

    An expression goes through arrays without naming their indexes.
    """
    at = 0
    for token in tokens:
        if at == len(path):
            return True
        if token == path[at]:
            at += 1
        elif not token.isdigit():
            return False
    return True


def _without_masks(mappings: Any) -> Any:
    """The declaration without secrets, in whose place no expression stands."""
    if isinstance(mappings, dict):
        return {key: _without_masks(value) for key, value in mappings.items() if value != MASK}
    return mappings


def _sent(side: Side, step: StepRecord) -> Any:
    for name in _SENT:
        try:
            raw = side.run.document(f"{step_folder(step.step, step.id)}/{name}")
            sent = parse_json(raw.replace(side.record.run_id.encode(), b"run"))
        except NotFoundError:
            continue
        except (StoreError, JsonError):
            return None
        if isinstance(sent, dict) and isinstance(url := sent.get("url"), str) and "method" in sent:
            # The address is compared by itself.
            sent["url"] = url.removeprefix(side.address(step) or "")
        return sent
    return None
