"""The run that a command reads: one of the store, or a run folder anywhere."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ops_orchestrator.cli.run_ids import complete_run_id, find_run_id
from ops_orchestrator.cli.run_store import existing_store
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.runs.run_id import RUN_ID
from ops_orchestrator.runs.store.folder_run import FolderRun
from ops_orchestrator.runs.store.protocols import StoredRun

AnyRun = Annotated[
    str,
    typer.Argument(
        metavar="RUN|DIR",
        help="A run as in `ops runs show`, or the folder of a run anywhere, with a slash in its path.",
        autocompletion=complete_run_id,
    ),
]


@contextmanager
def opened_run(name: str) -> Iterator[StoredRun]:
    """The run that `name` stands for: what has a slash in it is a path. Raises ConfigurationError, StoreError."""
    if os.sep in name or name in (".", ".."):
        yield _in_folder(Path(name))
        return
    with existing_store() as store:
        yield store.run(find_run_id(store, name))


def _in_folder(path: Path) -> FolderRun:
    if not path.is_dir():
        raise ConfigurationError(f"{path} is not a folder" if path.exists() else f"there is no folder {path}")
    folder = path.resolve()
    if not RUN_ID.fullmatch(folder.name):
        raise ConfigurationError(f"{path} is not named as a run is, such as run_2026-01-09T12-34-56Z_ab12cd; rename it")
    return FolderRun(folder.parent, folder.name)
