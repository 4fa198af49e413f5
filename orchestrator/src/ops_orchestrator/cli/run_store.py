"""The run store that the command line reads."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from ops_orchestrator.cli.progress_line import ProgressLine
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.index_update import Progress
from ops_orchestrator.runs.store.room import Room
from ops_orchestrator.settings import Settings, read_settings


def open_store(settings: Settings) -> FolderStore:
    """The store in OPS_RUNS_DIR, which is made when it is missing. Raises StoreError; blocks."""
    room = Room(settings.runs_dir, settings.min_free_bytes)
    return FolderStore.open(settings.runs_dir, durability=settings.durability, sync=settings.sync, room=room)


@contextmanager
def existing_store() -> Iterator[FolderStore]:
    """The store in OPS_RUNS_DIR, whose runs are all known; on a terminal, a line says how far a long search has come.

    Raises ConfigurationError when there is none, StoreError.
    """
    with ProgressLine() as line:

        def report(progress: Progress) -> None:
            line.show(f"Reading {progress.total:,} runs for the list: {progress.done / progress.total:.0%}")

        opened = FolderStore.existing(read_settings().runs_dir, report=report)
    with closing(opened) as store:
        yield store
