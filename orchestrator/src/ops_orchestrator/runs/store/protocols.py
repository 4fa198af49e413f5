"""What a place that keeps runs can do, whatever it is made of. One test suite runs against every implementation."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.events import Event, RunEnded
from ops_orchestrator.runs.log_reader import LogReader
from ops_orchestrator.runs.record import ArtifactRecord, Results, RunRecord, StepRecord, StepResults
from ops_orchestrator.runs.run_file import RunFile
from ops_orchestrator.runs.run_filter import EVERY_RUN, RunFilter
from ops_orchestrator.runs.run_state import RunState
from ops_orchestrator.runs.store.listed_run import CallCounts, IndexedRun, ListedRun, Page, Position, ReadRun, Repeats
from ops_orchestrator.runs.store.plain_file import OpenFile
from ops_orchestrator.settings import Durability


class Lease(Protocol):
    """The right to execute a run. One holder at a time; it ends with `release`, or with the holder's process."""

    def release(self) -> None:
        """Give the right back; releasing twice is harmless."""
        ...


@dataclass(frozen=True)
class Reopened:
    """A run that goes on after its end, or after its service died.

    It has its writer, which holds the lease, what its log tells, what its steps answered, and its modules.json.
    """

    writer: "RunWriter"
    state: RunState
    results: Mapping[str, StepResults]
    modules: bytes


class RunWriter(Protocol):
    """Writes one run while it is under way, and holds its lease.

    What it is handed is written in order, behind the caller's back: only `durable` says that it is on disk. A writer that
    failed raises StoreError in every later call, and the run is ended with `finish`.
    """

    @property
    def staging(self) -> Path:
        """A folder for files that are not named by any event yet; it may have to be made. It is dropped at the end."""
        ...

    @property
    def accepted(self) -> int:
        """The number of the last event that was handed over, and will be in the run's log if nothing fails."""
        ...

    @property
    def written(self) -> int:
        """The number of the last event that is in the run's log."""
        ...

    @property
    def has_shown_end(self) -> bool:
        """Whether whoever reads the run in the store may find that it is over."""
        ...

    async def append(self, event: Event, files: Sequence[RunFile] = ()) -> None:
        """Write `files`, then the event that names them.

        Waits while too much is waiting to be written, and for what has 256 KiB or more until it is written. Who is cancelled
        meanwhile learns from `accepted` whether the event counts.
        """
        ...

    async def go_on(self, record: RunRecord, event: Event) -> None:
        """Write that a run goes on or has its turn, as `record` says; `event` says where files of earlier attempts are now."""
        ...

    async def end(self, event: Event, record: RunRecord, results: Results, results_bytes: int) -> None:
        """Write the last event and the final documents, make all of it durable, and release the lease.

        The results take about `results_bytes` as JSON.
        """
        ...

    async def durable(self) -> None:
        """Wait until everything handed over so far is on disk, or as far as OPS_DURABILITY asks for."""
        ...

    async def finish(self, ended: RunEnded) -> RunRecord:
        """End a run for which this writer failed, as far as it was written; returns its record, and releases the lease.

        Raises StoreError, and may be repeated then.
        """
        ...

    async def abandon(self) -> None:
        """Write nothing any more, and release the lease."""
        ...


class StoredRun(Protocol):
    """One run, to be read wherever it is kept, as it is now. Raises NotFoundError, DamagedRunError, StoreError."""

    @property
    def run_id(self) -> str:
        """The run's id."""
        ...

    @property
    def location(self) -> Path:
        """Where people find the run."""
        ...

    def record(self) -> RunRecord:
        """The run's record."""
        ...

    def results(self) -> Results:
        """The run's results."""
        ...

    def document(self, name: str) -> bytes:
        """The bytes of one of the run's files that is a document: 256 MiB at most."""
        ...

    def files(self) -> list[str]:
        """The names of all files of the run, sorted."""
        ...

    def open(self, name: str) -> OpenFile:
        """One of the run's files, however large; the caller closes it."""
        ...


