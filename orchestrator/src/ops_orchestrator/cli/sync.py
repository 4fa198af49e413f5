"""`ops runs sync`: copies runs and sweeps between stores, from folders to a bucket or the other way."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType

from ops_orchestrator.cli.display import plain
from ops_orchestrator.cli.progress_line import ProgressLine
from ops_orchestrator.cli.terminal import AsJson, show
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.runs.archive.syncing import SyncedRun, sync_runs
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.opening import open_store
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.sweeps.opening import open_sweeps
from ops_orchestrator.runs.sweeps.syncing import SyncedSweep, sync_sweeps
from ops_orchestrator.settings import Settings, read_settings
from ops_orchestrator.sizes import bytes_text

_BUCKET = "s3://"
_ALONE = {"database_url": None}
_LONG_ENOUGH_S = 365 * 24 * 3600.0

_Row = SyncedRun | SyncedSweep


def sync(
    source: Annotated[str, typer.Argument(metavar="FROM", help="A folder of runs, or s3://BUCKET/PREFIX.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="The same; a folder is made when it is missing.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Copy them; without it, only say what would be copied.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy runs and sweeps from one store into another. Without --yes, only say what would be copied.

    What is over and what the other store lacks is copied, each run verified first, and in whole or not at all; a sync that was
    ended goes on where it was. Exits 1 when a run or a sweep was refused.
    """
    if source.rstrip("/") == target.rstrip("/"):
        raise ConfigurationError(f"{source} and {target} are one store; name another one")
    settings = read_settings()
    with ExitStack() as stack, ProgressLine() as line:
        stores = [stack.enter_context(_opened(settings, address, source=address == source)) for address in (source, target)]
        rows = []
        for row in sync_runs(*stores, copies=yes):
            rows.append(row)
            line.show(f"Looked at {len(rows):,} runs")
        places = [stack.enter_context(closing(open_sweeps(_naming(settings, address)))) for address in (source, target)]
        sweeps = []
        for sweep in sync_sweeps(*places, copies=yes):
            sweeps.append(sweep)
            line.show(f"Looked at {len(rows):,} runs and {len(sweeps):,} sweeps")
    each: list[_Row] = [*rows, *sweeps]
    found = {
        "copied": yes,
        "runs": [asdict(row) for row in rows],
        "sweeps": [asdict(sweep) for sweep in sweeps],
        "bytes": sum(row.bytes for row in each),
    }
    show(found, lambda: _view(rows, sweeps, target), as_json=as_json)
    if any(row.outcome == "refused" for row in each):
        raise typer.Exit(ExitCode.NOT_COMPLETED)


@contextmanager
def _opened(settings: Settings, address: str, *, source: bool) -> Iterator[RunStore]:
    """The store at an address, all of whose runs are known. Raises ConfigurationError, StoreError."""
    named = _naming(settings, address)
    is_read = source and named.runs_url is None
    with closing(FolderStore.existing(named.runs_dir) if is_read else open_store(named)) as store:
        store.wait_until_complete(_LONG_ENOUGH_S)
        yield store


def _naming(settings: Settings, address: str) -> Settings:
    """The settings of a service that has its runs at an address."""
    if address.startswith(_BUCKET):
        # What is on its way, and its index, are kept where those of the service are.
        named = read_settings(runs_url=address)
    else:
        named = settings.model_copy(update={"runs_dir": Path(address).expanduser(), "runs_url": None})
    return named if _is_own(settings, address) else named.model_copy(update=_ALONE)


def _is_own(settings: Settings, address: str) -> bool:
    """Whether the settings name this very store, so that its index is theirs too, wherever that is."""
    if settings.runs_url is not None:
        return settings.runs_url.rstrip("/") == address.rstrip("/")
    return settings.runs_dir.resolve() == Path(address).expanduser().resolve()


def _view(rows: Sequence[SyncedRun], sweeps: Sequence[SyncedSweep], target: str) -> RenderableType:
    each: list[tuple[str, _Row]] = [*((row.run_id, row) for row in rows), *((sweep.sweep_id, sweep) for sweep in sweeps)]
    lines = [
        plain(f"{name} {row.outcome}" + (f": {row.reason}" if row.reason else ""))
        for name, row in each
        if row.outcome not in ("already there", "copied")
    ]
    size = f" ({bytes_text(sum(row.bytes for _, row in each))})" if any(row.outcome == "copied" for _, row in each) else ""
    hint = "; add --yes to copy them" if any(row.outcome == "would be copied" for _, row in each) else ""
    counted = f"{_counted(rows) or 'there are no runs'}{f'; sweeps: {_counted(sweeps)}' if sweeps else ''}"
    return Group(*lines, plain(f"{target}: {counted}{size}{hint}."))


def _counted(rows: Sequence[_Row]) -> str:
    counts = Counter(row.outcome for row in rows)
    return ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items())
