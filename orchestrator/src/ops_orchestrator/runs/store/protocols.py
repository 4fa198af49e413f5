"""What a place that keeps runs can do, whatever it is made of. One test suite runs against every implementation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ops_orchestrator.runs.record import ArtifactRecord, Results, RunRecord
from ops_orchestrator.runs.store.plain_file import OpenFile


@dataclass(frozen=True)
class RunFile:
    """A file to be published: `content` is bytes, or a staged file that is moved. `sha256` is None when not known yet."""

    name: str
    content: bytes | Path
    sha256: str | None = None


@dataclass(frozen=True)
class Position:
    """A place in the list of runs, newest first."""

    started_at: str
    run_id: str


@dataclass(frozen=True)
class Page:
    """Part of the list of runs, newest first; `next_cursor` is None on the last page."""

    runs: list[RunRecord]
    next_cursor: str | None


class Lease(Protocol):
    """The right to execute a run. One holder at a time; it ends with `release`, or with the holder's process."""

    def release(self) -> None:
        """Give the right back; releasing twice is harmless."""
        ...


class RunWriter(Protocol):
    """Writes one run while it is under way, and holds its lease. Blocking; raises OSError."""

    @property
    def staging(self) -> Path:
        """A folder for files that are not published yet; files left in it are dropped at the end."""
        ...

    def publish(self, folder: str, files: Sequence[RunFile]) -> None:
        """Add a new folder with `files` to the run: all of them appear at once, or none."""
        ...

    def append(self, line: bytes, record: RunRecord, results: Results | None = None) -> None:
        """Add a line to the log, then bring the documents up to date; `results` of None have not changed."""
        ...

    def seal(self, line: bytes, record: RunRecord) -> None:
        """Add the last line, write the manifest and the final record, and make all of the run durable."""
        ...

    def close(self) -> None:
        """Release the lease. A run that is not sealed then counts as left by a dead service."""
        ...


class RunStore(Protocol):
    """Creates, finds, lists and recovers runs. Blocking; raises StoreError when it cannot be read or written."""

    def create(self, line: bytes, record: RunRecord, results: Results) -> RunWriter:
        """Make a new run with its first line and documents. Raises RunExistsError when its id is taken."""
        ...

    def record(self, run_id: str) -> RunRecord:
        """The record of a run. Raises NotFoundError."""
        ...

    def results(self, run_id: str) -> Results:
        """The results of a run. Raises NotFoundError."""
        ...

    def document(self, run_id: str, name: str) -> bytes:
        """The bytes of one of a run's documents. Raises NotFoundError."""
        ...

    def documents(self, run_id: str, folder: str) -> list[str]:
        """The names of a run's documents in one of its folders, sorted; none when there is no such folder."""
        ...

    def artifact(self, run_id: str, step: str, name: str) -> tuple[ArtifactRecord, OpenFile]:
        """A stored artifact and its bytes; the caller closes the file. Raises NotFoundError."""
        ...

    def page(self, limit: int, cursor: str | None = None, scenario_id: str | None = None, status: str | None = None) -> Page:
        """Up to `limit` runs, newest first. Raises InvalidRequestError for a cursor that this store did not give."""
        ...

    def recover(self) -> Mapping[str, OSError | None]:
        """End the runs that a dead service left running, as interrupted; by run id, why one could not be ended, or None."""
        ...

    def location(self, run_id: str) -> Path:
        """Where people find the run."""
        ...

    def unwritable(self) -> str | None:
        """Why no run can be stored now, in a sentence; None when one can."""
        ...

    def close(self) -> None:
        """Let go of what the store holds open."""
        ...


class RunIndex(Protocol):
    """Which runs there are, by start time, scenario and status. Disposable, and safe to use from several threads.

    `page` and `run_ids` raise StoreError. A change that cannot be written is dropped: the runs themselves are the truth.
    """

    def put(self, records: Iterable[RunRecord]) -> None:
        """Add runs, or replace what is known of them."""
        ...

    def drop(self, run_ids: Iterable[str]) -> None:
        """Forget runs."""
        ...

    def run_ids(self, status: str | None = None) -> set[str]:
        """All known runs, or those with `status`."""
        ...

    def page(self, limit: int, scenario_id: str | None, status: str | None, after: Position | None) -> list[Position]:
        """Up to `limit` runs, newest first, that come after `after`."""
        ...

    def close(self) -> None:
        """Close the index."""
        ...
