"""The proof that the kit works: of each stub that breaks one requirement, it reports that one and no other."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
import uvicorn

from ops_contract.compliance.check import check
from ops_contract.compliance.requirement import load_requirements
from ops_contract.compliance.result import Report, Verdict
from ops_stubs.app import create_app
from ops_stubs.catalogue import STUBS
from ops_stubs.faults import VIOLATIONS, Faults

pytestmark = [pytest.mark.anyio, pytest.mark.proof, pytest.mark.timeout(600)]

STUB: Final = STUBS["data-layer"]
AT_ONCE: Final = 6
# What is measured in seconds is checked alone: the other checks would make everything slow.
ALONE: Final = ("OPS-HLT-003", "OPS-LIM-001", "OPS-LIM-002", "OPS-DET-003")


@asynccontextmanager
async def served(*violated: str) -> AsyncIterator[str]:
    """A stub that breaks these requirements, on a socket of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(STUB, faults=Faults(violated)), log_level="critical"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110  # it tells nobody
        await asyncio.sleep(0)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await serving


async def reported(requirement: str) -> tuple[str, dict[str, str]]:
    """What the kit has against a stub that breaks `requirement`."""
    async with served(requirement) as url:
        report = await check(url)
    return requirement, against(report)


def against(report: Report) -> dict[str, str]:
    fine = (Verdict.PASS, Verdict.NOT_APPLICABLE)
    return {one.requirement.id: f"{one.verdict}: {one.actual}" for one in report.findings if one.verdict not in fine}


def test_every_requirement_has_a_stub_that_breaks_it() -> None:
    assert set(VIOLATIONS) == set(load_requirements())


async def test_kit_has_nothing_against_the_stub_that_breaks_nothing() -> None:
    async with served() as url:
        assert against(await check(url)) == {}


async def test_each_broken_requirement_is_reported_and_no_other() -> None:
    over_http = [identifier for identifier, one in load_requirements().items() if one.profile != "container"]
    together = asyncio.Semaphore(AT_ONCE)

    async def one_of_several(requirement: str) -> tuple[str, dict[str, str]]:
        async with together:
            return await reported(requirement)

    found = dict(await asyncio.gather(*(one_of_several(one) for one in over_http if one not in ALONE)))
    for requirement in ALONE:
        found |= dict([await reported(requirement)])
    wrong = {requirement: seen for requirement, seen in found.items() if set(seen) != {requirement}}
    print(f"\n{len(found) - len(wrong)}/{len(found)} broken requirements caught, each alone")  # noqa: T201  # the score
    assert wrong == {}
