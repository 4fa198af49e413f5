"""`ops runs`: the stored runs, read from their folders; a service is needed to follow, cancel or resume one."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from typing import Annotated

import typer
from rich.console import Console, Group

from ops_contract.command_line import add_deferred, new_group, print_json_text, say
from ops_orchestrator.cli import display, tables
from ops_orchestrator.cli.following import followed, status_at_the_end
from ops_orchestrator.cli.old_runs import prune, show_usage
from ops_orchestrator.cli.reproduction_view import reproduced_by, reproduction_lines
from ops_orchestrator.cli.run_control import cancel, resume
from ops_orchestrator.cli.run_ids import RunId, find_run_id, served_run_id
from ops_orchestrator.cli.run_store import existing_store
from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.cli.terminal import AsJson, Url, on_terminal, show
from ops_orchestrator.cli.waiting import say_how_to_go_on
from ops_orchestrator.errors import ConfigurationError, InvalidRequestError
from ops_orchestrator.exit_code import exit_code_of
from ops_orchestrator.runs.import_damage import import_damage
from ops_orchestrator.runs.record import LOGS
from ops_orchestrator.runs.run_filter import EVERY_RUN, read_filter
from ops_orchestrator.runs.run_summary import ListedStatus
from ops_orchestrator.settings import Settings, read_settings

runs_app = new_group("Look at runs, cancel or resume one.")

_TIME = "a date or a time such as 2026-01-09T12:34:56Z; a date is its beginning in UTC"


@runs_app.command("list")
def list_runs(  # noqa: PLR0913  # one parameter for each option
    *,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 20,
    scenario_id: Annotated[str | None, typer.Option(help="Only runs of this scenario.")] = None,
    status: Annotated[ListedStatus | None, typer.Option(help="Only runs with this status.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY[=VALUE]", help="Only runs with this label; repeatable.")
    ] = None,
    module: Annotated[str | None, typer.Option(help="Only runs that call this module.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help=f"Only runs that started at this time or later: {_TIME}.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only runs that started before this time.")] = None,
    fingerprint: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="Only runs whose recipe or result fingerprint has this prefix: at least 8 digits."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first, from the run folders."""
    with _named_options(), existing_store() as store:
        where = read_filter(
            scenario_id=scenario_id,
            status=status,
            labels=label or (),
            module=module,
            since=since,
            until=until,
            fingerprint=fingerprint,
        )
        page = store.page(limit, where=where)
    listed = [run.model_dump(mode="json", exclude_unset=True) for run in page.runs]
    nothing = "No run matches." if where != EVERY_RUN else "There are no runs yet; start one with `ops run FILE`."
    show(listed, lambda: tables.runs_table(listed) if listed else display.plain(nothing), as_json=as_json)
    if not page.is_complete:
        typer.echo("The list of runs is not complete yet: runs are still being read; try again soon.", err=True)


@runs_app.command("show")
def show_run(run: RunId, as_json: AsJson = False) -> None:
    """Show one run, from its folder."""
    with existing_store() as store:
        run_id = find_run_id(store, run)
        stored = store.record(run_id)
        results = store.results(run_id).model_dump(mode="json")
        reproductions = reproduced_by(store, run_id)
        folder = store.location(run_id)
        damage = import_damage(store.run(run_id))
        # Read again: the run may have ended meanwhile.
        is_left = not stored.is_over and run_id in store.abandoned() and not store.record(run_id).is_over
    record = stored.model_dump(mode="json")
    lines = [*reproduction_lines(record), *reproductions]
    show(record, lambda: Group(display.run_view(record, results, folder), *lines), as_json=as_json)
    if damage:
        say("ops", f"{damage}; `ops runs verify {run_id}` says what is wrong with it now")
    if is_left:
        say(
            "ops", f"{run_id} is {stored.status}, but no service executes it; `ops serve` ends it as interrupted, or resumes it"
        )


@runs_app.command("logs")
def show_logs(
    run: RunId,
    follow: Annotated[bool, typer.Option("--follow", help="Ask the service, and go on until the run is over.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show what happened in a run, from its folder, or with --follow what happens in it, from the service."""
    if follow:
        status = asyncio.run(_follow(read_settings(url=url), run, as_json=as_json))
        raise typer.Exit(exit_code_of(status))
    with existing_store() as store:
        raw = store.document(find_run_id(store, run), LOGS)
    if as_json or not on_terminal():
        print_json_text(raw)
        return
    for line in raw.splitlines():
        Console().print(display.log_text(line))


runs_app.command("cancel")(cancel)
runs_app.command("resume")(resume)
add_deferred(runs_app, "verify", "ops_orchestrator.cli.verify:verify", "Check that a run is intact, without a service.")
add_deferred(runs_app, "diff", "ops_orchestrator.cli.diff:diff", "Say what differs between two runs, and why.")
add_deferred(runs_app, "compare", "ops_orchestrator.cli.compare:compare", "Put the key figures of several runs side by side.")
add_deferred(runs_app, "evidence", "ops_orchestrator.cli.evidence:show_evidence", "Show what the figures of a run rest on.")
add_deferred(
    runs_app, "reproduce", "ops_orchestrator.cli.reproduce:reproduce", "Run a stored run again and grade the difference."
)
add_deferred(runs_app, "expect", "ops_orchestrator.cli.expectations:expect", "Write down what a run must come to.")
add_deferred(runs_app, "check", "ops_orchestrator.cli.expectations:check", "Run a scenario and judge what it comes to.")
add_deferred(runs_app, "export", "ops_orchestrator.cli.archive:export_runs", "Put runs into a zip file.")
add_deferred(runs_app, "import", "ops_orchestrator.cli.archive:import_runs", "Take runs from a zip file into the store.")
add_deferred(runs_app, "report", "ops_orchestrator.cli.report:report", "Write a run as one HTML file, to be opened anywhere.")
add_deferred(runs_app, "cite", "ops_orchestrator.cli.cite:cite", "Print how to cite a run.")
add_deferred(runs_app, "script", "ops_orchestrator.cli.script:script", "Print a run as a script of curl or Python.")
add_deferred(runs_app, "sync", "ops_orchestrator.cli.sync:sync", "Copy runs from one store into another.")
runs_app.command("prune")(prune)
runs_app.command("usage")(show_usage)


async def _follow(settings: Settings, run: str, *, as_json: bool) -> str:
    """Print the lines of a run's log as they come; returns how the run ended. A caller who stops is told how to go on."""
    status = None
    async with ServiceClient.at(settings.url, settings.api_key) as service:
        run_id = await served_run_id(service, run)
        try:
            async with aclosing(followed(service, run_id, partial(say, "ops"))) as lines:
                async for line in lines:
                    status = status_at_the_end(line)
                    if as_json or not on_terminal():
                        print_json_text(line + b"\n")
                    else:
                        Console().print(display.log_text(line))
        except asyncio.CancelledError:
            say_how_to_go_on(run_id)
            raise
    return status or ""


@contextmanager
def _named_options() -> Iterator[None]:
    """Name filters as the command line does."""
    try:
        yield
    except InvalidRequestError as error:
        named = (f"--{problem.pointer.replace('_', '-')} {problem.message}" for problem in error.problems)
        raise ConfigurationError("; ".join(named)) from error
