"""`/modules` and `/modules/{name}`: the registered modules, whether they are ready and compliant, and their last calls."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import yaml
from starlette.requests import Request
from starlette.responses import Response

from ops_orchestrator.errors import UNREACHABLE
from ops_orchestrator.modules.module import Module
from ops_orchestrator.runs.record import RunRecord, StepRecord
from ops_orchestrator.runs.reports.html.wording import seconds_between
from ops_orchestrator.runs.verdict import Finding, Verdict
from ops_orchestrator.service.pages.forms import read_form
from ops_orchestrator.service.pages.site import Page, Site
from ops_orchestrator.service.seen_modules import LAST_CALLS, SeenModule

_LONGEST_S: Final = 2.0
_CURES: Final = {
    UNREACHABLE: "Start it, or correct its url in modules.yaml.",
    "MODULE_NOT_READY": "It may be starting; its log says what it waits for.",
    "UNSUPPORTED_CONTRACT": "Update the one that is older, the module or the orchestrator.",
}
_LOOK: Final = "See what answers there:"


@dataclass(frozen=True)
class Call:
    """A call of a module: the step of a run."""

    record: RunRecord
    step: StepRecord

    @property
    def took(self) -> float | None:
        """How long the step took, in seconds."""
        return seconds_between(self.step.started_at, self.step.finished_at)

    def began(self) -> str:
        """When it began, to sort by: those of a sweep do not begin in the order of their runs."""
        return self.step.started_at or ""


@dataclass(frozen=True)
class Trouble:
    """Why a module is not ready: in two words, in a sentence after its name, and what to do, with a command that helps."""

    short: str
    message: str
    cure: str
    command: str = ""


@dataclass(frozen=True)
class Row:
    """A module in the list."""

    seen: SeenModule
    trouble: Trouble | None


@dataclass(frozen=True)
class Findings:
    """What a check found, apart: what was tried and is not met, and what could not be tested."""

    unmet: Sequence[Finding]
    untested: Sequence[Finding]


async def modules(site: Site, request: Request) -> Response:
    """All registered modules; their health is asked while the page is made, for two seconds in all."""
    viewer = site.parts.viewer
    seen = await viewer.see(list(viewer.registration.catalogue.modules.values()), _LONGEST_S)
    return site.page(
        request,
        "modules.html",
        rows=[Row(one, _trouble(one)) for one in seen],
        ready=sum(one.readiness is not None for one in seen),
        without_digest=not any(one.module.image_digest for one in seen),
        is_complete=site.parts.store.is_complete,
        file=site.parts.modules_file,
        is_current=await asyncio.to_thread(site.parts.modules_file.is_current),
    )


async def reload(site: Site, request: Request) -> Response:
    """Have modules.yaml read again, and show what is registered then."""
    await read_form(request)
    answer = await site.post(request, request.url.path)
    return site.see("/modules") if answer.is_good else site.error(request, answer.json, answer.headers)


async def module(site: Site, request: Request) -> Response:
    """One module: its health, what the last compliance check found, its last calls, and what is registered of it."""
    viewer = site.parts.viewer
    name = viewer.registered(request.path_params["name"]).name
    (seen,) = await viewer.see([viewer.registered(name)], _LONGEST_S)
    calls = await asyncio.to_thread(site.parts.store.last_calls, name, LAST_CALLS)
    return site.page(
        request,
        "module.html",
        one=seen,
        trouble=_trouble(seen),
        findings=_findings(seen.compliance.verdict),
        calls=sorted((Call(record, step) for record, step in calls), key=Call.began, reverse=True),
        declared=_as_yaml(seen.module),
        is_complete=site.parts.store.is_complete,
    )


PAGES: Final = (Page("/modules", modules), Page("/modules/{name}", module), Page("/modules/reload", reload, "POST"))


def _trouble(seen: SeenModule) -> Trouble | None:
    """Why a module is not ready, None for one that is."""
    if seen.readiness is not None:
        return None
    module, failure = seen.module, seen.failure
    if failure is None:
        waits = f"A step waits {module.ready_timeout_s:g} s for it. If it hangs, start it again."
        return Trouble("no answer yet", f"has not answered within {_LONGEST_S:g} s", waits)
    short = failure.code.lower().removeprefix("module_").replace("_", " ")
    message = failure.message.removeprefix(f"{module.name} ").rstrip(".")
    if "modules.yaml" in message:  # which says what to correct there
        return Trouble(short, message, "")
    if cure := _CURES.get(failure.code):
        return Trouble(short, message, cure)
    return Trouble(short, message, _LOOK, f"ops-contract doctor {module.address}")


def _findings(verdict: Verdict | None) -> Findings:
    found = verdict.findings if verdict else ()
    return Findings(
        [finding for finding in found if finding.verdict != "not_testable"],
        [finding for finding in found if finding.verdict == "not_testable"],
    )


def _as_yaml(module: Module) -> str:
    """The entry in effect, as it could stand in modules.yaml."""
    entry = {key: value for key, value in module.declared().items() if key != "name"}
    return str(yaml.safe_dump({"modules": {module.name: entry}}, sort_keys=False, allow_unicode=True, width=100))
