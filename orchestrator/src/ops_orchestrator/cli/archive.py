"""`ops runs export` and `ops runs import`: runs go into a zip file, and come out of it in another store."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType

from ops_orchestrator.cli.display import plain
from ops_orchestrator.cli.opened_run import opened_run
from ops_orchestrator.cli.output_file import refuse_existing, write_whole
from ops_orchestrator.cli.progress_line import ProgressLine
from ops_orchestrator.cli.run_ids import complete_run_id
from ops_orchestrator.cli.terminal import AsJson, on_terminal, show
from ops_orchestrator.errors import ArchiveError, ConfigurationError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.runs.archive.damage import damage_of
from ops_orchestrator.runs.archive.importing import import_runs as take_runs
from ops_orchestrator.runs.archive.reading import opened_archive
from ops_orchestrator.runs.archive.writing import archive_pieces, check_over
from ops_orchestrator.runs.store.opening import open_store
from ops_orchestrator.runs.store.protocols import RunStore, StoredRun
from ops_orchestrator.settings import Settings, read_settings
from ops_orchestrator.sizes import bytes_text

_TO_STANDARD_OUTPUT: Final = "-"

Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN|DIR|ZIP",
        help="Runs as in `ops runs show`, folders of runs with a slash in their path, or FILE.zip:RUN.",
        autocompletion=complete_run_id,
    ),
]


def export_runs(
    runs: Runs,
    *,
    to: Annotated[str, typer.Option(metavar="FILE.zip", help="The file to write; - for standard output.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    damaged: Annotated[bool, typer.Option("--damaged", help="Also runs that are not intact.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put runs into a zip file.

    Each run must be over, and is verified first. The same runs give the same bytes. Exits 1 when a run is not intact.
    """
    with ExitStack() as stack, ProgressLine() as line:
        target = None if to == _TO_STANDARD_OUTPUT else Path(to)
        _check_target(target, force=force)
        opened = _distinct([stack.enter_context(opened_run(name)) for name in runs])
        for number, run in enumerate(opened, start=1):
            line.show(f"Checking {number:,} of {len(opened):,} runs")
            check_over(run.record())
            if not damaged and (damage := damage_of(run)):
                raise ArchiveError(plain(f"{run.run_id} is not intact: {damage}; add --damaged to export it as it is").plain)
        pieces = _shown(archive_pieces(opened, damaged=damaged), line)
        if target is None:
            sys.stdout.buffer.writelines(pieces)
            return
        size = write_whole(target, pieces, replace=force)
    exported = {"file": str(target), "bytes": size, "runs": [run.run_id for run in opened]}
    show(exported, lambda: _exported(target, size, len(opened)), as_json=as_json)


def import_runs(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.zip", help="Zip files that `ops runs export` made.")],
    *,
    damaged: Annotated[bool, typer.Option("--damaged", help="Also runs that are not intact.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take runs from a zip file into the store.

    Each run is verified first, and taken in whole or not at all; also while a service uses the store. Exits 1 when one was
    refused.
    """
    settings = read_settings()
    for file in files:
        if not file.is_file():
            raise ConfigurationError(f"{file} is not a file" if file.exists() else f"there is no file {file}")
    store = open_store(settings)
    with closing(store), ProgressLine() as line:
        rows = [row for file in files for row in _taken(store, file, settings, line, damaged=damaged)]
    show(rows, lambda: _imported(rows, settings.runs_url or settings.runs_dir), as_json=as_json)
    if any(row["outcome"] == "refused" for row in rows):
        raise typer.Exit(ExitCode.NOT_COMPLETED)


def _distinct(runs: Sequence[StoredRun]) -> list[StoredRun]:
    """The runs by id, each once. Raises ConfigurationError when two of them have one id."""
    found: dict[str, StoredRun] = {}
    for run in runs:
        if found.setdefault(run.run_id, run).location.resolve() != run.location.resolve():
            places = f"{found[run.run_id].location} and {run.location}"
            raise ConfigurationError(f"{places} have the same id; an archive can hold only one of them")
    return [found[run_id] for run_id in sorted(found)]


def _check_target(target: Path | None, *, force: bool) -> None:
    if target is None and on_terminal():
        raise ConfigurationError("a zip file is not written to a terminal; give --to FILE.zip, or redirect the output")
    if target is not None and not force:
        refuse_existing(target)


def _shown(pieces: Iterable[bytes], line: ProgressLine) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        line.show(f"Wrote {bytes_text(size)}")
        yield piece


def _exported(target: Path | None, size: int, count: int) -> RenderableType:
    counted = f"{count:,} run{'' if count == 1 else 's'}, {bytes_text(size)}"
    return plain(f"Wrote {target}: {counted}. `ops runs import {target}` reads it into another store.")


def _taken(store: RunStore, file: Path, settings: Settings, line: ProgressLine, *, damaged: bool) -> Iterator[dict[str, Any]]:
    """What became of each run of a zip file; of a file that is refused as a whole, one row without a run."""
    try:
        with opened_archive(file, settings.max_import_bytes) as archive:
            for number, taken in enumerate(take_runs(store, archive, damaged=damaged), start=1):
                line.show(f"Read {number:,} of {len(archive.run_ids):,} runs of {file}")
                yield {"file": str(file), **asdict(taken)}
    except ArchiveError as error:
        yield {"file": str(file), "run_id": None, "outcome": "refused", "reason": str(error)}


def _imported(rows: Sequence[dict[str, Any]], folder: Path | str) -> RenderableType:
    lines = [
        f"{row['run_id'] or row['file']} {row['outcome']}" + (f": {row['reason']}" if row["reason"] else "") for row in rows
    ]
    counts = Counter(row["outcome"] for row in rows)
    summary = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items())
    hint = " `ops runs show RUN` shows one." if counts["imported"] else ""
    return Group(*map(plain, lines), plain(f"{folder}: {summary}.{hint}", "dim"))
