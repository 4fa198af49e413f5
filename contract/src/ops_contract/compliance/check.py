"""Runs the checks against a module and makes a report of what they saw."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

from ops_contract import CONTRACT_VERSION
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.requirement import Requirement, load_requirements
from ops_contract.compliance.result import Finding, Report, Subject, Verdict
from ops_contract.compliance.scenarios import artifacts, errors, golden, health, limits, repeats, seeds, versions

Scenario = Callable[[ModuleUnderTest], AsyncIterator[Observation]]

SCENARIOS: Final[tuple[tuple[Collection[str], Scenario], ...]] = tuple(
    (scenario.IDS, scenario.run) for scenario in (health, golden, versions, errors, limits, artifacts, seeds, repeats)
)
"""Which ids each scenario emits, and the scenario, in the order of their execution."""

LONGEST_SCENARIO_S: Final = 60.0
"""Seconds after which a scenario is given up; what it has not emitted then could not be tested."""


async def check(
    url: str,
    *,
    inputs: Mapping[str, Any] | None = None,
    select: Collection[str] | None = None,
    target: str | None = None,
) -> Report:
    """Check the module at `url`, which the report calls `target`.

    `inputs` are good ones, for every action or by action; `select` limits the check to these ids.
    """
    started, began = datetime.now(UTC), time.monotonic()
    module = ModuleUnderTest(Probe(url), inputs or {})
    first = await module.probe.send("GET", "/health", timeout_s=10)
    module.told = Seen(first).fields
    requirements = load_requirements()
    chosen = [one for one in requirements.values() if select is None or one.id in select]
    unreachable = first.error if first.status is None else None
    seen = {} if unreachable else await _observed(module, {one.id for one in chosen})
    return Report(
        subject=_subject(target or url, module),
        findings=tuple(_finding(one, seen.get(one.id), module) for one in chosen),
        kit_version=version("openpolicystack-contract"),
        contract_version=CONTRACT_VERSION,
        started_at=started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        duration_s=round(time.monotonic() - began, 3),
        unreachable=unreachable,
    )


async def _observed(module: ModuleUnderTest, wanted: set[str]) -> dict[str, Observation | Exception]:
    seen: dict[str, Observation | Exception] = {}
    for ids, scenario in SCENARIOS:
        if not wanted & set(ids):
            continue
        try:
            async with asyncio.timeout(LONGEST_SCENARIO_S):
                async for observation in scenario(module):
                    seen[observation.requirement] = observation
        except TimeoutError:
            continue
        except Exception as error:  # noqa: BLE001  # the kit's own mistake must not be taken for the module's
            seen.update((identifier, error) for identifier in ids if identifier not in seen)
    return seen


def _finding(requirement: Requirement, seen: Observation | Exception | None, module: ModuleUnderTest) -> Finding:
    if requirement.profile == "container":
        return Finding(requirement, Verdict.NOT_APPLICABLE, actual="checked only when the kit is given an image")
    if requirement.profile != "core" and requirement.profile not in module.profiles:
        return Finding(requirement, Verdict.NOT_APPLICABLE, actual=f"/health does not list the profile {requirement.profile}")
    if isinstance(seen, Exception):
        return Finding(requirement, Verdict.KIT_ERROR, actual=f"the kit failed: {seen!r}")
    if seen is None or seen.met is None:
        why = seen.actual if seen else "the check did not come to an end"
        return Finding(requirement, Verdict.NOT_TESTABLE, actual=why, exchanges=seen.exchanges if seen else ())
    if seen.met:
        return Finding(requirement, Verdict.PASS, exchanges=seen.exchanges)
    verdict = Verdict.FAIL if requirement.level == "MUST" else Verdict.WARN
    return Finding(requirement, verdict, seen.expected, seen.actual, seen.exchanges)


def _subject(target: str, module: ModuleUnderTest) -> Subject:
    return Subject(
        target=target,
        url=module.probe.url,
        module=module.name,
        version=module.version,
        contract_versions=module.contract_versions,
        profiles=module.profiles,
        actions=module.actions if module.told else (),
    )
