"""`ops runs prune` and `ops runs usage`: which runs are old, and how much room runs take."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Group, RenderableType

from ops_contract.command_line import say
from ops_orchestrator.cli import display, tables
from ops_orchestrator.cli.age import read_age
from ops_orchestrator.cli.progress_line import ProgressLine
from ops_orchestrator.cli.run_store import existing_store
from ops_orchestrator.cli.terminal import AsJson, show
from ops_orchestrator.errors import OrchestratorError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.runs.run_summary import RunSummary
from ops_orchestrator.runs.store.all_runs import usage
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.store.retention import RUNS_A_SECOND, Rule, expired
from ops_orchestrator.runs.store.retention import prune as delete
from ops_orchestrator.sizes import bytes_text


def prune(  # noqa: PLR0913  # one parameter for each option
    *,
    older_than: Annotated[str, typer.Option(metavar="AGE", help="Runs that ended longer ago, such as 90d, 12w or 36h.")],
    keep_labelled: Annotated[bool, typer.Option("--keep-labelled", help="Keep runs that have a label.")] = False,
    keep_last: Annotated[int, typer.Option(min=0, max=1_000_000_000, help="Keep so many of the newest runs of all.")] = 0,
    a_second: Annotated[
        float, typer.Option("--rate", min=0.1, max=10_000, help="Delete at most so many a second.")
    ] = RUNS_A_SECOND,
    yes: Annotated[bool, typer.Option("--yes", help="Delete them; without it, only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete old runs. Without --yes, only show what would go; runs that are not over, or damaged, always stay.

    Exits 1 when a run could not be deleted.
    """
    rule = Rule(read_age("--older-than", older_than), keep_labelled=keep_labelled, keep_last=keep_last)
    failures: list[OrchestratorError] = []
    with existing_store() as store, ProgressLine() as line:
        runs = {run.run_id: run for run in expired(store, rule, datetime.now(UTC))}
        sizes = dict(_sizes(store, runs, line))
        gone = list(_deleted(store, sizes, a_second, line, failures)) if yes else list(sizes)
    size = sum(sizes[run_id] for run_id in gone)
    found = {"deleted": yes, "runs": gone, "bytes": size}
    show(found, lambda: _pruned([runs[run_id] for run_id in gone], size, deleted=yes), as_json=as_json)
    for error in failures:
        say("ops", str(error))
    if failures:
        raise typer.Exit(ExitCode.NOT_COMPLETED)


def show_usage(*, as_json: AsJson = False) -> None:
    """Show how much room the runs take, by status, and when the first and the last started."""
    with existing_store() as store, ProgressLine() as line:
        found = usage(store, lambda count: line.show(f"Measured {count:,} runs"))
    show(asdict(found), lambda: tables.usage_view(found), as_json=as_json)


def _sizes(store: RunStore, run_ids: Collection[str], line: ProgressLine) -> Iterator[tuple[str, int]]:
    for number, run_id in enumerate(run_ids, start=1):
        line.show(f"Measured {number:,} of {len(run_ids):,} runs")
        yield run_id, store.size(run_id)


def _deleted(
    store: RunStore, run_ids: Collection[str], a_second: float, line: ProgressLine, failures: list[OrchestratorError]
) -> Iterator[str]:
    """Delete the runs; yields those that are gone, and leaves in `failures` why others are not."""
    for number, run_id in enumerate(delete(store, run_ids, a_second, failed=failures.append), start=1):
        line.show(f"Deleted {number:,} of {len(run_ids):,} runs")
        yield run_id


def _pruned(runs: Sequence[RunSummary], size: int, *, deleted: bool) -> RenderableType:
    counted = f"{len(runs):,} run{'' if len(runs) == 1 else 's'} of {bytes_text(size)}"
    if deleted:
        summary = f"Deleted {counted}."
    else:
        summary = f"Would delete {counted}; add --yes to delete." if runs else "No run is that old."
    return Group(*([tables.old_runs_view(runs)] if runs else []), display.plain(summary))
