"""Earlier answers for calls that come without them: from a recorded run, or from the modules that an action needs."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from ops_contract import NumberError, fingerprint
from ops_orchestrator.errors import StepError
from ops_orchestrator.modules.attempt import Answered, attempt, request_for
from ops_orchestrator.modules.call import Call
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module
from ops_orchestrator.runs.history import EarlierRun
from ops_orchestrator.workbench.trial import bound_in

_MOST_ANSWERS: Final = 100


class SupplyError(Exception):
    """Nobody gives what a call needs; the message says why, to follow what is needed."""


class Supply(Protocol):
    """Gives a call the earlier answers that it lacks."""

    async def supplied(self, call: Call) -> Call:
        """`call` with as much of what it lacks as there is. Raises SupplyError."""
        ...


@dataclass(frozen=True)
class FromRun:
    """The answers of a recorded run; `before` gives the run as it was before a module was asked for an action."""

    before: Callable[[str, str], EarlierRun]

    async def supplied(self, call: Call) -> Call:
        """See Supply."""
        earlier = await asyncio.to_thread(self.before, call.module.name, call.action)
        bound = bound_in(earlier, call.module.needs(call.action))
        upstream = {**earlier.upstream, **call.upstream}
        return replace(call, upstream=upstream, bound={**bound, **call.bound}, read_artifact=earlier.read_artifact)


@dataclass(frozen=True)
class Chained:
    """The answers of the modules of `catalogue` that an action needs, called with the same inputs and seed.

    The answers of equal calls are kept, and the files of their artifacts in the folder `staging`.
    """

    catalogue: Catalogue
    client: ModuleClient
    staging: Path
    _kept: OrderedDict[str, Answered] = field(default_factory=OrderedDict)

    async def supplied(self, call: Call) -> Call:
        """See Supply."""
        return await self._supplied(call, ())

    async def _supplied(self, call: Call, path: tuple[str, ...]) -> Call:
        answers = {step: await self._answer(call, step, name, action, path) for step, name, action in _lacking(call)}
        upstream = {step: answered.as_upstream(keep_exchange=True) for step, answered in answers.items()}
        roles = {role: role for role in call.module.needs(call.action) if role in upstream}
        return replace(
            call,
            upstream={**upstream, **call.upstream},
            bound={**roles, **call.bound},
            read_artifact=_ReadReceived(answers) if answers else call.read_artifact,
        )

    async def _answer(self, call: Call, step: str, name: str, action: str | None, path: tuple[str, ...]) -> Answered:
        module = self.catalogue.modules.get(name)
        if module is None:
            raise SupplyError(f"{name} is not registered")
        asked = action or module.default_action
        if asked is None or asked not in module.action_names:
            raise SupplyError(f"{name} has the actions {', '.join(module.action_names)}, and it is not said which")
        called = f"{name}/{asked}"
        if called in path:
            raise SupplyError(f"{called} needs itself")
        own = replace(
            call, step_id=step, module=module.for_action(asked), action=asked, upstream={}, bound={}, read_artifact=None
        )
        return await self._made(await self._supplied(own, (*path, called)), called)

    async def _made(self, call: Call, called: str) -> Answered:
        key = _key(call, called)
        if key in self._kept:
            return self._kept[key]
        try:
            answered = await attempt(call, await request_for(call), self.client, self.staging)
        except StepError as error:
            raise SupplyError(f"{called} was called for it: {error.failure.message}") from error
        self._kept[key] = answered
        if len(self._kept) > _MOST_ANSWERS:
            self._kept.popitem(last=False)
        return answered


@dataclass(frozen=True)
class _ReadReceived:
    """Reads artifacts as they were received. See ReadArtifact."""

    answers: Mapping[str, Answered]

    def __call__(self, step_id: str, name: str, limit: int, /) -> bytes:
        received = {each.ref.name: each.content for each in self.answers[step_id].artifacts}
        content = received[name]
        return content.read_bytes() if isinstance(content, Path) else (content or b"")[:limit]


def _lacking(call: Call) -> Iterator[tuple[str, str, str | None]]:
    """The steps that a call lacks: id, module and action; a step that is named by its id is one of the module of that name."""
    module: Module = call.module
    for step in sorted(module.needed_steps(call.action) - call.upstream.keys()):
        yield step, step, None
    for role, need in module.needs(call.action).items():
        if call.bound.get(role) not in call.upstream:
            yield role, need.module, need.action


def _key(call: Call, called: str) -> str:
    try:
        return fingerprint([called, call.step_id, call.scenario_id, call.seed, dict(call.inputs)])
    except NumberError as error:
        raise SupplyError(f"the inputs cannot be sent to {called}: {error}") from error
