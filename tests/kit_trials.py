"""A command that runs the compliance kit, whole or with an entry less, against stubs that it stages.

It reads one trial a line as JSON, runs each in a process of its own, and writes what was seen as one line of JSON.
"""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, Final

import uvicorn
from accomplice import LIES, Accomplice
from shortened_kit import Shortening

from ops_stubs.app import create_app
from ops_stubs.catalogue import STUBS
from ops_stubs.faults import Faults
from ops_stubs.faults.violation import Violation
from ops_stubs.faults.violations import violations_of

MODULE: Final = "data-layer"


@asynccontextmanager
async def _served(faults: Faults) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = create_app(STUBS[MODULE], faults=faults)
        server = uvicorn.Server(uvicorn.Config(app, ws="none", log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


async def _reported(url: str, checks: Collection[str], select: Collection[str]) -> dict[str, str]:
    # Imported here, so that each process has its own kit.
    from ops_contract.compliance.check import CHECKS, check  # noqa: PLC0415
    from ops_contract.compliance.result import Verdict  # noqa: PLC0415

    for name in CHECKS.keys() - {*checks}:
        del CHECKS[name]  # type: ignore[attr-defined]  # of this process alone, where no other check is of interest
    report = await check(url, select=set(select))
    fine = (Verdict.PASS, Verdict.NOT_APPLICABLE)
    found = {one.requirement: f"{one.verdict.value}: {one.actual}" for one in report.findings if one.verdict not in fine}
    open_ones = [one.requirement for one in report.findings if one.verdict is Verdict.NOT_TESTABLE]
    return {one.id: what for one, what in found.items() if one not in open_ones or one.check in checks}


async def _tried(trial: Any) -> list[dict[str, Any]]:
    """What the kit reports of each stub, one after the other, up to the first of which it reports what it is to find."""
    found = []
    faults = Faults()
    async with _served(faults) as url:
        for staged in trial["stubs"]:
            accomplice = Accomplice(staged.get("about", ()), staged.get("before", 0), LIES.get(staged.get("lie", "")))
            staged_ones: list[Violation] = [accomplice.as_violation(), *violations_of(staged.get("violate", ()))]
            faults.stage(staged_ones, ())
            reported = await _reported(url, trial["checks"], staged["select"])
            found.append({"reported": reported, "lied": accomplice.lied, "sent": [asdict(each) for each in accomplice.sent]})
            if bool(reported) is trial.get("until_reported"):
                break
    return found


def _run(line: str) -> str:
    trial = json.loads(line)
    if trial["without"]:
        Shortening(**trial["without"]).load()
    try:
        return json.dumps(asyncio.run(_tried(trial)))
    except Exception as error:  # noqa: BLE001 - told to whoever asked
        return json.dumps({"error": repr(error)})


def main() -> None:
    """Answer each line."""
    for line in sys.stdin:
        if child := os.fork():
            os.waitpid(child, 0)
            continue
        print(_run(line), flush=True)
        os._exit(0)


if __name__ == "__main__":
    main()
