"""`ops run` and `ops plan`: have a scenario run by the service, or see what would be run."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ops_contract.command_line import print_json, read_file
from ops_orchestrator.cli import display
from ops_orchestrator.cli.ending import sentence
from ops_orchestrator.cli.progress import run_ended
from ops_orchestrator.cli.run_options import Deadline, Labels, with_run_options
from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.cli.terminal import AsJson, Url, on_terminal, show
from ops_orchestrator.errors import CannotReachError, ConfigurationError, InvalidRequestError
from ops_orchestrator.exit_code import exit_code_of
from ops_orchestrator.modules.catalogue import load_catalogue
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.planning.scenario import Scenario, read_scenario
from ops_orchestrator.runs.answer import answer
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.settings import Settings, read_settings

ScenarioFile = Annotated[Path, typer.Argument(metavar="FILE", help="A scenario in JSON; - reads standard input.")]


def run(file: ScenarioFile, label: Labels = None, deadline: Deadline = None, url: Url = None, as_json: AsJson = False) -> None:
    """Run a scenario. Shows live progress on a terminal, and prints the answer as JSON when piped."""
    settings = read_settings(url=url)
    content = read_file(file)
    _scenario(file, content)
    scenario = with_run_options(content, label or (), deadline)
    status = asyncio.run(_run(settings, scenario, as_json=as_json or not on_terminal()))
    raise typer.Exit(exit_code_of(status))


def show_plan(file: ScenarioFile, as_json: AsJson = False) -> None:
    """Show the plan of a scenario. Nothing is executed and no service is needed."""
    settings = read_settings()
    steps = plan(_scenario(file, read_file(file)), load_catalogue(settings.modules_file, os.environ))
    show(steps.as_json(), lambda: display.plan_table(steps), as_json=as_json)


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
            record = await run_ended(service, run_id, visibly=not as_json)
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


def _scenario(file: Path, content: bytes) -> Scenario:
    """The scenario in a file. Raises ConfigurationError, which names the file."""
    name = "standard input" if str(file) == "-" else file
    try:
        return read_scenario(content)
    except InvalidRequestError as error:
        reason = sentence(error)
        raise ConfigurationError(f"{name} is not a scenario: {reason[:1].lower()}{reason[1:]}") from error
