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
ALWAYS: Final = frozenset({"OPS-EXE-001", "OPS-VER-001", "OPS-ERR-001", "OPS-ERR-003"})
"""What is asked of every twin beside what it breaks: answers of every kind, in a second."""
EVERY_SHAPE: Final = frozenset({"OPS-ERR-004"})
"""What sends a request for each rule of the schema; asked of twins for which one of them may be too much."""

NOT_YET: Final = frozenset(
    {
        "Infinity is read as JSON",
        "NaN in outputs for one seed",
        "UTF-16 is read",
        "a change that is not the difference",
        "a deadline below 0 means none",
        "a deadline of 0 means none",
        "a deadline of null is refused",
        "a file differs for the seed 0",
        "a key stands twice in errors",
        "a line end may follow an identifier",
        "a missed deadline is 408",
        "a path in details",
        "a repeat in another order is another body",
        "a repeat with 1.0 for 1 is another body",
        "a repeat with white space is another body",
        "a seed of 2^31 is served",
        "a seed of null is 0",
        "a stack trace in details",
        "a step without outputs fails",
        "a step's artifacts are not judged",
        "a step's evidence is not judged",
        "a step's module may be left out",
        "a step's outputs may be left out",
        "an action in an array is the action",
        "an action of null fails",
        "another scenario gets the first answer",
        "another upstream gets the first answer",
        "bytes that are not UTF-8 are replaced",
        "comments are read",
        "errors are problem+json",
        "errors are text/html by their media type",
        "evidence differs between calls",
        "half of a surrogate pair fails",
        "inputs of [] are {}",
        "inputs of null are {}",
        "only the first seed repeats its result",
        "options of null are {}",
        "options of null fail",
        "scenario_id has no bound",
        "scenario_id may be a number",
        "scenario_id may be empty",
        "scenario_id may be left out",
        "single quotes are read",
        "step ids are not judged",
        'the deadline "5" is 5',
        "the deadline is read in milliseconds",
        "the deadline true is 1",
        "the key is the step alone",
        "the largest seed means any",
        "the name differs on errors",
        "the name is missing on errors",
        "the next request fails after a broken schema",
        "the next request fails after a large body",
        "the next request fails after an unknown action",
        "the next request fails after an unsupported version",
        "the next request fails after malformed JSON",
        "the order of inputs matters",
        "the run's header changes the result",
        "the same trace always",
        "the scenario in outputs",
        "the seed 0 means any",
        "the seed 1 means any",
        "the supported versions are not told",
        "the trace changes the result",
        "the unknown action is told in place of the known",
        "the version 1.0 as a number is the version",
        "the version is judged last",
        "upstream of [] is {}",
        "upstream of null is {}",
        "version 0.9 is served",
        "version 10.0 is served as 1.0 is",
        "version 2.0 is served",
        "what follows the JSON value is ignored",
    }
)
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
    if twin.alone:
        return set(twin.caught_by)
    shapes = EVERY_SHAPE if {"OPS-ERR-006", "OPS-ERR-009"} & set(twin.caught_by) else frozenset()
    return {*ALWAYS, *shapes, *twin.caught_by}


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
