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

pytestmark = [pytest.mark.anyio, pytest.mark.proof, pytest.mark.timeout(1800)]

AT_ONCE: Final = 6
TESTS: Final = Path(__file__).parents[2]
ALWAYS: Final = frozenset({"OPS-EXE-001", "OPS-VER-001", "OPS-ERR-001", "OPS-ERR-003"})
"""What is asked of every twin beside what it breaks: answers of every kind, in a second."""
EVERY_SHAPE: Final = frozenset({"OPS-ERR-004", "OPS-ERR-011", "OPS-LIM-003"})
"""What sends requests that are wrong in every way that the kit knows; asked of twins for which one of them may be too much."""

NOT_ASKED: Final = {
    "a change that is not the difference": "the numbers may each be rounded, so that SPEC.md has the keys judged alone",
}
"""By twin, why the kit need not catch it."""


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
    if twin.alone:
        return set(twin.caught_by)
    shapes = EVERY_SHAPE if {"OPS-ERR-006", "OPS-ERR-009"} & set(twin.caught_by) else frozenset()
    return {*ALWAYS, *shapes, *twin.caught_by}


def test_twins_name_requirements_that_exist() -> None:
    assert {one for twin in TWINS.values() for one in twin.caught_by} <= set(load_requirements())
    assert set(TWINS) >= set(NOT_ASKED)


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
    assert {name: found for name, found in missed.items() if name not in NOT_ASKED} == {}
    assert set(NOT_ASKED) <= set(missed)
