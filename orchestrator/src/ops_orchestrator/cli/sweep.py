"""`ops sweep`: run a scenario for many values and seeds, by the service or with --local in this process."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ops_contract.command_line import new_group, print_json, read_file, say
from ops_orchestrator.cli.display import plain
from ops_orchestrator.cli.ending import clause
from ops_orchestrator.cli.run_ids import Kind, named_id
from ops_orchestrator.cli.run_store import existing_store
from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.cli.sweep_display import MOST_FAILED, sweep_view, sweeps_view
from ops_orchestrator.cli.sweep_progress import sweep_ended
from ops_orchestrator.cli.sweeps_at import Sweeps, sweeps_of
from ops_orchestrator.cli.terminal import AsJson, Url, on_terminal, show
from ops_orchestrator.errors import ConfigurationError, InvalidRequestError
from ops_orchestrator.exit_code import exit_code_of
from ops_orchestrator.planning.sweep import read_sweep
from ops_orchestrator.runs.run_id import SWEEP_ID
from ops_orchestrator.runs.sweeps.answers import PointList, SweepAnswer
from ops_orchestrator.runs.sweeps.opening import open_sweeps
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore
from ops_orchestrator.settings import Settings, read_settings

_KIND: Final = Kind("sweep", "ops sweep FILE", "ops sweep list")

sweep = new_group("Run a scenario for many values and seeds. `ops sweep FILE` is `ops sweep run FILE`.", default="run")

SweepFile = Annotated[Path, typer.Argument(metavar="FILE", help="A scenario with `sweep`, in JSON; - reads standard input.")]
SweepId = Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's id or the beginning of it; latest for the newest.")]
Local = Annotated[bool, typer.Option("--local", help="In this process, without a service, in the store of this folder.")]


@sweep.command("run")
def run(file: SweepFile, local: Local = False, url: Url = None, as_json: AsJson = False) -> None:
    """Run a sweep. Shows progress, and then what became of it; exits 1 when a point did not complete."""
    settings = read_settings(url=url)
    content = read_file(file)
    _check(file, content, settings)
    status = asyncio.run(_run(settings, content, local=local, as_json=as_json or not on_terminal()))
    raise typer.Exit(exit_code_of(status))


@sweep.command("resume")
def resume(sweep_id: SweepId, local: Local = False, url: Url = None, as_json: AsJson = False) -> None:
    """Go on with a sweep that is over: its points that did not complete are run."""
    settings = read_settings(url=url)
    status = asyncio.run(_resume(settings, sweep_id, local=local, as_json=as_json or not on_terminal()))
    raise typer.Exit(exit_code_of(status))


@sweep.command("cancel")
def cancel(sweep_id: SweepId, local: Local = False, url: Url = None, as_json: AsJson = False) -> None:
    """Cancel a sweep that is running. What its runs found is kept, and it can be resumed."""
    settings = read_settings(url=url)
    if local:
        with _stored() as store:
            found = named_id(sweep_id, store.ids(), _KIND)
            if store.state(found).is_over:
                raise ConfigurationError(
                    f"{found} is {store.state(found).status}: only a sweep that is running can be cancelled"
                )
            store.ask_to_cancel(found, "ops sweep cancel --local")
        typer.echo(f"{found} is being cancelled; see it with `ops sweep show {found}`", err=True)
        return
    cancelled = asyncio.run(_cancel(settings, sweep_id))
    show(cancelled, lambda: sweep_view(cancelled, ()), as_json=as_json)


@sweep.command("list")
def list_sweeps(
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 20, as_json: AsJson = False
) -> None:
    """List sweeps, newest first, from their folders."""
    with _stored() as store:
        listed = [state.model_dump(mode="json") for state in store.page(limit)[0]]
    nothing = "There are no sweeps yet; start one with `ops sweep FILE`."
    show(listed, lambda: sweeps_view(listed) if listed else plain(nothing), as_json=as_json)


@sweep.command("show")
def show_sweep(sweep_id: SweepId, as_json: AsJson = False) -> None:
    """Show one sweep, from its folder."""
    with _stored() as store:
        found = named_id(sweep_id, store.ids(), _KIND)
        answer = SweepAnswer.of(store.state(found), store).model_dump(mode="json")
        failed = [point.model_dump(mode="json") for point in PointList.of(store, found, MOST_FAILED, status="failed").points]
    show(answer, lambda: sweep_view(answer, failed), as_json=as_json)


async def _run(settings: Settings, body: bytes, *, local: bool, as_json: bool) -> str:
    async with sweeps_of(settings, local=local) as sweeps:
        with _interrupted("If it was started, the sweep goes on without you: ops sweep list"):
            started = await sweeps.start_sweep(body)
        for note in started["notes"]:
            say("ops", note)
        return await _shown_when_over(sweeps, started, local=local, as_json=as_json)


async def _resume(settings: Settings, name: str, *, local: bool, as_json: bool) -> str:
    async with sweeps_of(settings, local=local) as sweeps:
        resumed = await sweeps.resume_sweep(await _named(sweeps, name))
        return await _shown_when_over(sweeps, resumed, local=local, as_json=as_json)


async def _cancel(settings: Settings, name: str) -> dict[str, Any]:
    async with ServiceClient.at(settings.url, settings.api_key) as service:
        return await service.cancel_sweep(await _named(service, name))


async def _shown_when_over(sweeps: Sweeps, begun: dict[str, Any], *, local: bool, as_json: bool) -> str:
    """Wait for a sweep and show it; returns its status. Whoever stops waiting learns how to go on."""
    sweep_id = str(begun["sweep_id"])
    with _interrupted(_how_to_go_on(sweep_id, local=local)):
        ended = await sweep_ended(sweeps.sweep, sweep_id, visibly=not as_json)
    if as_json:
        print_json(ended)
        if ended["error"]:
            say("ops", ended["error"]["message"])
    else:
        failed = await sweeps.failed_points(sweep_id, MOST_FAILED)
        show(ended, lambda: sweep_view(ended, failed, local=local), as_json=False)
    return str(ended["status"])


def _how_to_go_on(sweep_id: str, *, local: bool) -> str:
    if local:
        return f"The sweep stops.\n  To go on with it:  ops sweep resume {sweep_id} --local"
    return (
        "The sweep goes on without you.\n"
        f"  To see it:     ops sweep show {sweep_id}\n"
        f"  To cancel it:  ops sweep cancel {sweep_id}"
    )


async def _named(sweeps: Sweeps, name: str) -> str:
    """The id for which `name` stands; a whole id is not looked up."""
    return name if SWEEP_ID.fullmatch(name) else named_id(name, await sweeps.sweep_ids(), _KIND)


def _check(file: Path, content: bytes, settings: Settings) -> None:
    """Raise ConfigurationError, which names the file, unless it asks for a sweep."""
    try:
        read_sweep(content, max_points=settings.max_sweep_points)
    except InvalidRequestError as error:
        name = "standard input" if str(file) == "-" else file
        raise ConfigurationError(f"{name} cannot be run as a sweep: {clause(error)}") from error


@contextmanager
def _stored() -> Iterator[SweepStore]:
    """The sweeps beside the runs of the settings, to be read. Raises ConfigurationError when there are no runs."""
    with existing_store(), closing(open_sweeps(read_settings())) as store:
        yield store


@contextmanager
def _interrupted(text: str) -> Iterator[None]:
    """Say `text` to a caller who does not wait."""
    try:
        yield
    except asyncio.CancelledError:
        sys.stderr.write(f"{text}\n")
        raise
