"""The runs in a folder, for an index. See RunSource."""

import os
from dataclasses import dataclass
from pathlib import Path

from ops_orchestrator.runs.store.listed_run import ReadRun
from ops_orchestrator.runs.store.reading import read_version, run_ids_in, version_of


@dataclass(frozen=True)
class FolderSource:
    """The runs in the folder `store`."""

    store: Path
    lists_at_start = True

    def run_ids(self) -> set[str]:
        """See RunSource."""
        return run_ids_in(self.store)

    def read(self, run_id: str, before: str | None) -> ReadRun | None:
        """See RunSource."""
        return read_version(self.store, run_id, before)

    def version_of(self, run_id: str) -> str | None:
        """See RunSource."""
        return version_of(self.store, run_id)

    def has(self, run_id: str) -> bool:
        """See RunSource."""
        return os.path.lexists(self.store / run_id)