class RunStore(Protocol):
    """Creates, finds, lists and recovers runs. What is not `async` blocks. Raises StoreError when it cannot be used."""

    @property
    def folder(self) -> Path:
        """The folder of this machine in which runs are kept, or in which there has to be room for what is written and read."""
        ...

    @property
    def durability(self) -> Durability:
        """What `RunWriter.durable` waits for: `sync` for the disk, `os` for the operating system."""
        ...

    async def create(self, events: Sequence[Event], record: RunRecord, modules: bytes) -> RunWriter:
        """Make a new run with its first events; it is in place, though not durable, when this returns.

        Raises RunExistsError when its id is taken.
        """
        ...

    async def reopen(self, run_id: str) -> Reopened:
        """A run that is over, to go on with it. Raises NotFoundError, DamagedRunError, ConflictError."""
        ...

    async def take_over(self, run_id: str) -> Reopened:
        """A run that a dead service left before its end, to go on with it as it is. Raises as `reopen` does."""
        ...

    def adopt(self, run_id: str, fill: Callable[[Path], None]) -> RunRecord:
        """Take a run that was made elsewhere: `fill` puts its files into a folder that nobody sees until all is on disk.

        Raises RunExistsError, ConflictError when the run is not over or another process is at it, DamagedRunError when its
        record cannot be used, and what `fill` raises; nothing is left then.
        """
        ...

    def run(self, run_id: str) -> StoredRun:
        """A run, to be read; whether there is one shows when it is read."""
        ...

    def record(self, run_id: str) -> RunRecord:
        """The record of a run. Raises NotFoundError, DamagedRunError."""
        ...

    def flush(self, run_id: str) -> None:
        """Return when a run that another process writes is on disk as it is now, as far as OPS_DURABILITY asks for.

        Raises NotFoundError, DamagedRunError.
        """
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

    def address(self, run_id: str, step: str, name: str, seconds: int) -> str | None:
        """Where anybody can fetch an artifact for so many seconds without asking here; None where nobody can.

        Raises NotFoundError, DamagedRunError.
        """
        ...

    def run_ids(self) -> set[str]:
        """The ids of all runs."""
        ...

    def page(self, limit: int, cursor: str | None = None, where: RunFilter = EVERY_RUN) -> Page:
        """Up to `limit` of the runs that `where` accepts, newest first.

        Raises InvalidRequestError for a cursor that this store did not give, and for a fingerprint that is too short.
        """
        ...

    def repeats(self, recipe: str) -> Repeats:
        """How many completed runs have a recipe, and whether they found the same."""
        ...

    def calls(self, module: str) -> CallCounts:
        """How the calls of a module went, in all runs that were listed after their last step; the median is of recent ones."""
        ...

    def last_calls(self, module: str, limit: int) -> list[tuple[RunRecord, StepRecord]]:
        """Up to `limit` calls of a module that are over, as steps of runs, newest first; those of damaged runs are left out."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether all runs are listed; False while many of them are being read in the background."""
        ...

    def wait_until_complete(self, seconds: float) -> bool:
        """Wait until all runs are listed, at most so long; whether they are."""
        ...

    def find_unlisted(self) -> None:
        """List the runs that are not listed, such as one that a process had just made when it died."""
        ...

    def keep_up(self) -> None:
        """List the runs that another process has made, and how those that were under way are now."""
        ...

    def claim(self, key_sha256: str, run_id: str) -> str | None:
        """See RunIndex."""
        ...

    def release(self, key_sha256: str, run_id: str) -> None:
        """See RunIndex."""
        ...

    def remove(self, run_id: str) -> bool:
        """Remove a run, at once and wholly; False when it is not over, or somebody has its lease.

        Raises NotFoundError, DamagedRunError.
        """
        ...

    def size(self, run_id: str) -> int:
        """How many bytes the files of a run have; 0 when there is no such run."""
        ...

    def left(self) -> set[str]:
        """The ids of runs that a dead service may have left: those that are not over, also where it lives.

        What it left of runs that it was making, taking in or removing is removed.
        """
        ...

    def abandoned(self) -> set[str]:
        """The ids of runs that are not over, and that nobody executes. Raises StoreError."""
        ...

    def recover(self, run_ids: Iterable[str] | None = None) -> Mapping[str, OSError | StoreError | None]:
        """End the runs that a dead service left, or those of `run_ids`: as their logs say, else as interrupted.

        By run id, why one could not be ended, or None. What was not left has no entry.
        """
        ...

    def location(self, run_id: str) -> Path | str:
        """Where people find the run: a folder, or an address."""
        ...

    def sweep(self) -> None:
        """Remove what is left of runs that could not be made, or not be removed, to the end. Blocking. Raises OSError."""
        ...

    def check_room(self) -> None:
        """Raise NoRoomError when the disk has no room for another run, or runs take as much as they may. Blocking."""
        ...

    def unwritable(self) -> str | None:
        """Why no run can be stored now, in a sentence; None when one can."""
        ...

    def close(self) -> None:
        """Let go of what the store holds open."""
        ...


