"""Runs the checks against a module and makes a report of what they saw."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

from ops_contract import CONTRACT_VERSION
from ops_contract.compliance.checks import artifacts, container, errors, golden, health, limits, repeats, seeds, versions
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.requirement import Requirement, load_requirements
from ops_contract.compliance.result import Finding, Report, Subject, Verdict
from ops_contract.compliance.targets.target import Target

Check = Callable[[ModuleUnderTest], AsyncGenerator[Observation]]

CHECKS: Final[tuple[tuple[Collection[str], Check], ...]] = tuple(
    (one_check.IDS, one_check.run)
    for one_check in (health, golden, versions, errors, limits, artifacts, seeds, repeats, container)
)
"""Which ids each one_check emits, and the one_check, in the order of their execution: the last one stops the container."""

SEEN_WITHOUT_EXECUTING: Final = frozenset(
    ("OPS-HLT-001", "OPS-HLT-002", "OPS-HLT-004", "OPS-HLT-005", "OPS-CTR-001", "OPS-CTR-002", "OPS-CTR-003")
)
"""What can be told of a module that answers no good request; that it refuses bad ones, too, says nothing of it."""

ASKS_FOR_A_GOOD_ANSWER: Final = frozenset(
    ("OPS-EXE-003", "OPS-VER-002", "OPS-ERR-009", "OPS-FWD-001", "OPS-LIM-002", "OPS-DET-004")
)
"""What such a module breaks only because of that."""

_TELLS_NOTHING: Final = "it does not answer a good request with 200 either; give inputs that it can work with (--inputs)"
_UNFINISHED: Final = "the module took too long over the calls of this check; give inputs that it is done with sooner (--inputs)"
_FIRST_ANSWER_S: Final = 5.0
_SHORTER_S: Final = 2.0

LONGEST_CHECK_S: Final = 60.0
"""Seconds after which a one_check is given up; what it has not emitted then could not be tested."""

LONGEST_WITH_CONTAINERS_S: Final = 240.0
"""The same for the one_check that starts containers, each of which has a minute to get ready."""


async def check(
    target: str | Target,
    *,
    inputs: Mapping[str, Any] | None = None,
    select: Collection[str] | None = None,
) -> Report:
    """Check a module: the one at a base URL, or a target that was started for this.

    `inputs` are good ones, for every action or by action; `select` limits the check to these ids.
    """
    started, began = datetime.now(UTC), time.monotonic()
    subject = Target.at(target) if isinstance(target, str) else target
    module = ModuleUnderTest(Probe(subject.url), inputs, container=subject.container)
    unreachable = subject.unreachable or await _met(module)
    requirements = load_requirements()
    chosen = [one for one in requirements.values() if select is None or one.id in select]
    # Of an image that does not get ready, something can still be said.
    checks = [one for one in CHECKS if not unreachable or one[1] is container.run]
    seen = await _observed(module, checks, {one.id for one in chosen if module.is_bound_by(one)})
    report = Report(
        subject=_subject(subject, module),
        findings=tuple(_finding(one, seen.get(one.id), module, unreachable) for one in chosen),
        kit_version=version("openpolicystack-contract"),
        contract_version=CONTRACT_VERSION,
        started_at=started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        duration_s=round(time.monotonic() - began, 3),
        unreachable=unreachable,
        secrets=subject.secrets,
    )
    if subject.behind is None or unreachable:
        return report
    bare = await check(subject.behind, inputs=inputs, select=select)
    return replace(report, covered=tuple(sorted(_passed(report) - _passed(bare))))


def _passed(report: Report) -> set[str]:
    return {finding.requirement.id for finding in report.findings if finding.verdict is Verdict.PASS}


async def _met(module: ModuleUnderTest) -> str | None:
    """Ask for the health and for one good answer, and remember what came. Returns why nothing answers."""
    first = await module.probe.send("GET", "/health", timeout_s=_FIRST_ANSWER_S)
    if first.error is not None:
        return first.error
    module.told = Seen(first).fields
    good = Seen(await module.execute(module.request()))
    module.works = good.is_done
    if good.exchange.status is None:
        # What did not answer once is not waited for as long again, some fifty times.
        module.timeout_s = _SHORTER_S
    return None


async def _observed(
    module: ModuleUnderTest, checks: Sequence[tuple[Collection[str], Check]], wanted: set[str]
) -> dict[str, Observation | Exception]:
    seen: dict[str, Observation | Exception] = {}
    for ids, one_check in checks:
        if not wanted & set(ids):
            continue
        try:
            async with asyncio.timeout(LONGEST_WITH_CONTAINERS_S if one_check is container.run else LONGEST_CHECK_S):
                async with aclosing(one_check(module)) as observations:
                    async for observation in observations:
                        seen[observation.requirement] = observation
                        if wanted & set(ids) <= seen.keys():
                            break
        except TimeoutError:
            continue
        except Exception as error:  # noqa: BLE001  # the kit's own mistake must not be taken for the module's
            seen.update((identifier, error) for identifier in ids if identifier not in seen)
    return seen


def _finding(
    requirement: Requirement, seen: Observation | Exception | None, module: ModuleUnderTest, unreachable: str | None
) -> Finding:
    if not module.is_bound_by(requirement):
        return Finding(requirement, Verdict.NOT_APPLICABLE, actual=_why_not_applicable(requirement))
    if isinstance(seen, Exception):
        return Finding(requirement, Verdict.KIT_ERROR, actual=f"the kit failed: {seen!r}")
    if seen is None or seen.met is None:
        why = seen.actual if seen else unreachable or _UNFINISHED
        return Finding(requirement, Verdict.NOT_TESTABLE, actual=why, exchanges=seen.exchanges if seen else ())
    if not module.works and _needs_an_answer(requirement.id, is_met=seen.met):
        return Finding(requirement, Verdict.NOT_TESTABLE, actual=_TELLS_NOTHING, exchanges=seen.exchanges)
    return _judged(requirement, seen)


def _why_not_applicable(requirement: Requirement) -> str:
    if requirement.profile == "container":
        return "checked only when the kit is given an image"
    return f"/health does not list the profile {requirement.profile}"


def _needs_an_answer(requirement: str, *, is_met: bool) -> bool:
    return requirement not in SEEN_WITHOUT_EXECUTING if is_met else requirement in ASKS_FOR_A_GOOD_ANSWER


def _judged(requirement: Requirement, seen: Observation) -> Finding:
    if seen.met:
        return Finding(requirement, Verdict.PASS, exchanges=seen.exchanges)
    verdict = Verdict.FAIL if requirement.level == "MUST" else Verdict.WARN
    return Finding(requirement, verdict, seen.expected, seen.actual, seen.exchanges)


def _subject(target: Target, module: ModuleUnderTest) -> Subject:
    return Subject(
        target=target.name,
        url=module.probe.url,
        module=module.name,
        version=module.version,
        contract_versions=module.contract_versions,
        profiles=module.profiles,
        actions=module.actions if module.told else (),
        image_digest=target.image_digest,
    )
