"""Runs the checks against a module and makes a report of what they observe."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any, Final

from ops_contract import CONTRACT_VERSION
from ops_contract.compliance.checks import (
    artifacts,
    container,
    errors,
    every_answer,
    golden,
    health,
    key_figures,
    limits,
    repeats,
    request_shapes,
    seeds,
    served_requests,
    strict_reading,
    versions,
)
from ops_contract.compliance.module_under_test import DEFAULT_TIMEOUT_S, ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen
from ops_contract.compliance.patience import longest_s, too_slow, unfinished
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.progress import Progress
from ops_contract.compliance.requirement import Requirement, ids_of, load_requirements
from ops_contract.compliance.result import ExitCode, Finding, Report, Subject, Verdict
from ops_contract.compliance.targets.errors import TargetError
from ops_contract.compliance.targets.target import Target
from ops_contract.compliance.timing import Timed, idle_machine, timed

Check = Callable[[ModuleUnderTest], AsyncGenerator[Observation]]

CHECKS: Final[Mapping[str, Check]] = {
    "health": health.run,
    "golden": golden.run,
    "key_figures": key_figures.run,
    "versions": versions.run,
    "served_requests": served_requests.run,
    "errors": errors.run,
    "refused_shapes": request_shapes.run_refused,
    "served_shapes": request_shapes.run_served,
    "strict_reading": strict_reading.run,
    "limits": limits.run,
    "id_shapes": request_shapes.run_ids,
    "artifacts": artifacts.run,
    "seeds": seeds.run,
    "repeats": repeats.run,
    "every_answer": every_answer.run,
    "container": container.run,
}
"""The checks by the name that the catalogue gives them, in the order of their execution.

