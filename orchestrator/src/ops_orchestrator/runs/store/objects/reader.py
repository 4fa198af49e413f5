"""Reads runs that are in a bucket, through copies of their files; artifacts are streamed. Blocking."""

from collections.abc import Callable
from typing import Final, TypeVar

from ops_orchestrator.errors import DamagedRunError, NotFoundError, StoreError
from ops_orchestrator.runs.log_reader import LogReader
from ops_orchestrator.runs.record import (
    ARTIFACTS,
    LOGS,
    MODULES,
    RECORD,
    RESULTS,
    ArtifactRecord,
    Results,
    RunRecord,
    result_name,
)
from ops_orchestrator.runs.run_id import RUN_ID
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.kept_artifact import kept_artifact
from ops_orchestrator.runs.store.listed_run import DamagedRun, ReadRun
from ops_orchestrator.runs.store.objects.bucket import Bucket, Stored
from ops_orchestrator.runs.store.objects.copies import Copies, counted, is_plain
from ops_orchestrator.runs.store.objects.object_file import opened
from ops_orchestrator.runs.store.objects.unlisted import Unlisted
from ops_orchestrator.runs.store.plain_file import OpenFile, read_below
from ops_orchestrator.runs.store.reading import is_kept_in_documents, record_on_disk
from ops_orchestrator.runs.store.stored_log import LARGEST_DOCUMENT_BYTES
from ops_orchestrator.runs.store.sync import NoSync

_WRITTEN: Final = "written"
_READ: Final = "read"

Found = TypeVar("Found")


class BucketReader:
    """The runs in `bucket`, of which `copies` has what was read. See RunStore for its methods, and RunSource."""

    lists_at_start = False

    def __init__(self, bucket: Bucket, copies: Copies) -> None:
        self._bucket = bucket
        self._copies = copies
        self._copied = FolderStore(copies.folder, Unlisted(), NoSync())

    def record(self, run_id: str) -> RunRecord:
        """See RunStore."""
        with self._copies.of(run_id, RECORD) as fetch:
            self._fetch_what_goes_on(run_id, fetch)
            return self._copied.record(run_id)

    def results(self, run_id: str) -> Results:
        """See RunStore."""
        return self._with_results(run_id, lambda: self._copied.results(run_id))

    def document(self, run_id: str, name: str) -> bytes:
        """See RunStore."""
        if name == RESULTS:
            return self._with_results(run_id, lambda: self._copied.document(run_id, name))
        with self._copies.of(run_id, _checked(run_id, name)) as fetch:
            if name == RECORD:
                self._fetch_what_goes_on(run_id, fetch)
            return self._copied.document(run_id, name)

    def log(self, run_id: str) -> LogReader:
        """See RunStore."""
        with self._copies.of(run_id):
            return self._copied.log(run_id)

    def documents(self, run_id: str, folder: str) -> list[str]:
        """See RunStore."""
        return [name for name in self.files(run_id) if name.rpartition("/")[0] == folder]

    def files(self, run_id: str) -> list[str]:
        """See StoredRun."""
        with self._copies.of(run_id):
            log = read_below(self._copies.folder, f"{run_id}/{LOGS}", LARGEST_DOCUMENT_BYTES)
        stored = self._bucket.below(run_id)
        self._copies.compare(run_id, stored)
        return sorted(counted(run_id, log, stored))

    def open(self, run_id: str, name: str) -> OpenFile:
        """See StoredRun."""
        if name.startswith(f"{ARTIFACTS}/"):
            return opened(self._bucket, self._stored(run_id, name))
        with self._copies.of(run_id, _checked(run_id, name)):
            return self._copied.run(run_id).open(name)

    def bytes_of(self, run_id: str, name: str) -> bytes:
        """The bytes of one of a run's documents, as they are stored."""
        with self._copies.of(run_id, _checked(run_id, name)):
            return self._copied.run(run_id).document(name)

    def artifact(self, run_id: str, step: str, name: str) -> tuple[ArtifactRecord, OpenFile]:
        """See RunStore."""
        artifact, stored = self._kept(run_id, step, name)
        return artifact, opened(self._bucket, stored)

    def address(self, run_id: str, step: str, name: str, seconds: int) -> str:
        """See RunStore."""
        return self._bucket.signed(self._kept(run_id, step, name)[1].name, seconds)

    def size(self, run_id: str) -> int:
        """See RunStore."""
        return sum(stored.size for stored in self._bucket.below(run_id).values())

    def run_ids(self) -> set[str]:
        """See RunSource."""
        return {name for name in self._bucket.folders() if RUN_ID.fullmatch(name)}

    def read(self, run_id: str, before: str | None) -> ReadRun | None:
        """See RunSource."""
        try:
            return ReadRun(self.record(run_id), _READ, before)
        except DamagedRunError as error:
            return ReadRun(DamagedRun(run_id, error.reason), _READ, before)
        except (NotFoundError, StoreError):
            return None

    def version_of(self, run_id: str) -> str:  # noqa: ARG002  # see RunSource
        """See RunSource. What was written here is newer than whatever is read meanwhile."""
        return _WRITTEN

    def has(self, run_id: str) -> bool:
        """See RunSource."""
        return self._bucket.stored(f"{run_id}/{LOGS}") is not None

    def _with_results(self, run_id: str, read: Callable[[], Found]) -> Found:
        """What `read` reads of the results, which come from the files of its steps while a run goes on."""
        with self._copies.of(run_id, RECORD) as fetch:
            if self._fetch_what_goes_on(run_id, fetch):
                for step in self._copied.record(run_id).steps:
                    if step.status == "completed":
                        fetch(result_name(step.step, step.id))
            else:
                fetch(RESULTS)
            return read()

    def _fetch_what_goes_on(self, run_id: str, fetch: Callable[[str], None]) -> bool:
        """Whether a run goes on, so that its log tells more than its record does; that is checked against its modules.json."""
        goes_on = not is_kept_in_documents(record_on_disk(self._copies.folder, run_id))
        if goes_on:
            fetch(MODULES)
        return goes_on

    def _kept(self, run_id: str, step: str, name: str) -> tuple[ArtifactRecord, Stored]:
        artifact = kept_artifact(self.results(run_id), run_id, step, name)
        stored = self._bucket.stored(f"{run_id}/{artifact.path}")
        if stored is None:
            raise NotFoundError(f"The file of {name!r} is gone from {run_id}; its manifest says what it was.")
        return artifact, stored

    def _stored(self, run_id: str, name: str) -> Stored:
        with self._copies.of(run_id):
            stored = self._bucket.stored(f"{run_id}/{_checked(run_id, name)}")
        if stored is None:
            raise NotFoundError(f"{run_id} has no {name}.")
        return stored


def _checked(run_id: str, name: str) -> str:
    if not is_plain(name):
        raise NotFoundError(f"{run_id} has no {name!r:.200}.")
    return name
