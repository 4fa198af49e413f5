"""Holds a run to the modules that it pins: before it is created, and again at each step."""

import asyncio
from collections.abc import Mapping
from typing import Final

from ops_contract import Problem, join_pointer
from ops_orchestrator.errors import PinnedVersionError, StepError
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.readiness import ready_now
from ops_orchestrator.planning.pins import ModulePin
from ops_orchestrator.planning.steps import Plan, Step

_CODE: Final = "VERSION_CHANGED"
_REMEDY: Final = "start the module that is pinned, or change the pin"


async def refuse_unless_pinned(client: ModuleClient, plan: Plan, pins: Mapping[str, ModulePin], what: str = "run") -> None:
    """Raise PinnedVersionError when a module of `plan` is known not to be the one that is pinned; `what` is not started then.

    Each is checked once. One that is not ready, or that states its version in its answers alone, is judged at its step.
    """
    if not pins:
        return
    steps = {step.module.name: step for step in plan.steps if step.module.name in pins}
    found = await asyncio.gather(*(_found_now(client, step, pins[name]) for name, step in steps.items()))
    mismatches = {name: mismatch for name, mismatch in zip(steps, found, strict=True) if mismatch}
    if mismatches:
        detail = "; ".join(f"{name} {mismatch}" for name, mismatch in mismatches.items())
        problems = [Problem(join_pointer("/run_options/pin", name), mismatch) for name, mismatch in mismatches.items()]
        raise PinnedVersionError(f"The {what} is not started: {detail}. To go on, {_REMEDY}.", problems)


def check_when_ready(step: Step, version: str | None, pins: Mapping[str, ModulePin]) -> None:
    """Raise StepError when the module of `step`, whose health check states `version`, is not the one that is pinned."""
    if pin := pins.get(step.module.name):
        _refuse(step, _other_image(pin, step) or (None if _states_later(step, version) else _other_version(pin, version)))


def check_answer(step: Step, version: str | None, exchange: Exchange, pins: Mapping[str, ModulePin]) -> None:
    """Raise StepError when the answer to `step` states that another `version` made it than the one that is pinned."""
    pin = pins.get(step.module.name)
    if pin and (version is not None or _states_later(step, version)):
        _refuse(step, _other_version(pin, version), exchange)


async def _found_now(client: ModuleClient, step: Step, pin: ModulePin) -> str | None:
    """How the module is known to differ from its pin, in words that follow its name; None when it does not, or may not."""
    if (mismatch := _other_image(pin, step)) or pin.version is None:
        return mismatch
    readiness = await ready_now(client, step.module)
    if readiness is None or _states_later(step, readiness.version):
        return None
    return _other_version(pin, readiness.version)


def _other_image(pin: ModulePin, step: Step) -> str | None:
    found = step.module.image_digest
    if pin.image_digest in (None, found):
        return None
    has = f"has the image digest {found!r} in modules.yaml" if found else "has no image digest in modules.yaml"
    return f"{has}, and the run pins {pin.image_digest!r}"


def _other_version(pin: ModulePin, found: str | None) -> str | None:
    if pin.version in (None, found):
        return None
    states = f"states the version {found!r}" if found else "states no version"
    return f"{states}, and the run pins {pin.version!r}"


def _states_later(step: Step, version: str | None) -> bool:
    """Whether the module has not stated its version yet and its adapter takes it from the answer."""
    adapter = step.module.adapter
    return version is None and adapter is not None and adapter.actions[step.action].version is not None


def _refuse(step: Step, mismatch: str | None, exchange: Exchange | None = None) -> None:
    if mismatch:
        error = StepError.of(step.module.name, _CODE, f"{mismatch}; {_REMEDY}")
        raise StepError(error.failure, exchange)
