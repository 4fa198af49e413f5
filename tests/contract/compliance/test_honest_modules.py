"""The kit asks nothing that SPEC.md does not say: modules that were written from it alone pass, also on a busy machine."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from honest_modules import FOLDER, HONEST, Honest, busy, provided, served
from local_service import command

from ops_contract.compliance.result import ExitCode, Verdict

pytestmark = [pytest.mark.anyio, pytest.mark.proof]

BUSY_PROCESSES: Final = 4
_FINE: Final = {Verdict.PASS, Verdict.NOT_APPLICABLE}


@pytest.fixture(scope="module")
def busy_machine() -> Iterator[None]:
    with busy(BUSY_PROCESSES):
        yield


@pytest.fixture(scope="module")
def passed(tell_score: Callable[[str], None]) -> Iterator[list[Honest]]:
    """Takes the modules that passed; at the end, the list is printed."""
    modules: list[Honest] = []
    yield modules
    listed = "".join(f"\n  {module}" for module in modules)
    tell_score(f"{len(modules)}/{len(HONEST)} honest modules pass beside {BUSY_PROCESSES} busy processes:{listed}")


async def kit(url: str, *words: str) -> tuple[int | None, dict[str, Any]]:
    """The exit code and the report of the kit's public command."""
    told = [command("ops-contract"), "check", url, "--json", *words]
    running = await asyncio.create_subprocess_exec(*told, cwd=FOLDER, stdout=asyncio.subprocess.PIPE)
    printed, _ = await running.communicate()
    return running.returncode, json.loads(printed)


@pytest.mark.parametrize("module", HONEST, ids=lambda module: module.name)
async def test_honest_module_passes_beside_busy_processes(
    module: Honest, request: pytest.FixtureRequest, passed: list[Honest]
) -> None:
    settings = provided(module)  # before the machine is busy, since it may have to be installed
    request.getfixturevalue("busy_machine")
    with served(module.words, FOLDER, **settings) as url:
        inputs = ("--inputs", module.inputs) if module.inputs else ()
        code, report = await kit(url, *inputs)
    found = {one["id"]: f"{one['verdict']}: {one['actual']}" for one in report["findings"] if one["verdict"] not in _FINE}
    assert sorted(found) == sorted(module.leaves_out), found
    assert code == ExitCode.COMPLIANT
    assert report["subject"]["profiles"] == list(module.profiles)
    passed.append(module)
