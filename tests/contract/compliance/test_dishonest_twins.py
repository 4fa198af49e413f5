"""The kit catches a module that breaks one sentence of SPEC.md, by the requirement that says so."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Final

import pytest

# They fill TWINS.
from contract.compliance.dishonest import answers, requests, results, served  # noqa: F401
from contract.compliance.dishonest.twin import TWINS, Twin

from ops_contract.compliance.check import check
from ops_contract.compliance.requirement import load_requirements
from ops_contract.compliance.result import Verdict

pytestmark = [pytest.mark.anyio, pytest.mark.proof]

AT_ONCE: Final = 6
TESTS: Final = Path(__file__).parents[2]
SECONDS: Final = frozenset({"OPS-HLT-003", "OPS-LIM-001", "OPS-LIM-002", "OPS-LIM-003", "OPS-DET-003", "OPS-IDM-003"})
"""What takes seconds to check, and so is asked only of the twins that break it."""

NOT_YET: Final[frozenset[str]] = frozenset()
"""Twins that the kit does not catch. Remove a name once it is caught; the score names those that can go."""


@pytest.fixture(scope="module")
def address() -> Iterator[dict[str, str]]:
    """By name of a twin, where it is; the honest module has no name."""
    words = [sys.executable, "-m", "contract.compliance.dishonest"]
    with Popen(words, cwd=TESTS, stdout=PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


async def reported(url: str, selected: set[str] | None) -> dict[str, str]:
    """What the kit has against the module at `url`."""
    findings = (await check(url, select=selected)).findings
    fine = (Verdict.PASS, Verdict.NOT_APPLICABLE)
    return {one.requirement.id: f"{one.verdict}: {one.actual}" for one in findings if one.verdict not in fine}


def selected(twin: Twin) -> set[str]:
    return set(twin.caught_by) if twin.alone else set(load_requirements()) - SECONDS | set(twin.caught_by)


def test_twins_name_requirements_that_exist() -> None:
    assert {one for twin in TWINS.values() for one in twin.caught_by} <= set(load_requirements())
    assert set(TWINS) >= NOT_YET


async def test_kit_has_nothing_against_the_honest_module(address: dict[str, str]) -> None:
    assert await reported(address[""], None) == {}


async def test_each_twin_is_caught_by_a_requirement_that_it_breaks(
    address: dict[str, str], tell_score: Callable[[str], None]
) -> None:
    waiting, missed = list(TWINS.values()), dict[str, list[str]]()

    async def work_off() -> None:
        while waiting:
            twin = waiting.pop(0)
            found = await reported(address[twin.name], selected(twin))
            if not found.keys() & set(twin.caught_by):
                missed[twin.name] = [f"{identifier} {what}" for identifier, what in found.items()]

    await asyncio.gather(*(work_off() for _ in range(AT_ONCE)))
    tell_score(f"{len(TWINS) - len(missed)}/{len(TWINS)} dishonest twins caught")
    if caught := sorted(NOT_YET - missed.keys()):
        tell_score(f"dishonest twins that are caught now and can leave NOT_YET: {caught}")
    assert {name: found for name, found in missed.items() if name not in NOT_YET} == {}
