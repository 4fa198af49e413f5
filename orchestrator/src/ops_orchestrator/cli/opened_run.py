"""The run that a command reads: one of the store, a run folder anywhere, or one in a zip file."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer

from ops_orchestrator.cli.run_ids import complete_run_id, find_run_id
from ops_orchestrator.cli.run_store import existing_store
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.runs.archive.reading import Archive, opened_archive
from ops_orchestrator.runs.run_id import RUN_ID
from ops_orchestrator.runs.store.folder_run import FolderRun
from ops_orchestrator.runs.store.protocols import StoredRun
from ops_orchestrator.settings import read_settings

_IN_ZIP_FILE: Final = re.compile(r"(?P<path>.*\.zip)(?::(?P<run>[^/]+))?", re.IGNORECASE | re.DOTALL)
_MOST_LISTED: Final = 5

AnyRun = Annotated[
    str,
    typer.Argument(
        metavar="RUN|DIR|ZIP",
        help="A run as in `ops runs show`; or the folder of a run anywhere, with a slash in its path; or FILE.zip, with "
        ":RUN after it when it holds several.",
        autocompletion=complete_run_id,
    ),
]


@contextmanager
def opened_run(name: str) -> Iterator[StoredRun]:
    """The run that `name` stands for: FILE.zip and what has a slash in it are paths.

    A run in a zip file is unpacked into a temporary folder. Raises ConfigurationError, StoreError, ArchiveError.
    """
    if zipped := _IN_ZIP_FILE.fullmatch(name):
        with TemporaryDirectory(prefix="ops-") as folder:
            yield _unpacked(Path(zipped["path"]), zipped["run"] or "", Path(folder))
        return
    if os.sep in name or name in (".", ".."):
        yield _in_folder(Path(name))
        return
    with ExitStack() as stack:
        store = stack.enter_context(existing_store())
        run = store.run(find_run_id(store, name))
        if isinstance(run, FolderRun):
            # Read from its folder alone: of many runs, none holds the store open.
            stack.close()
        yield run


def _unpacked(path: Path, name: str, folder: Path) -> FolderRun:
    with opened_archive(path, read_settings().max_import_bytes) as archive:
        run_id = _named(archive, name)
        (folder / run_id).mkdir()
        archive.unpack(run_id, folder / run_id)
    return FolderRun(folder, run_id)


def _named(archive: Archive, name: str) -> str:
    """The run of the archive whose id begins with `name`, with or without run_. Raises ConfigurationError unless it is one."""
    found = [run_id for run_id in archive.run_ids if run_id.startswith((name, f"run_{name}"))]
    if len(found) != 1:
        listed = ", ".join((found or archive.run_ids)[:_MOST_LISTED])
        which = f"{len(found)} runs" + (f" that begin with {name!r}" if name else "")
        raise ConfigurationError(f"{archive.path} holds {which}; write {archive.path}:RUN for one of them, such as {listed}")
    return found[0]


def _in_folder(path: Path) -> FolderRun:
    if not path.is_dir():
        raise ConfigurationError(f"{path} is not a folder" if path.exists() else f"there is no folder {path}")
    folder = path.resolve()
    if not RUN_ID.fullmatch(folder.name):
        raise ConfigurationError(f"{path} is not named as a run is, such as run_2026-01-09T12-34-56Z_ab12cd; rename it")
    return FolderRun(folder.parent, folder.name)
