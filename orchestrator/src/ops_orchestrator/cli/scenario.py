"""`ops run` and `ops plan`: have a scenario run by the service, or see what would be run."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ops_contract.command_line import read_file, say
from ops_orchestrator.cli import tables
from ops_orchestrator.cli.ending import clause
from ops_orchestrator.cli.input_options import Inputs, with_inputs
from ops_orchestrator.cli.run_options import Deadline, Key, Labels, Pins, Seed, checked_key, with_run_options
from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.cli.terminal import AsJson, Url, on_terminal, show
from ops_orchestrator.cli.waiting import shown_when_over
from ops_orchestrator.errors import ConfigurationError, InvalidRequestError
from ops_orchestrator.exit_code import exit_code_of
from ops_orchestrator.modules.catalogue import load_catalogue
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.planning.scenario import Scenario, read_scenario
from ops_orchestrator.settings import Settings, read_settings

ScenarioFile = Annotated[Path, typer.Argument(metavar="FILE", help="A scenario in JSON; - reads standard input.")]


def run(  # noqa: PLR0913  # one parameter for each option
    *,
    file: ScenarioFile,
    label: Labels = None,
    deadline: Deadline = None,
    pin: Pins = None,
    seed: Seed = None,
    set_: Inputs = None,
    key: Key = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Run a scenario. Shows live progress on a terminal, and prints the answer as JSON when piped."""
    settings = read_settings(url=url)
    content = read_file(file)
    _scenario(file, content)
    scenario = with_run_options(with_inputs(content, set_ or ()), label or (), deadline, pin or (), seed)
    status = asyncio.run(_run(settings, scenario, checked_key(key), as_json=as_json or not on_terminal()))
    raise typer.Exit(exit_code_of(status))


def show_plan(file: ScenarioFile, as_json: AsJson = False) -> None:
    """Show the plan of a scenario. Nothing is executed and no service is needed."""
    settings = read_settings()
    steps = plan(_scenario(file, read_file(file)), load_catalogue(settings.modules_file, os.environ))
    show(steps.as_json(), lambda: tables.plan_table(steps), as_json=as_json)


async def _run(settings: Settings, scenario: bytes, key: str | None, *, as_json: bool) -> str:
    """Run a scenario and show it; returns the run's status."""
    sent_at = datetime.now(UTC)
    async with ServiceClient.at(settings.url, settings.api_key) as service:
        try:
            started = await service.start(scenario, key)
        except asyncio.CancelledError:
            sys.stderr.write("If it was started, the run goes on without you: ops runs list\n")
            raise
        if key is not None:
            await _say_if_earlier(service, str(started["run_id"]), key, sent_at)
        return await shown_when_over(service, started, as_json=as_json)


async def _say_if_earlier(service: ServiceClient, run_id: str, key: str, sent_at: datetime) -> None:
    """Say on standard error when the run was started before this command, since the rest of the output looks the same."""
    started_at = (await service.run(run_id))["started_at"]
    # Times of runs are in whole milliseconds.
    if datetime.fromisoformat(started_at) < sent_at.replace(microsecond=sent_at.microsecond // 1000 * 1000):
        say("ops", f"key {key}: this run was started at {started_at}; to run the scenario again, take another key")


def _scenario(file: Path, content: bytes) -> Scenario:
    """The scenario in a file. Raises ConfigurationError, which names the file."""
    name = "standard input" if str(file) == "-" else file
    try:
        return read_scenario(content)
    except InvalidRequestError as error:
        if any(problem.pointer == "/sweep" for problem in error.problems):
            raise ConfigurationError(f"{name} asks for a sweep; run it with `ops sweep {file}`") from error
        raise ConfigurationError(f"{name} is not a scenario: {clause(error)}") from error
