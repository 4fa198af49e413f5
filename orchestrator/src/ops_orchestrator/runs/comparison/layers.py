"""In what two runs differ besides their results: request, options, plan, modules, and what executed them."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from ops_orchestrator.modules.adapters.declaration import WITHOUT_EFFECT
from ops_orchestrator.runs.comparison.places import Limits, Place, Places, places_of
from ops_orchestrator.runs.comparison.sides import Pair, Side
from ops_orchestrator.runs.record import StepRecord

Both = tuple[Mapping[str, Any], Mapping[str, Any]]
"""A part of what went into the runs: that of the first, and that of the second."""

_NUMBER_OF_STEP: Final = re.compile(r"/[^/]*/step")


def request_of(pair: Pair) -> Both:
    """The scenario's id and its inputs; steps are the matter of the plan."""
    first, second = ({name: side.record.request[name] for name in ("scenario_id", "inputs")} for side in (pair.a, pair.b))
    return first, second


def options_of(pair: Pair) -> Both:
    """The options of the run, its seed among them."""
    return pair.a.record.request["run_options"], pair.b.record.request["run_options"]


def plan_of(pair: Pair) -> Both:
    """The steps, by id; `step` is the number of one that only one run has, or that stands in another order."""
    first, second = ({step.id: _planned(pair, side, step) for step in side.record.steps} for side in (pair.a, pair.b))
    return first, second


def modules_of(pair: Pair) -> Both:
    """What the steps of both were made with, by id."""
    both = [step for step in pair.order if step in pair.a.steps and step in pair.b.steps]
    made = {step: made_with(pair, step) for step in both}
    return {step: a for step, (a, _) in made.items()}, {step: b for step, (_, b) in made.items()}


def versions_of(pair: Pair) -> Both:
    """The versions of the orchestrators that executed the runs."""
    return pair.a.record.versions, pair.b.record.versions


LAYERS: Final[Mapping[str, Callable[[Pair], Both]]] = {
    "request": request_of,
    "options": options_of,
    "plan": plan_of,
    "modules": modules_of,
    "versions": versions_of,
}
"""What goes into a run, part by part."""


def layer_places(pair: Pair, limits: Limits) -> dict[str, Places]:
    """By layer, the places in which what went into two runs differs."""
    found = {name: places_of(*values(pair), limits=limits) for name, values in LAYERS.items()}
    return found | {"plan": _without_changes(found["plan"])}


def _without_changes(places: Places) -> Places:
    """The places of the plan: numbers of steps are names, and not amounts."""
    listed = tuple(_without_change(place) if _NUMBER_OF_STEP.fullmatch(place.pointer) else place for place in places.listed)
    return places.model_copy(update={"listed": listed}) if listed else places


def _without_change(place: Place) -> Place:
    return Place(**{name: getattr(place, name) for name in place.model_fields_set - {"change", "relative"}})


def made_with(pair: Pair, step_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a step of both was made with, in A and in B: version, image digest, address, and the adapter's mappings.

    Of adapters whose mappings were not both kept, the fingerprints are compared.
    """
    a, b = pair.a.steps[step_id], pair.b.steps[step_id]
    adapters: tuple[Any, Any] = (a.adapter, b.adapter)
    if a.adapter and b.adapter and a.adapter != b.adapter:
        first, second = (_effective(side, step) for side, step in ((pair.a, a), (pair.b, b)))
        if first and second and first != second:
            adapters = first, second
    addresses = pair.addresses(step_id) or (None, None)
    first, second = (_made(*parts) for parts in zip((a, b), addresses, adapters, strict=True))
    # The version of a module that was not reached is not known, which does not make it another one.
    if all(step.status == "completed" or step.module_version for step in (a, b)):
        first["version"], second["version"] = a.module_version, b.module_version
    return first, second


def _made(step: StepRecord, address: str | None, adapter: Any) -> dict[str, Any]:
    made = {"image_digest": step.image_digest, "address": address, "adapter": adapter}
    return {name: value for name, value in made.items() if value is not None}


def _effective(side: Side, step: StepRecord) -> dict[str, Any]:
    return {name: value for name, value in side.mappings(step).items() if name not in WITHOUT_EFFECT}


def _planned(pair: Pair, side: Side, step: StepRecord) -> dict[str, Any]:
    planned: dict[str, Any] = {"module": step.module, "action": step.action}
    numbered = {"step": step.step} if step.id in pair.moved or _is_in_one(pair, step.id) else {}
    own = side.own_inputs(step)
    bound = side.record.bound_by(step)
    return numbered | planned | ({"inputs": own} if own else {}) | ({"with": bound} if bound else {})


def _is_in_one(pair: Pair, step_id: str) -> bool:
    return (step_id in pair.a.steps) != (step_id in pair.b.steps)
