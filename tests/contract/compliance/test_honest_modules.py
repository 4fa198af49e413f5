"""The kit asks nothing that SPEC.md does not say: modules that were written from it alone pass, also on a busy machine."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import pytest
from honest_modules import FOLDER, HONEST, Honest, busy, provided, served
from local_service import command

from ops_contract.compliance.result import ExitCode, Verdict

pytestmark = [pytest.mark.anyio, pytest.mark.proof]

BUSY_PROCESSES: Final = 4
_FINE: Final = {Verdict.PASS, Verdict.NOT_APPLICABLE}


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


async def checked(module: Honest) -> tuple[int | None, dict[str, Any]]:
    with served(module.words, FOLDER, **provided(module)) as url:
        return await kit(url, *(("--inputs", module.inputs) if module.inputs else ()))


@pytest.fixture(scope="module")
async def checks() -> dict[Honest, tuple[int | None, dict[str, Any]] | BaseException]:
    """What came of the check of each module: of all at once, so that each is beside the others and the busy processes."""
    for module in HONEST:
        with suppress(pytest.skip.Exception):
            provided(module)  # before the machine is busy, since it may have to be installed
    with busy(BUSY_PROCESSES):
        ended = await asyncio.gather(*map(checked, HONEST), return_exceptions=True)
    return dict(zip(HONEST, ended, strict=True))


@pytest.mark.parametrize("module", HONEST, ids=lambda module: module.name)
async def test_honest_module_passes_beside_busy_processes(
    module: Honest, checks: dict[Honest, tuple[int | None, dict[str, Any]] | BaseException], passed: list[Honest]
) -> None:
    ended = checks[module]
    if isinstance(ended, BaseException):
        raise ended
    code, report = ended
    found = {one["id"]: f"{one['verdict']}: {one['actual']}" for one in report["findings"] if one["verdict"] not in _FINE}
    assert sorted(found) == sorted(module.leaves_out), found
    assert code == ExitCode.COMPLIANT
    assert report["subject"]["profiles"] == list(module.profiles)
    passed.append(module)