class RunIndex(Protocol):
    """Which runs there are, by start time and everything that a RunFilter asks for. Safe to use from several threads.

    It is disposable, and made again from the runs when it is lost or damaged, whenever that is noticed; many runs are read in
    the background. Reading raises StoreError. A change that cannot be written is dropped: the runs themselves are the truth.
    """

    @property
    def is_complete(self) -> bool:
        """Whether all runs are known; False while they are being read."""
        ...

    def wait_until_complete(self, seconds: float) -> bool:
        """Wait until all runs are known, at most so long; whether they are."""
        ...

    def put(self, runs: Iterable[ListedRun]) -> None:
        """Add runs, or replace what is known of them. Only for whoever writes them."""
        ...

    def learn(self, runs: Iterable[ReadRun]) -> None:
        """Add runs that were read, or replace what is known of them, unless others did so meanwhile."""
        ...

    def drop(self, run_ids: Iterable[str]) -> None:
        """Forget runs, and free their keys."""
        ...

    def run_ids(self, status: str | None = None) -> set[str]:
        """All known runs, or those with `status`."""
        ...

    def page(self, limit: int, where: RunFilter = EVERY_RUN, after: Position | None = None) -> list[IndexedRun]:
        """Up to `limit` runs, newest first, that come after `after`.

        Raises InvalidRequestError for a fingerprint that is the beginning of several.
        """
        ...

    def repeats(self, recipe: str) -> Repeats:
        """How many completed runs have a recipe, of the first 5,000, and whether they found the same."""
        ...

    def calls(self, module: str) -> CallCounts:
        """How the known calls of a module went; the median is that of the last 1,000 completed ones."""
        ...

    def last_calls(self, module: str, limit: int) -> list[tuple[str, int]]:
        """The run and the number of the step of up to `limit` calls of a module, newest first."""
        ...

    def claim(self, key_sha256: str, run_id: str) -> str | None:
        """The id of the run that holds an idempotency key: `run_id` when nobody held it, which now does.

        None while the run that is to hold it is being made, by whatever thread or process: one gets the key, also while the
        index is made again. It is free again when it is released, or when its process ends before the run is in place.

        Raises StoreError.
        """
        ...

    def release(self, key_sha256: str, run_id: str) -> None:
        """Free a key for which the run could not be made. Nothing happens when another run holds it. Raises StoreError."""
        ...

    def close(self) -> None:
        """Close the index."""
        ...


class RunSource(Protocol):
    """The runs that an index is made from. Blocking. Raises StoreError, OSError when none can be read."""

    @property
    def lists_at_start(self) -> bool:
        """Whether looking for runs that the index does not know costs so little that it is done at each start."""
        ...

    def run_ids(self) -> set[str]:
        """The ids of all runs."""
        ...

    def read(self, run_id: str, before: str | None) -> ReadRun | None:
        """A run for the index, which knows it in the version `before`; None when it is gone, or cannot be read for now."""
        ...

    def version_of(self, run_id: str) -> str | None:
        """The version of a run that was just written; None when there is none."""
        ...

    def has(self, run_id: str) -> bool:
        """Whether there is such a run."""
        ...
