"""`ops runs cancel` and `ops runs resume`: what the service can do with a run."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from ops_orchestrator.cli.run_ids import RunId, served_run_id
from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.cli.terminal import AsJson, Url, on_terminal
from ops_orchestrator.cli.waiting import show_run, shown_when_over
from ops_orchestrator.errors import RefusedError
from ops_orchestrator.exit_code import exit_code_of
from ops_orchestrator.settings import Settings, read_settings


def cancel(run: RunId, url: Url = None, as_json: AsJson = False) -> None:
    """Cancel a run that is queued or running. Its completed steps are kept, and it can be resumed."""
    asyncio.run(_cancel(read_settings(url=url), run, as_json=as_json or not on_terminal()))


def resume(run: RunId, url: Url = None, as_json: AsJson = False) -> None:
    """Go on with a run that did not complete.

    It begins with the first step that is not completed, and shows progress as `ops run` does.
    """
    status = asyncio.run(_resume(read_settings(url=url), run, as_json=as_json or not on_terminal()))
    raise typer.Exit(exit_code_of(status))


async def _cancel(settings: Settings, run: str, *, as_json: bool) -> None:
    """Cancel a run and show what there is of it."""
    async with ServiceClient.at(settings.url, settings.api_key) as service:
        run_id = await served_run_id(service, run)
        with (
            _refusals_of(run_id, settings.url),
            _interrupted(f"If the service received this, it cancels the run: ops runs show {run_id}"),
        ):
            cancelled = await service.cancel(run_id)
        record, results = await service.run(run_id), await service.results(run_id)
    show_run(record, results, str(cancelled["artifacts_path"]), as_json=as_json)


async def _resume(settings: Settings, run: str, *, as_json: bool) -> str:
    """Resume a run and show it when it is over; returns its status."""
    async with ServiceClient.at(settings.url, settings.api_key) as service:
        run_id = await served_run_id(service, run)
        with (
            _refusals_of(run_id, settings.url),
            _interrupted(f"If it was resumed, the run goes on without you: ops runs show {run_id}"),
        ):
            resumed = await service.resume(run_id)
        return await shown_when_over(service, resumed, as_json=as_json)


@contextmanager
def _refusals_of(run_id: str, url: str) -> Iterator[None]:
    """Say what to do next where the service says only why it refuses."""
    try:
        yield
    except RefusedError as error:
        if error.slug == "not-found":
            next_step = "`ops runs list` lists the runs of this folder, and OPS_URL says which orchestrator is asked"
            raise RefusedError(error.status, f"the orchestrator at {url} has no run {run_id}; {next_step}") from error
        if error.slug == "conflict":
            raise RefusedError(error.status, f"{error.detail} See it with `ops runs show {run_id}`.") from error
        raise


@contextmanager
def _interrupted(sentence: str) -> Iterator[None]:
    """Say `sentence` to a caller who does not wait for the service's answer."""
    try:
        yield
    except asyncio.CancelledError:
        sys.stderr.write(f"{sentence}\n")
        raise