`every_answer` judges what was said in those before it, and `container` stops the container.
"""

_WITHOUT_ANSWERS: Final = ("every_answer", "container")
"""The checks that need no module which still answers."""

_NEEDS_A_GOOD_ANSWER: Final = (
    "the module does not answer a good request with 200; give what it can work with (--inputs, --upstream)"
)
_LOST: Final = "since the error that OPS-ERR-009 shows, the module answers no valid request any more; does it still run?"
_UPSTREAM_MISSING: Final = "UPSTREAM_MISSING"
_GIVE_STEPS: Final = (
    "Nothing in the module: give the earlier steps that it needs with --upstream FILE, such as the request.json of a step in a"
    " run folder, with inputs that it can work with too (--inputs)."
)
_GIVE_RUN: Final = (
    "Nothing in the module: give a run that has the earlier steps (--run RUN, --runs-dir DIR), or register the modules that"
    " are needed in the same file and start them, with inputs that they can work with too (--inputs)."
)
_FIRST_ANSWER_S: Final = 5.0
_SHORTER_S: Final = 2.0
_SLOW_S: Final = 2.0


async def check(  # noqa: PLR0913  # each by its name
    target: str | Target,
    *,
    inputs: Mapping[str, Any] | None = None,
    upstream: Mapping[str, Any] | None = None,
    select: Collection[str] | None = None,
    timeout_s: float | None = None,
    progress: Progress = lambda _check, _done, _total: None,
) -> Report:
    """Check a module: the one at a base URL, or a target that was started for the check.

    `inputs` are good ones, for every action or by action; `upstream` are earlier steps that the module needs, by step id;
    `select` limits the check to these ids. `timeout_s` is how long to wait for an answer, 30 s unless given. `progress` is
    called as the check goes on. Raises TargetError when answers take so long that the check needs to be given `timeout_s`.
    """
    subject = Target.at(target) if isinstance(target, str) else target
    report = await _report(subject, _Wanted(inputs, upstream, select, timeout_s), progress)
    if subject.behind is None or report.unreachable:
        return report
    # Of the module without its adapter, nothing is asked but whether it would have passed the same by itself.
    bare = _Wanted(inputs, upstream, _passed(report), timeout_s or DEFAULT_TIMEOUT_S, passes_alone=True)
    without = await _report(Target.at(subject.behind), bare, partial(_without_adapter, progress))
    return replace(report, covered=tuple(sorted(_passed(report) - _passed(without))))


@dataclass(frozen=True)
class _Wanted:
    """What `check` is given; with `passes_alone`, nothing is checked that can have no other result than not to pass."""

    inputs: Mapping[str, Any] | None
    upstream: Mapping[str, Any] | None
    select: Collection[str] | None
    timeout_s: float | None
    passes_alone: bool = False

    def of(self, module: ModuleUnderTest) -> list[Requirement]:
        """The requirements that are wanted, and that the module can pass if passing is all that counts."""
        named = [one for one in load_requirements().values() if self.select is None or one.id in self.select]
        is_lost = self.passes_alone and not module.works
        return [one for one in named if not (is_lost and _needs_good_answer(one, is_met=True))]


async def _report(subject: Target, wanted: _Wanted, progress: Progress) -> Report:
    started, began = datetime.now(UTC), time.monotonic()
    module = ModuleUnderTest(
        Probe(subject.url, served_by=subject.served_by),
        wanted.inputs,
        upstream=wanted.upstream or {},
        is_adapted=subject.behind is not None,
        timeout_s=wanted.timeout_s or DEFAULT_TIMEOUT_S,
        container=subject.container,
    )
    unreachable = subject.unreachable or await _first_answers(module, subject)
    chosen = wanted.of(module)
    bound = {one.id: one for one in chosen if module.is_bound_by(one)}
    if wanted.timeout_s is None and (why := too_slow(module, len({one.check for one in bound.values()}))):
        raise TargetError(why, ExitCode.USAGE)
    # An image that does not get ready can still be checked as an image.
    observed = await _observed(module, ["container"] if unreachable else CHECKS, set(bound), progress)
    return Report(
        subject=_subject(subject, module),
        findings=tuple(_finding(one, observed.get(one.id), module, unreachable) for one in chosen),
        kit_version=version("openpolicystack-contract"),
        contract_version=CONTRACT_VERSION,
        started_at=started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        duration_s=round(time.monotonic() - began, 3),
        unreachable=unreachable,
        secrets=subject.secrets,
        untested=module.untested,
    )


def _without_adapter(progress: Progress, name: str, done: int, total: int) -> None:
    progress(f"{name} without its adapter", done, total)


def _passed(report: Report) -> set[str]:
    return {finding.requirement.id for finding in report.findings if finding.verdict is Verdict.PASS}


async def _first_answers(module: ModuleUnderTest, subject: Target) -> str | None:
    """Request the health and one good answer, and keep both results. Returns why nothing answers."""
    first = await _first_health(module)
    if first.exchange.error is not None:
        return first.exchange.error
    module.health = first.fields
    for action in module.actions if subject.behind else ():
        seen = Seen(await module.execute(module.request(action=action)))
        if _lacks_steps(seen, module):
            module.untested[action] = str(seen.error.get("message"))
    good = Seen(await module.execute(module.request()))
    module.works = good.is_done
    if good.is_refusal and str(good.error.get("pointer")).startswith("/upstream"):
        module.untested[module.action] = str(good.error.get("message"))
    if good.is_done and (slow_s := good.exchange.seconds) > _SLOW_S:
        # The first answer may be late because the module was loading something, or the machine is busy.
        module.good_s = min(slow_s, await module.good_request_s())
    elif good.is_done:
        module.good_s = good.exchange.seconds
    if good.exchange.status is None:
        # A module that did not answer once is not worth the full wait for each of fifty requests.
        module.waited_s, module.timeout_s = good.exchange.seconds, _SHORTER_S
    return None


async def _first_health(module: ModuleUnderTest) -> Seen:
    """The first health: nobody waits long for a service that hangs, and one late answer is no reason to give up."""

    def is_in_time(found: Timed) -> bool:
        return found.seconds < _FIRST_ANSWER_S

    found = await timed(lambda: module.probe.send("GET", "/health", timeout_s=_FIRST_ANSWER_S), idle_machine, is_in_time)
    return found.seen


async def _observed(
    module: ModuleUnderTest, names: Collection[str], wanted: set[str], progress: Progress
) -> dict[str, Observation | Exception]:
    observed: dict[str, Observation | Exception] = {}
    for name in names:
        ids = {one for one in wanted & set(ids_of(name)) if not _is_broken(observed.get(one))}
        if not ids or (module.lost_after is not None and name not in _WITHOUT_ANSWERS):
            continue
        progress(name, len(wanted & observed.keys()), len(wanted))
        observed |= await _observed_by(name, module, ids)
        progress(name, len(wanted & observed.keys()), len(wanted))
    return observed


def _is_broken(found: Observation | Exception | None) -> bool:
    """Whether nothing that another check sees can change the verdict."""
    return isinstance(found, Observation) and found.met is False


async def _observed_by(name: str, module: ModuleUnderTest, ids: set[str]) -> dict[str, Observation | Exception]:
    """What one check observes of these requirements; nothing that a module which it has lost meanwhile could have answered."""
    observed: dict[str, Observation | Exception] = {}
    try:
        async with asyncio.timeout(longest_s(name, module)), aclosing(CHECKS[name](module)) as observations:
            async for observation in observations:
                if module.lost_after is not None and name not in _WITHOUT_ANSWERS:
                    break
                if observation.requirement in ids:
                    observed[observation.requirement] = observation
                if ids <= observed.keys():
                    break
    except TimeoutError:
        return observed
    except Exception as error:  # noqa: BLE001  # a fault of the kit must not count against the module
        return observed | dict.fromkeys(ids - observed.keys(), error)
    return observed


def _finding(
    requirement: Requirement, observation: Observation | Exception | None, module: ModuleUnderTest, unreachable: str | None
) -> Finding:
    if not module.is_bound_by(requirement):
        return Finding(requirement, Verdict.NOT_APPLICABLE, actual=_why_not_applicable(requirement))
    if isinstance(observation, Exception):
        return Finding(requirement, Verdict.KIT_ERROR, actual=f"the kit failed: {observation!r}")
    if observation is None:
        return _not_observed(requirement, module, unreachable)
    if observation.applies and (lacking := _lacking(requirement, observation, module)):
        asked = replace(requirement, remedy=_GIVE_RUN if module.is_adapted else _GIVE_STEPS)
        return Finding(asked, Verdict.NOT_TESTABLE, actual=f"not testable: {lacking}", exchanges=observation.exchanges)
    if observation.met is not None and not module.works and _needs_good_answer(requirement, is_met=observation.met):
        return Finding(requirement, Verdict.NOT_TESTABLE, actual=_NEEDS_A_GOOD_ANSWER, exchanges=observation.exchanges)
    return _judged(requirement, observation)


def _not_observed(requirement: Requirement, module: ModuleUnderTest, unreachable: str | None) -> Finding:
    if unreachable is None and module.lost_after is not None:
        return Finding(requirement, Verdict.NOT_TESTABLE, actual=_LOST, exchanges=(module.lost_after,))
    return Finding(requirement, Verdict.NOT_TESTABLE, actual=unreachable or unfinished(requirement.check, module))


def _lacking(requirement: Requirement, observation: Observation, module: ModuleUnderTest) -> str | None:
    """Which earlier steps are lacking so that nothing can be said; None when it can."""
    answered = next((seen for one in observation.exchanges if _lacks_steps(seen := Seen(one), module)), None)
    if observation.met is not True and answered is not None:
        return str(answered.error.get("message"))
    needs_good = _needs_good_answer(requirement, is_met=bool(observation.met))
    return next(iter(module.untested.values()), None) if needs_good and not module.works else None


def _lacks_steps(seen: Seen, module: ModuleUnderTest) -> bool:
    """Whether a request is refused because it lacks earlier steps, in the words of an adapter or of the first refusal."""
    is_told = str(seen.error.get("message")) in module.untested.values()
    return seen.is_refusal and (is_told or seen.error.get("code") == _UPSTREAM_MISSING)


def _why_not_applicable(requirement: Requirement) -> str:
    if requirement.profile == "container":
        return "checked only when the kit is given an image"
    return f"/health does not list the profile {requirement.profile}"


def _needs_good_answer(requirement: Requirement, *, is_met: bool) -> bool:
    return requirement.needs_good_answer == "always" or (is_met and requirement.needs_good_answer == "to_pass")


def _judged(requirement: Requirement, observation: Observation) -> Finding:
    if observation.met is None:
        verdict = Verdict.NOT_TESTABLE if observation.applies else Verdict.NOT_APPLICABLE
        if observation.see:
            requirement = replace(requirement, remedy=load_requirements()[observation.see].remedy)
        return Finding(requirement, verdict, actual=observation.actual, exchanges=observation.exchanges)
    if observation.met:
        return Finding(requirement, Verdict.PASS, exchanges=observation.exchanges)
    verdict = Verdict.FAIL if requirement.level == "MUST" else Verdict.WARN
    return Finding(requirement, verdict, observation.expected, observation.actual, observation.exchanges)


def _subject(target: Target, module: ModuleUnderTest) -> Subject:
    return Subject(
        target=target.name,
        url=module.probe.url,
        module=module.name,
        version=module.version,
        contract_versions=module.contract_versions,
        profiles=module.profiles,
        actions=module.actions if module.health else (),
        image_digest=target.image_digest,
    )
