"""Waiting on the command line for a run that a service executes, and showing it when it is over."""

import asyncio
import sys
from typing import Any

from rich.console import Console

from ops_contract.command_line import print_json
from ops_orchestrator.cli import display
from ops_orchestrator.cli.progress import run_ended
from ops_orchestrator.cli.reproduction_view import reproduction_lines
from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.errors import CannotReachError
from ops_orchestrator.runs.answer import answer
from ops_orchestrator.runs.record import Results, RunRecord


async def shown_when_over(service: ServiceClient, begun: dict[str, Any], *, as_json: bool) -> str:
    """Wait for the run of the answer `begun` and show it; returns its status. Whoever stops waiting learns how to go on."""
    run_id = str(begun["run_id"])
    try:
        record = await run_ended(service, run_id, visibly=not as_json)
        results = await service.results(run_id)
    except asyncio.CancelledError:
        say_how_to_go_on(run_id)
        raise
    except CannotReachError as error:
        raise CannotReachError(f"{error}; how the run ended: ops runs show {run_id}") from error
    show_run(record, results, str(begun["artifacts_path"]), as_json=as_json)
    return str(record["status"])


def show_run(record: dict[str, Any], results: dict[str, Any], artifacts_path: str, *, as_json: bool) -> None:
    """Print a run that is over: for people, or the answer as JSON."""
    if as_json:
        print_json(answer(RunRecord.model_validate(record), Results.model_validate(results), artifacts_path))
    else:
        view = display.run_view(record, results, artifacts_path.removesuffix("/"))
        Console().print(view, *reproduction_lines(record), sep="\n", crop=False)


def say_how_to_go_on(run_id: str) -> None:
    """Say on standard error what can be done with a run that goes on without its caller."""
    sys.stderr.write(
        "The run goes on without you.\n"
        f"  To watch it:   ops runs logs {run_id} --follow\n"
        f"  To cancel it:  ops runs cancel {run_id}\n"
    )
