"""`ops runs`: the stored runs, read from their folders; no service is needed."""

from contextlib import closing
from typing import Annotated

import typer
from rich.console import Console

from ops_contract.command_line import new_group, write
from ops_orchestrator.cli import display
from ops_orchestrator.cli.run_ids import RunId, find_run_id
from ops_orchestrator.cli.terminal import AsJson, on_terminal, show
from ops_orchestrator.runs.record import LOGS
from ops_orchestrator.runs.run_filter import read_filter
from ops_orchestrator.runs.run_summary import ListedStatus
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.settings import read_settings

runs_app = new_group("Look at runs.")


@runs_app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 20,
    scenario_id: Annotated[str | None, typer.Option(help="Only runs of this scenario.")] = None,
    status: Annotated[ListedStatus | None, typer.Option(help="Only runs with this status.")] = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first, from the run folders."""
    with closing(_store()) as store:
        page = store.page(limit, where=read_filter(scenario_id=scenario_id, status=status))
    listed = [run.model_dump(mode="json", exclude_unset=True) for run in page.runs]
    show(listed, lambda: display.runs_table(listed), as_json=as_json)


@runs_app.command("show")
def show_run(run: RunId, as_json: AsJson = False) -> None:
    """Show one run, from its folder."""
    with closing(_store()) as store:
        run_id = find_run_id(store, run)
        record = store.record(run_id).model_dump(mode="json")
        results = store.results(run_id).model_dump(mode="json")
        folder = store.location(run_id)
    show(record, lambda: display.run_view(record, results, folder), as_json=as_json)


@runs_app.command("logs")
def show_logs(run: RunId, as_json: AsJson = False) -> None:
    """Show what happened in a run, from its folder."""
    with closing(_store()) as store:
        raw = store.document(find_run_id(store, run), LOGS)
    if as_json or not on_terminal():
        write(raw)
        return
    for line in raw.splitlines():
        Console().print(display.log_text(line))


def _store() -> FolderStore:
    return FolderStore.existing(read_settings().runs_dir)
