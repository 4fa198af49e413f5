"""A command that runs the compliance kit, whole or with an entry less, against stubs that it stages.

It reads one trial a line as JSON, runs each in a process of its own, and writes what was seen as one line of JSON.
"""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import aclosing, asynccontextmanager
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


def _up_to_broken(run: Any) -> Any:
    """The check, ended by the first requirement that it finds broken."""

    async def ended(module: Any) -> AsyncIterator[Any]:
        async with aclosing(run(module)) as observations:
            async for one in observations:
                yield one
                if one.met is False:
                    break

    return ended


async def _findings(url: str, checks: Collection[str], select: Collection[str]) -> dict[str, dict[str, str]]:
    """What a check that was not hindered would have against the stub, and what of it is a failure."""
    from ops_contract.compliance.check import check  # noqa: PLC0415 - as in _keep
    from ops_contract.compliance.result import Verdict  # noqa: PLC0415

    found = (await check(url, select=set(select))).findings
    broken = [one for one in found if one.verdict in (Verdict.FAIL, Verdict.WARN)]
    failed = [one for one in found if one.verdict is Verdict.KIT_ERROR]
    unseen = [one for one in found if one.verdict is Verdict.NOT_TESTABLE and one.requirement.check in checks]
    return {
        "broken": {one.requirement.id: one.actual for one in broken},
        "reported": {one.requirement.id: f"{one.verdict.value}: {one.actual}" for one in (*broken, *failed, *unseen)},
    }


def _keep(checks: Collection[str], *, up_to_broken: bool) -> None:
    """Have the kit of this process run these checks only, so that a trial takes no longer than it must."""
    from ops_contract.compliance.check import CHECKS  # noqa: PLC0415 - each process has its own kit

    kept = {name: _up_to_broken(run) if up_to_broken else run for name, run in CHECKS.items() if name in checks}
    CHECKS.clear()  # type: ignore[attr-defined]  # a dictionary
    CHECKS.update(kept)  # type: ignore[attr-defined]


async def _tried(trial: Any) -> list[dict[str, Any]]:
    """What the kit reports of each stub, one after the other, up to the first that it fails, or does not fail."""
    found: list[dict[str, Any]] = []
    faults = Faults()
    _keep(trial["checks"], up_to_broken=trial.get("until_failed", False))
    async with _served(faults) as url:
        for staged in trial["stubs"]:
            accomplice = Accomplice(staged.get("about", ()), staged.get("before", 0), LIES.get(staged.get("lie", "")))
            staged_ones: list[Violation] = [accomplice.as_violation(), *violations_of(staged.get("violate", ()))]
            faults.stage(staged_ones, ())
            findings = await _findings(url, trial["checks"], staged["select"])
            found.append({**findings, "sent": [asdict(each) for each in accomplice.sent]})
            if bool(findings["broken"]) is trial.get("until_failed"):
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
        sys.stdout.write(f"{_run(line)}\n")
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
