"""Opens the folder of a run that goes on: one that is over, or one that a dead service left. Blocking."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops_orchestrator.errors import ConflictError, DamagedRunError, UnderWayError
from ops_orchestrator.runs.event_reader import LogError
from ops_orchestrator.runs.events import RunCancelling, RunEnded
from ops_orchestrator.runs.record import FORMAT, LOGS, MODULES, RunRecord, StepResults
from ops_orchestrator.runs.store.lease import FolderLease
from ops_orchestrator.runs.store.reading import read_content, read_record
from ops_orchestrator.runs.store.recovery import log_of_the_left, record_of_the_left, swept, whole_log
from ops_orchestrator.runs.store.run_folder import RunFolder
from ops_orchestrator.runs.store.signed_log import Signer, refuse_other_key
from ops_orchestrator.runs.store.stored_log import StoredLog, read_results


@dataclass(frozen=True)
class OpenedRun:
    """The folder, which holds the lease, and what is in it."""

    folder: RunFolder
    log: StoredLog
    results: dict[str, StepResults]
    modules: bytes


def reopen(store: Path, run_id: str) -> OpenedRun:
    """A run that is over. Raises NotFoundError, DamagedRunError, ConflictError, StoreError, OSError."""
    record = read_record(store, run_id)
    if not record.is_over:
        raise UnderWayError(run_id, record.status)
    if record.status == "completed":
        raise ConflictError(f"{run_id} is completed: there is nothing to resume; start its request again for another run.")
    _check_format(record)
    with _lease(store, run_id) as lease:
        log = whole_log(store, run_id, is_over=True)
        modules = read_content(store, run_id, MODULES)
        folder = RunFolder(store / run_id, lease, log.whole, log.state.files.values(), modules)
        return OpenedRun(folder, log, read_results(store, run_id, log.state), modules)


def take_over(store: Path, run_id: str, signer: Signer | None = None) -> OpenedRun:
    """A run that a dead service left, unless its log says that it ended, or that it was cancelled.

    Raises as `reopen` does, and OtherKeyError when it is to be signed, and `signer` cannot do that.
    """
    record = record_of_the_left(store, run_id)
    if record is not None:
        if record.is_over:
            raise ConflictError(f"{run_id} is {record.status}: nobody left it.")
        _check_format(record)
    with _lease(store, run_id) as lease:
        log = log_of_the_left(store, run_id)
        refuse_other_key(signer, log, run_id)
        _check_that_it_goes_on(log)
        results, modules = read_results(store, run_id, log.state), read_content(store, run_id, MODULES)
        return OpenedRun(swept(store / run_id, lease, log), log, results, modules)


@contextmanager
def _lease(store: Path, run_id: str) -> Iterator[FolderLease]:
    """The lease of a run, which is kept unless anything fails."""
    try:
        lease = FolderLease.take(store / run_id / LOGS)
    except FileNotFoundError as error:
        raise DamagedRunError(store / run_id, LOGS, "the file is missing") from error
    if lease is None:
        raise UnderWayError(run_id, "being resumed already")
    try:
        yield lease
    except LogError as error:
        lease.release()
        raise DamagedRunError(store / run_id, LOGS, str(error)) from error
    except BaseException:
        lease.release()
        raise


def _check_format(record: RunRecord) -> None:
    if record.format < FORMAT:
        raise ConflictError(
            f"{record.run_id} was made by a version that kept too little to go on with it; start its request again."
        )


def _check_that_it_goes_on(log: StoredLog) -> None:
    if isinstance(log.events[-1].what, RunEnded | RunCancelling):
        raise ConflictError(f"{log.state.record.run_id} had ended or was cancelled, which only has to be written.")
