"""What a step was made from: what its module was sent, and what was read for it of inputs and earlier answers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ops_contract import MASK, JsonError, ShapeError, parse_json, validate
from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.modules.adapters.declaration import Action
from ops_orchestrator.modules.adapters.names import EVERYTHING
from ops_orchestrator.modules.adapters.need import NEEDS
from ops_orchestrator.runs.comparison.places import Limits, Places, places_of
from ops_orchestrator.runs.comparison.sides import Pair, Side
from ops_orchestrator.runs.record import MAPPED_REQUEST, REQUEST, StepRecord, StepResults, step_folder

FEW: Final = Limits(places=20)
"""More than a sentence names. How many places differ is counted beyond it."""

_SENT: Final = (MAPPED_REQUEST, REQUEST)
_RUN_ID: Final = ("run_id",)
_IN_CONTRACT: Final = ("outputs", "artifacts", "evidence")

_Paths = Collection[tuple[str, ...]]


@dataclass(frozen=True)
class Given:
    """What a step of both was made from, in A and in B, in objects with `inputs`, `upstream` and so on, as adapters name them.

    They have what is read. `whole` says that this is all that a module of the contract is given, and `uses_run_id` that the
    id of the run may be part of it, which always differs and is left out. `sent` is in what the recorded requests differ;
    None when they were not both kept.
    """

    a: Mapping[str, Any]
    b: Mapping[str, Any]
    whole: bool
    uses_run_id: bool
    sent: Places | None


def given_to(pair: Pair, step_id: str) -> Given:
    """What a step of both was made from. What only goes into a request does not count when the requests are the same."""
    a, b = (_context(side, side.steps[step_id]) for side in (pair.a, pair.b))
    sent = _sent_places(pair, step_id)
    is_same = sent is not None and not sent.count
    actions = _actions(pair, step_id)
    if actions is None:
        reads = () if is_same and _follows_contract(pair, step_id) else _contract_paths(*a["upstream"], *b["upstream"])
        return Given(_chosen(a, reads), _chosen(b, reads), whole=True, uses_run_id=True, sent=sent)
    reads = {path for action in actions for path in (action.answer_reads if is_same else action.reads)}
    first, second = (_by_step(reads, bound) for bound in pair.bound(step_id))
    uses_run_id = any({EVERYTHING, _RUN_ID} & action.reads for action in actions)
    return Given(_chosen(a, first), _chosen(b, second), whole=False, uses_run_id=uses_run_id, sent=sent)


def _by_step(reads: set[tuple[str, ...]], bound: Mapping[str, str]) -> _Paths:
    """The paths with the steps that meet the needs in the place of their roles."""
    found = {path for path in reads if path[:1] != (NEEDS,)}
    for path in reads - found:
        steps = [bound[role] for role in (path[1:2] or bound) if role in bound]
        found.update(("upstream", step, *path[2:]) for step in steps)
    return found


def _follows_contract(pair: Pair, step_id: str) -> bool:
    return all(side.steps[step_id].adapter is None for side in (pair.a, pair.b))


def _actions(pair: Pair, step_id: str) -> list[Action] | None:
    """How adapters call the module in A and in B; None where one follows the contract, or where that was not kept."""
    steps = [(side, side.steps[step_id]) for side in (pair.a, pair.b)]
    mappings = [side.mappings(step) for side, step in steps]
    if any(step.adapter is None for _, step in steps):
        return None
    if steps[0][1].adapter == steps[1][1].adapter:
        mappings = [mappings[0] or mappings[1]]
    try:
        return [validate(Action, _without_masks(each), "adapter") for each in mappings]
    except ShapeError:
        return None


def _without_masks(mappings: Any) -> Any:
    """The declaration without secrets, in whose place no expression stands."""
    if isinstance(mappings, dict):
        return {key: _without_masks(value) for key, value in mappings.items() if value != MASK}
    return mappings


def _context(side: Side, step: StepRecord) -> dict[str, Any]:
    """All that the step may have been made from."""
    seed = side.record.request["run_options"].get("seed")
    earlier = (other for other in side.record.steps[: step.step - 1] if other.id in side.results)
    return {
        "scenario_id": side.record.scenario_id,
        "inputs": side.inputs(step),
        "seed": seed,
        "options": {"seed": seed},
        "upstream": {other.id: _answered(other, side.results[other.id]) for other in earlier},
    }


def _answered(step: StepRecord, results: StepResults) -> dict[str, Any]:
    return {
        "module": results.module,
        "version": step.module_version,
        "outputs": results.outputs,
        "artifacts": [artifact.ref.model_dump(mode="json") for artifact in results.artifacts],
        "evidence": [item.model_dump(mode="json", exclude_none=True) for item in results.evidence],
        "warnings": list(results.warnings),
        # Its hash stands for it: it may be large, and need not be JSON.
        "raw": step.exchange.response_sha256 if step.exchange else None,
    }


def _contract_paths(*earlier: str) -> _Paths:
    """What a module of the contract is given of all that there is."""
    return [
        ("scenario_id",),
        ("inputs",),
        ("options",),
        *(("upstream", step, part) for step in earlier for part in _IN_CONTRACT),
    ]


def _chosen(value: Any, paths: _Paths) -> Any:
    """What of a value `paths` lead to, in its place. A path goes through lists, as expressions do."""
    if EVERYTHING in paths:
        return value
    if isinstance(value, list):
        return [_chosen(item, paths) for item in value]
    if not isinstance(value, Mapping):
        return value
    below: dict[str, list[tuple[str, ...]]] = {}
    for first, *rest in paths:
        below.setdefault(first, []).append(tuple(rest))
    return {key: _chosen(item, below[key]) for key, item in value.items() if key in below}


def _sent_places(pair: Pair, step_id: str) -> Places | None:
    """In what the recorded requests differ; their addresses, and the ids of the runs, are compared by themselves."""
    first, second = (_sent(side, side.steps[step_id]) for side in (pair.a, pair.b))
    if first is None or second is None:
        return None
    addresses = pair.addresses(step_id) or ("", "")
    for sent, address in zip((first, second), addresses, strict=True):
        if isinstance(sent, dict) and isinstance(url := sent.get("url"), str) and "method" in sent:
            sent["url"] = url.removeprefix(address)
    return places_of(first, second, limits=FEW)


def _sent(side: Side, step: StepRecord) -> Any:
    for name in _SENT:
        try:
            raw = side.run.document(f"{step_folder(step.step, step.id)}/{name}")
            return parse_json(raw.replace(side.record.run_id.encode(), b"run"))
        except NotFoundError:
            continue
        except (StoreError, JsonError):
            return None
    return None
