"""`ops backup`: copy the store to another folder while a service writes in it."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group

from ops_orchestrator.cli.display import plain
from ops_orchestrator.cli.progress_line import ProgressLine
from ops_orchestrator.cli.terminal import AsJson, show
from ops_orchestrator.errors import ConfigurationError, StoreError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.runs.store.backup import Copied, back_up
from ops_orchestrator.settings import read_settings


def backup(
    target: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the copy is; what is there already is brought up to date.")
    ],
    as_json: AsJson = False,
) -> None:
    """Copy the store, also while a service writes in it.

    The copy has all runs, sweeps and verdicts, and a service can start on it. Exits 1 when something was not copied.
    """
    settings = read_settings()
    if settings.runs_url is not None:
        raise ConfigurationError(f"the runs are in {settings.runs_url}; `ops runs sync {settings.runs_url} FOLDER` copies them")
    store = settings.runs_dir
    if not store.is_dir():
        raise ConfigurationError(f"there is no run store at {store}; change into the project's folder or set OPS_RUNS_DIR")
    copied = []
    try:
        with ProgressLine() as line:
            for one in back_up(store, target):
                copied.append(one)
                line.show(f"{len(copied):,} folders")
    except OSError as error:
        raise StoreError(f"cannot copy {store} to {target}: {error.strerror}") from error
    _report(copied, as_json=as_json)
    raise typer.Exit(ExitCode.NOT_COMPLETED if any(one.outcome == "not copied" for one in copied) else ExitCode.DONE)


def _report(copied: list[Copied], *, as_json: bool) -> None:
    counts = Counter(one.outcome for one in copied)
    failed = [one for one in copied if one.outcome == "not copied"]
    document = {
        "copied": counts["copied"],
        "as_before": counts["as before"],
        "gone": counts["gone"],
        "not_copied": [{"name": one.name, "reason": one.reason} for one in failed],
    }
    summary = f"{counts['copied']:,} copied, {counts['as before']:,} as before, {counts['gone']:,} gone"
    lines = [plain(f"✗ {one.name}: {one.reason}", "red") for one in failed]
    show(document, lambda: Group(plain(summary), *lines), as_json=as_json)
