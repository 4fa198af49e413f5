"""The registered modules as they are seen now: their health, the last verdict on them, and how their calls went."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ops_orchestrator.errors import Failure, NotFoundError, StepError
from ops_orchestrator.modules.answer import Readiness
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.readiness import HEALTH_TIMEOUT_S, check_health
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.runs.store.listed_run import CallCounts
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.store.verdicts import VerdictStore
from ops_orchestrator.runs.verdict import Compliance

LAST_CALLS: Final = 20
"""So many calls of one module are listed."""

_LONGER_THAN_ANY_S: Final = 2 * HEALTH_TIMEOUT_S
_Task = asyncio.Task["Readiness | Failure"]


@dataclass(frozen=True)
class SeenModule:
    """A module as it is seen now. Of one that has not answered yet, `readiness` and `failure` are both None."""

    module: Module
    readiness: Readiness | None
    failure: Failure | None
    compliance: Compliance
    calls: CallCounts

    def as_json(self) -> dict[str, Any]:
        """What programs are told of it."""
        module = self.module
        fields = {
            "name": module.name,
            "url": module.address,
            "image_digest": module.image_digest,
            "actions": module.action_names,
            "adapter": module.adapter and (module.adapter.base or "declared"),
            "compliance": self.compliance.summary(),
            "calls": asdict(self.calls),
        }
        if self.readiness is not None:
            return fields | {"ready": True} | asdict(self.readiness)
        failed = self.failure or StepError.of(module.name, "MODULE_TIMEOUT", "has not answered yet").failure
        return fields | {"ready": False, "code": failed.code, "reason": failed.message}


@dataclass(frozen=True)
class ModuleViewer:
    """Looks at registered modules. Health is asked when somebody looks, the rest is read from the store."""

    registration: Registration
    client: ModuleClient
    store: RunStore
    verdicts: VerdictStore

    def registered(self, name: str) -> Module:
        """The module of that name. Raises NotFoundError with the registered ones."""
        known = self.registration.catalogue.modules
        if name in known:
            return known[name]
        registered = f"registered are {', '.join(known)}" if known else "none is registered in modules.yaml"
        raise NotFoundError(f"There is no module {name!r:.100}; {registered}.", "/modules")

    async def see(self, modules: Sequence[Module], within_s: float = _LONGER_THAN_ANY_S) -> list[SeenModule]:
        """The `modules`, in that order. Whoever does not answer within `within_s` seconds, all together, is not waited for."""
        asked = [asyncio.create_task(self._health(module)) for module in modules]
        counts = await asyncio.to_thread(lambda: [self.store.calls(module.name) for module in modules])
        await _in_time(asked, within_s)
        answers = [None if task.cancelled() else task.result() for task in asked]
        return await asyncio.to_thread(lambda: list(map(self._seen, modules, answers, counts)))

    def _seen(self, module: Module, answer: Readiness | Failure | None, calls: CallCounts) -> SeenModule:
        readiness = answer if isinstance(answer, Readiness) else None
        compliance = self.verdicts.compliance(module, readiness.version if readiness else None)
        return SeenModule(module, readiness, answer if isinstance(answer, Failure) else None, compliance, calls)

    async def _health(self, module: Module) -> Readiness | Failure:
        try:
            return await check_health(self.client, module)
        except StepError as error:
            return error.failure


async def _in_time(tasks: Sequence[_Task], within_s: float) -> None:
    """Wait for all tasks, and cancel those that take too long."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=within_s)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
