"""The command `ops`.

Exit codes: 0 done, 1 the run did not complete, 2 usage, 3 cannot reach, 4 our bug, 130 interrupted.
"""

import asyncio
import os
import sys
import traceback
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.live import Live

from ops_orchestrator.cli import display
from ops_orchestrator.cli.modules import modules_app
from ops_orchestrator.cli.runs import runs_app
from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.cli.terminal import AsJson, Url, on_terminal, print_json, read_bytes, show
from ops_orchestrator.cli.up import up
from ops_orchestrator.cli.validate import validate
from ops_orchestrator.errors import (
    CannotReachError,
    ConfigurationError,
    OrchestratorError,
    RefusedError,
    RequestError,
    StoreError,
)
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.modules.catalogue import load_catalogue
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.planning.scenario import read_scenario
from ops_orchestrator.runs.answer import answer
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.settings import Settings, read_settings

_POLL_S: Final = 0.2


app = typer.Typer(
    help="Run OpenPolicyStack scenarios and look at what they left.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(modules_app, name="modules")
app.add_typer(runs_app, name="runs")
app.command()(up)
app.command()(validate)

ScenarioFile = Annotated[Path, typer.Argument(metavar="FILE", help="A scenario in JSON; - reads standard input.")]


def main() -> NoReturn:
    """Entry point: run the command and turn every error into a sentence and an exit code."""
    try:
        app()
    except (ConfigurationError, RequestError, StoreError) as error:
        _fail(ExitCode.USAGE, _sentence(error))
    except RefusedError as error:
        refused = {500: ExitCode.OUR_BUG, 503: ExitCode.UNREACHABLE}
        _fail(refused.get(error.status, ExitCode.USAGE), str(error))
    except CannotReachError as error:
        _fail(ExitCode.UNREACHABLE, str(error))
    except OrchestratorError as error:
        _fail(ExitCode.OUR_BUG, str(error))
    except Exception as error:  # noqa: BLE001  # the edge
        traceback.print_exc()
        _fail(ExitCode.OUR_BUG, f"this is a bug of ops, please report it: {error!r}")
    sys.exit(ExitCode.DONE)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default OPS_HOST or 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, 0 for a free one; default OPS_PORT or 8000.")
    ] = None,
    show_settings: Annotated[bool, typer.Option("--show-settings", help="Print the effective settings and stop.")] = False,
) -> None:
    """Start the orchestrator."""
    settings = read_settings(host=host, port=port)
    if show_settings:
        print_json(settings.model_dump(mode="json"))
        return
    # The service's libraries take most of a second, which no other command should wait for.
    from ops_orchestrator.service.server import serve_orchestrator  # noqa: PLC0415  # see above

    serve_orchestrator(settings)


@app.command()
def run(file: ScenarioFile, url: Url = None, as_json: AsJson = False) -> None:
    """Run a scenario: live progress on a terminal, the answer as JSON when piped."""
    settings = read_settings(url=url)
    scenario = read_bytes(file)
    read_scenario(scenario)
    status = asyncio.run(_run(settings, scenario, as_json=as_json or not on_terminal()))
    raise typer.Exit({"completed": ExitCode.DONE, "errored": ExitCode.OUR_BUG}.get(status, ExitCode.NOT_COMPLETED))


@app.command("plan")
def plan_command(file: ScenarioFile, as_json: AsJson = False) -> None:
    """Show the plan of a scenario; nothing is executed and no service is needed."""
    settings = read_settings()
    steps = plan(read_scenario(read_bytes(file)), load_catalogue(settings.modules_file, os.environ))
    show(steps.as_json(), display.plan_table(steps), as_json=as_json)


async def _run(settings: Settings, scenario: bytes, *, as_json: bool) -> str:
    """Run a scenario and show it; returns the run's status. A caller who stops waiting learns how to find the run."""
    async with ServiceClient.at(settings.url) as service:
        try:
            started = await service.start(scenario)
        except asyncio.CancelledError:
            sys.stderr.write("If it was started, the run goes on without you: ops runs list\n")
            raise
        run_id = str(started["run_id"])
        try:
            record = await _ended(service, run_id, visibly=not as_json)
        except asyncio.CancelledError:
            sys.stderr.write(f"The run goes on without you: ops runs show {run_id}\n")
            raise
        except CannotReachError as error:
            raise CannotReachError(f"{error}; how the run ended: ops runs show {run_id}") from error
        results = await service.results(run_id)
    artifacts_path = str(started["artifacts_path"])
    if as_json:
        print_json(answer(RunRecord.model_validate(record), Results.model_validate(results), artifacts_path))
    else:
        Console().print(display.run_view(record, results, Path(artifacts_path)))
    return str(record["status"])


async def _ended(service: ServiceClient, run_id: str, *, visibly: bool) -> dict[str, Any]:
    """The record of a run once it is over; until then its steps are displayed when `visibly`."""
    record = await service.run(run_id)
    view = Live(display.steps_table(record), transient=True) if visibly else nullcontext()
    with view as live:
        while record["status"] == "running":
            await asyncio.sleep(_POLL_S)
            record = await service.run(run_id)
            if live is not None:
                live.update(display.steps_table(record))
    return record


def _sentence(error: OrchestratorError) -> str:
    if isinstance(error, RequestError):
        return "\n  ".join([error.detail, *map(str, error.problems)])
    return str(error)


def _fail(code: ExitCode, message: str) -> NoReturn:
    sys.stderr.write(f"ops: {message}\n")
    sys.exit(code)
