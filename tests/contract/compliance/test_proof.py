"""The proof that the kit works: of each stub that breaks one requirement, it reports that one and no other."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from typing import Final

import httpx2
import pytest
from kit_selection import asked_for, requirement_of
from local_service import MODULES, service

from ops_contract.compliance.check import check
from ops_contract.compliance.requirement import load_requirements
from ops_contract.compliance.result import Verdict
from ops_stubs.faults import VARIANTS, VIOLATIONS

pytestmark = [pytest.mark.anyio, pytest.mark.proof, pytest.mark.timeout(1800)]

AT_ONCE: Final = 5
ADMIN_S: Final = 300
MATRIX: Final = "data-layer"
OTHERS: Final = tuple(name for name in MODULES if name != MATRIX)
OVER_HTTP: Final = tuple(one.id for one in load_requirements().values() if one.profile != "container")
# What is measured in seconds is checked alone: the other checks would make everything slow.
ALONE: Final = ("OPS-HLT-003", "OPS-LIM-001", "OPS-LIM-002", "OPS-DET-003", "OPS-IDM-003")
DEPENDS_ON_RESULTS: Final = tuple(one for one in OVER_HTTP if one[4:7] in ("ART", "DET", "EVD", "FIG"))
"""What breaks these depends on what a module finds, so that it is tried with all of them."""


@pytest.fixture(scope="module")
def stub_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """By module, the addresses of stubs in which faults can be staged."""
    folder = tmp_path_factory.mktemp("stubs")
    with ExitStack() as started:

        def start(name: str) -> str:
            return started.enter_context(service(folder, "ops-stubs", "serve", name, "--admin", "--port", "0"))[1]

        yield {MATRIX: [start(MATRIX) for _ in range(AT_ONCE)], **{name: [start(name)] for name in OTHERS}}


async def reported(url: str, *violated: str, select: Collection[str] | None = None) -> dict[str, str]:
    """What the kit has against the stub at `url` while it breaks these requirements."""
    async with httpx2.AsyncClient(timeout=ADMIN_S) as admin:
        (await admin.put(f"{url}/__stub/faults", json={"violate": list(violated)})).raise_for_status()
    findings = (await check(url, select=select)).findings
    fine = (Verdict.PASS, Verdict.NOT_APPLICABLE)
    return {one.requirement.id: f"{one.verdict}: {one.actual}" for one in findings if one.verdict not in fine}


def area_of(requirement: str) -> set[str]:
    return {one for one in OVER_HTTP if one[:7] == requirement[:7]}


def test_every_requirement_has_a_stub_that_breaks_it() -> None:
    assert set(VIOLATIONS) == set(load_requirements())


async def test_kit_has_nothing_against_the_stub_that_breaks_nothing(stub_at: dict[str, list[str]]) -> None:
    assert await reported(stub_at[MATRIX][0]) == {}


async def test_each_broken_requirement_is_reported_and_no_other(
    stub_at: dict[str, list[str]], tell_score: Callable[[str], None]
) -> None:
    waiting = [requirement for requirement in OVER_HTTP if requirement not in ALONE]
    found: dict[str, dict[str, str]] = {}

    async def work_off(url: str) -> None:
        while waiting:
            requirement = waiting.pop(0)
            found[requirement] = await reported(url, requirement)

    await asyncio.gather(*map(work_off, stub_at[MATRIX]))
    for requirement in ALONE:
        found[requirement] = await reported(stub_at[MATRIX][0], requirement)
    wrong = {requirement: seen for requirement, seen in found.items() if set(seen) != {requirement}}
    tell_score(f"{len(found) - len(wrong)}/{len(OVER_HTTP)} broken requirements caught over HTTP, each alone")
    assert wrong == {}
    assert set(found) == set(OVER_HTTP)


async def test_each_variant_is_caught(stub_at: dict[str, list[str]], tell_score: Callable[[str], None]) -> None:
    waiting, found = list(VARIANTS), dict[str, set[str]]()

    async def work_off(url: str) -> None:
        while waiting:
            name = waiting.pop(0)
            found[name] = set(await reported(url, name, select=asked_for(name)))

    await asyncio.gather(*map(work_off, stub_at[MATRIX]))
    missed = [name for name in VARIANTS if found[name] != {requirement_of(name)}]
    tell_score(f"{len(VARIANTS) - len(missed)}/{len(VARIANTS)} variants caught, each shown by one probe alone")
    assert missed == []


async def test_what_results_can_break_is_reported_of_every_module(stub_at: dict[str, list[str]]) -> None:
    async def not_as_expected(name: str) -> dict[str, dict[str, str]]:
        """What was reported, by what was broken, where that is not the same and nothing else."""
        found = {one: await reported(stub_at[name][0], one, select=area_of(one)) for one in DEPENDS_ON_RESULTS}
        return {broken: seen for broken, seen in found.items() if set(seen) != {broken}}

    # Most of the time the kit waits, so that all of them take hardly longer than one.
    wrong = await asyncio.gather(*map(not_as_expected, OTHERS))
    assert {name: seen for name, seen in zip(OTHERS, wrong, strict=True) if seen} == {}
