"""A run in a folder, to be read. See StoredRun."""

from dataclasses import dataclass
from pathlib import Path

from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.store.plain_file import NotPlainError, OpenFile, all_files_in
from ops_orchestrator.runs.store.reading import read_content, read_record, read_results, readable
from ops_orchestrator.runs.store.recovery import damaged_by


@dataclass(frozen=True)
class FolderRun:
    """The run `run_id` in the folder `store`, which may be anywhere. See StoredRun."""

    store: Path
    run_id: str

    @property
    def location(self) -> Path:
        """See StoredRun."""
        return self.store / self.run_id

    def record(self) -> RunRecord:
        """See StoredRun."""
        return read_record(self.store, self.run_id)

    def results(self) -> Results:
        """See StoredRun."""
        return read_results(self.store, self.run_id)

    def document(self, name: str) -> bytes:
        """See StoredRun."""
        return read_content(self.store, self.run_id, name)

    def files(self) -> list[str]:
        """See StoredRun."""
        with readable(self.store, self.run_id, ""):
            try:
                return all_files_in(self.store, self.run_id)
            except NotPlainError as error:
                raise damaged_by(self.store, self.run_id, error) from error

    def open(self, name: str) -> OpenFile:
        """See StoredRun."""
        with readable(self.store, self.run_id, name):
            return OpenFile.below(self.store, f"{self.run_id}/{name}")
