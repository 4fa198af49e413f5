"""A module behind an adapter, which the orchestrator's command serves as a module that follows the contract."""

import asyncio
import json
import shlex
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ops_contract.compliance.result import ExitCode
from ops_contract.compliance.targets.errors import TargetError
from ops_contract.compliance.targets.local_command import command_target, found_command
from ops_contract.compliance.targets.target import Target

_PACKAGE: Final = "openpolicystack-orchestrator"


@asynccontextmanager
async def adapter_target(
    modules_file: Path, name: str, run: str | None = None, runs_dir: Path | None = None
) -> AsyncIterator[Target]:
    """The module `name` of a modules.yaml through its adapter. Raises TargetError when it cannot be served.

    Earlier steps that its actions need are those of the run `run` in the folder `runs_dir`, or else the modules of the file
    are called for them.
    """
    given = (name, "--modules-file", str(modules_file))
    declared = await _declared(given)
    if "adapter" not in declared:
        message = f"{name} has no adapter: it follows the contract itself; check {declared['url']}"
        raise TargetError(message, ExitCode.USAGE)
    folder = ("--runs-dir", str(runs_dir)) if runs_dir else ()
    earlier = ("--run", run, *folder) if run else ("--chain",)
    words = ("ops", "modules", "serve", *given, *earlier, "--host", "127.0.0.1", "--port")
    async with command_target((*words, "0"), f"{name} through the adapter in {modules_file}", _PACKAGE) as target:
        served_by = shlex.join((*words, str(urlsplit(target.url).port)))
        yield replace(target, behind=declared["url"], served_by=served_by)


async def _declared(given: tuple[str, ...]) -> dict[str, Any]:
    """The module's entry in the file. Raises TargetError with the orchestrator's own message."""
    process = await asyncio.create_subprocess_exec(
        found_command("ops", _PACKAGE), "modules", "show", *given, "--json", stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    output, message = await process.communicate()
    if process.returncode:
        exit_code = ExitCode.USAGE if process.returncode == ExitCode.USAGE else ExitCode.KIT_ERROR
        raise TargetError(message.decode(errors="replace").strip().removeprefix("ops: "), exit_code)
    declared: dict[str, Any] = json.loads(output)
    return declared
