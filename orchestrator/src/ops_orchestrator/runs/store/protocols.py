"""What a place that keeps runs can do, whatever it is made of. One test suite runs against every implementation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.events import Status
from ops_orchestrator.runs.log_reader import LogReader
from ops_orchestrator.runs.record import ArtifactRecord, Results, RunRecord
from ops_orchestrator.runs.store.plain_file import OpenFile


@dataclass(frozen=True)
class RunFile:
    """A file to be published: `content` is bytes, or a staged file that is moved. `sha256` is None when not known yet."""

    name: str
    content: bytes | Path
    sha256: str | None = None


@dataclass(frozen=True)
class DamagedRun:
    """A run whose record cannot be used, as it stands in lists; `reason` says which document and why."""

    run_id: str
    reason: str
    status: ClassVar = "damaged"
    scenario_id: ClassVar = ""

    @property
    def started_at(self) -> str:
        """When the run started, as far as its id says."""
        date, time = self.run_id.split("_")[1].rstrip("Z").split("T")
        return f"{date}T{time.replace('-', ':')}Z"

    def summary(self) -> dict[str, Any]:
        """The run in a list of runs: the fields of any other run, as far as they are known, and `reason`."""
        return {
            "run_id": self.run_id,
            "status": self.status,
            "reason": self.reason,
            "started_at": self.started_at,
            "finished_at": None,
            "fingerprints": {"recipe": None, "result": None},
            "scenario_id": None,
            "modules": [],
            "warnings": 0,
            "synthetic": False,
        }


ListedRun = RunRecord | DamagedRun
"""An entry of a list of runs."""

ListedStatus = Literal[Status, "damaged"]
"""The status of an entry of a list of runs."""


@dataclass(frozen=True)
class Position:
    """A place in the list of runs, newest first."""

    started_at: str
    run_id: str


@dataclass(frozen=True)
class Page:
    """Part of the list of runs, newest first; `next_cursor` is None on the last page."""

    runs: list[ListedRun]
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
        """The record of a run. Raises NotFoundError, DamagedRunError."""
        ...

    def results(self, run_id: str) -> Results:
        """The results of a run. Raises NotFoundError, DamagedRunError."""
        ...

    def document(self, run_id: str, name: str) -> bytes:
        """The bytes of one of a run's documents. Raises NotFoundError, DamagedRunError."""
        ...

    def log(self, run_id: str) -> LogReader:
        """The log of a run, to be read in pieces; the caller closes it. Raises NotFoundError, DamagedRunError."""
        ...

    def documents(self, run_id: str, folder: str) -> list[str]:
        """The names of a run's documents in one of its folders, sorted; none when there is no such folder.

        Raises DamagedRunError.
        """
        ...

    def artifact(self, run_id: str, step: str, name: str) -> tuple[ArtifactRecord, OpenFile]:
        """A stored artifact and its bytes; the caller closes the file. Raises NotFoundError, DamagedRunError."""
        ...

    def page(self, limit: int, cursor: str | None = None, scenario_id: str | None = None, status: str | None = None) -> Page:
        """Up to `limit` runs, newest first. Raises InvalidRequestError for a cursor that this store did not give."""
        ...

    def recover(self) -> Mapping[str, OSError | StoreError | None]:
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

    `page` and `run_ids` raise StoreError. A change that cannot be written is dropped: the runs themselves are the truth, and an
    index that is damaged is made again from them, whenever that is noticed.
    """

    def put(self, runs: Iterable[ListedRun]) -> None:
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
