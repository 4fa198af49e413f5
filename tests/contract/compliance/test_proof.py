"""The proof that the kit works: of each stub that breaks one requirement, it reports that one and no other."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import httpx2
import pytest
from local_service import service

from ops_contract.compliance.check import check
from ops_contract.compliance.requirement import load_requirements
from ops_contract.compliance.result import Report, Verdict
from ops_stubs.faults import VIOLATIONS

pytestmark = [pytest.mark.anyio, pytest.mark.proof, pytest.mark.timeout(600)]

AT_ONCE: Final = 5
# What is measured in seconds is checked alone: the other checks would make everything slow.
ALONE: Final = ("OPS-HLT-003", "OPS-LIM-001", "OPS-LIM-002", "OPS-DET-003")


@pytest.fixture(scope="module")
def stubs_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The addresses of stubs in which faults can be staged."""
    folder = tmp_path_factory.mktemp("stubs")
    words = ("ops-stubs", "serve", "data-layer", "--admin", "--port", "0")
    with ExitStack() as started:
        yield [started.enter_context(service(folder, *words))[1] for _ in range(AT_ONCE)]


async def reported(url: str, *violated: str) -> dict[str, str]:
    """What the kit has against the stub at `url` while it breaks these requirements."""
    async with httpx2.AsyncClient() as admin:
        (await admin.put(f"{url}/__stub/faults", json={"violate": list(violated)})).raise_for_status()
    return against(await check(url))


def against(report: Report) -> dict[str, str]:
    fine = (Verdict.PASS, Verdict.NOT_APPLICABLE)
    return {one.requirement.id: f"{one.verdict}: {one.actual}" for one in report.findings if one.verdict not in fine}


def test_every_requirement_has_a_stub_that_breaks_it() -> None:
    assert set(VIOLATIONS) == set(load_requirements())


async def test_kit_has_nothing_against_the_stub_that_breaks_nothing(stubs_at: list[str]) -> None:
    assert await reported(stubs_at[0]) == {}


async def test_each_broken_requirement_is_reported_and_no_other(stubs_at: list[str]) -> None:
    over_http = [identifier for identifier, one in load_requirements().items() if one.profile != "container"]
    waiting = [identifier for identifier in over_http if identifier not in ALONE]
    found: dict[str, dict[str, str]] = {}

    async def work_off(url: str) -> None:
        while waiting:
            requirement = waiting.pop(0)
            found[requirement] = await reported(url, requirement)

    await asyncio.gather(*map(work_off, stubs_at))
    for requirement in ALONE:
        found[requirement] = await reported(stubs_at[0], requirement)
    wrong = {requirement: seen for requirement, seen in found.items() if set(seen) != {requirement}}
    print(f"\n{len(found) - len(wrong)}/{len(over_http)} broken requirements caught, each alone")  # noqa: T201  # the score
    assert wrong == {}
    assert set(found) == set(over_http)
