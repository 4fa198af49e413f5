"""A run in a bucket, to be read. See StoredRun."""

from dataclasses import dataclass
from pathlib import Path

from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.runs.store.objects.reader import BucketReader
from ops_orchestrator.runs.store.plain_file import OpenFile


@dataclass(frozen=True)
class ObjectRun:
    """The run `run_id`, read by `reader`, which keeps its copy in `location`. See StoredRun."""

    reader: BucketReader
    run_id: str
    location: Path

    def record(self) -> RunRecord:
        """See StoredRun."""
        return self.reader.record(self.run_id)

    def results(self) -> Results:
        """See StoredRun."""
        return self.reader.results(self.run_id)

    def document(self, name: str) -> bytes:
        """See StoredRun. As it is in the bucket, also while the run goes on."""
        return self.reader.bytes_of(self.run_id, name)

    def files(self) -> list[str]:
        """See StoredRun."""
        return self.reader.files(self.run_id)

    def open(self, name: str) -> OpenFile:
        """See StoredRun."""
        return self.reader.open(self.run_id, name)
