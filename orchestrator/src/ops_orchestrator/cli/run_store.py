"""The run store that the command line reads."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from ops_orchestrator.cli.progress_line import ProgressLine
from ops_orchestrator.runs.store import opening
from ops_orchestrator.runs.store.index_update import Progress
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.settings import read_settings


@contextmanager
def existing_store() -> Iterator[RunStore]:
    """The store that the settings name, whose runs are all known; on a terminal, a line says how far a long search has come.

    Raises ConfigurationError when there is none, StoreError.
    """
    with ProgressLine() as line:

        def report(progress: Progress) -> None:
            line.show(f"Reading {progress.total:,} runs for the list: {progress.done / progress.total:.0%}")

        opened = opening.existing_store(read_settings(), report=report)
    with closing(opened) as store:
        yield store
