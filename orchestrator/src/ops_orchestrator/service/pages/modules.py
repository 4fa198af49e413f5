"""`/modules` and `/modules/{name}`: the registered modules, whether they are ready, and their last calls."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import yaml
from starlette.requests import Request
from starlette.responses import Response

from ops_orchestrator.errors import NotFoundError, StepError, StoreError
from ops_orchestrator.modules.answer import Readiness
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.frozen_modules import freeze_modules
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.readiness import check_health
from ops_orchestrator.runs.record import RunRecord, StepRecord
from ops_orchestrator.runs.reports.html.wording import seconds_between
from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.service.pages.site import Page, Site

_LONGEST_S: Final = 2.0
_RUNS_IN_LIST: Final = 10
_RUNS_OF_ONE: Final = 20
_OVER: Final = ("completed", "failed", "interrupted")


@dataclass(frozen=True)
class Call:
    """A call of a module: the step of a run."""

    record: RunRecord
    step: StepRecord

    @property
    def took(self) -> float | None:
        """How long the step took, in seconds."""
        return seconds_between(self.step.started_at, self.step.finished_at)


@dataclass(frozen=True)
class Shown:
    """A module, what it said of itself just now, and its last calls, newest first.

    `readiness` is None where it is not ready, and `trouble` says why; both are for one that has not answered yet.
    """

    module: Module
    readiness: Readiness | None
    trouble: str
    calls: Sequence[Call]

    @property
    def failed(self) -> int:
        """How many of the calls failed."""
        return sum(call.step.status == "failed" for call in self.calls)

    @property
    def median_s(self) -> float | None:
        """How long the middle one of the completed calls took."""
        took = [call.took for call in self.calls if call.step.status == "completed" and call.took is not None]
        return median(took) if took else None


async def modules(site: Site, request: Request) -> Response:
    """All registered modules; their health is asked while the page is made, for two seconds in all."""
    registered = list(site.parts.catalogue.modules.values())
    asked = [asyncio.create_task(_asked(site.parts.client, module)) for module in registered]
    calls = [await asyncio.to_thread(_calls, site.parts.store, module.name, _RUNS_IN_LIST) for module in registered]
    await _in_time(asked)
    shown = [_shown(module, task, found) for module, task, found in zip(registered, asked, calls, strict=True)]
    return site.page(request, "modules.html", shown=shown, ready=sum(one.readiness is not None for one in shown))


async def module(site: Site, request: Request) -> Response:
    """One module: what is registered of it, what it says of itself, and its last calls."""
    name = request.path_params["name"]
    known = site.parts.catalogue.modules
    if name not in known:
        raise NotFoundError(f"There is no module {name!r:.100}; registered are {', '.join(known) or 'none'}.")
    task = asyncio.create_task(_asked(site.parts.client, known[name]))
    calls = await asyncio.to_thread(_calls, site.parts.store, name, _RUNS_OF_ONE)
    await _in_time([task])
    declared = freeze_modules(site.parts.catalogue, [name])
    return site.page(request, "module.html", one=_shown(known[name], task, calls), declared=_as_yaml(declared))


PAGES: Final = (Page("/modules", modules), Page("/modules/{name}", module))


async def _asked(client: ModuleClient, module: Module) -> Readiness | str:
    try:
        return await check_health(client, module)
    except StepError as error:
        return error.failure.message


async def _in_time(tasks: Sequence["asyncio.Task[Readiness | str]"]) -> None:
    """Wait for answers, not longer than a page may take."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=_LONGEST_S)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)


def _shown(module: Module, task: "asyncio.Task[Readiness | str]", calls: Sequence[Call]) -> Shown:
    if task.cancelled():
        return Shown(module, None, "", calls)
    answer = task.result()
    return Shown(module, None, answer, calls) if isinstance(answer, str) else Shown(module, answer, "", calls)


def _calls(store: RunStore, name: str, runs: int) -> list[Call]:
    """The calls of a module in the newest runs that have it."""
    found = []
    for listed in store.page(runs, None, RunFilter(module=name)).runs:
        try:
            record = store.record(listed.run_id)
        except (NotFoundError, StoreError):
            continue
        found += [Call(record, step) for step in record.steps if step.module == name and step.status in _OVER]
    return found


def _as_yaml(declared: bytes) -> str:
    document: Any = yaml.safe_load(declared)
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100))
