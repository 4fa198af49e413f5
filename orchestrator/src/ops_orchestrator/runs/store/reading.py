"""Reads the documents of stored runs. Nothing in a run's folder is trusted: it may be damaged, or come from elsewhere."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

from ops_contract import JsonError, ShapeError, parse_json, validate
from ops_orchestrator.errors import DamagedRunError, NotFoundError, StoreError
from ops_orchestrator.runs.event_reader import LogError
from ops_orchestrator.runs.log_reader import LogReader
from ops_orchestrator.runs.record import FORMAT, LOGS, MODULES, RECORD, RESULTS, STEPS, Results, RunRecord
from ops_orchestrator.runs.run_id import RUN_ID
from ops_orchestrator.runs.store.listed_run import DamagedRun, ListedRun, ReadRun
from ops_orchestrator.runs.store.plain_file import NotPlainError, all_files_in, open_below, read_below, sha256_below
from ops_orchestrator.runs.store.stored_log import LARGEST_DOCUMENT_BYTES, StoredLog, read_log
from ops_orchestrator.runs.store.stored_log import read_results as read_step_results

_LARGEST_RECORD_BYTES: Final = 16 * 1024 * 1024
MOST_VALUES: Final = {RECORD: 1_000_000, RESULTS: 4_000_000}
"""More JSON values than the documents have: eight steps with the largest answers, each of which stands twice in the results."""

# Reading takes many times the memory of a document, so that large ones are read one after another.
_LARGE_BYTES: Final = 1024 * 1024
_LARGE: Final = Lock()

Document = TypeVar("Document", RunRecord, Results)


def read_content(store: Path, run_id: str, name: str) -> bytes:
    """The bytes of the document `name` of a run in the folder `store`. Raises NotFoundError, DamagedRunError, StoreError."""
    with readable(store, run_id, name):
        return read_below(store, f"{run_id}/{name}", _LARGEST_RECORD_BYTES if name == RECORD else LARGEST_DOCUMENT_BYTES)


def open_log(store: Path, run_id: str) -> LogReader:
    """The log of a run in the folder `store`, open for reading. Raises as `read_content` does."""
    with readable(store, run_id, LOGS):
        return LogReader(run_id, open_below(store, f"{run_id}/{LOGS}"))


@contextmanager
def readable(store: Path, run_id: str, name: str) -> Iterator[None]:
    """Say of the file `name` of a run that cannot be read why: it is not there, it is damaged, or the store cannot be read."""
    folder = folder_of(store, run_id)
    # Looked at before and after: a run may be made, or removed, meanwhile, and has all of its documents as long as it is there.
    was_there = os.path.lexists(folder)
    try:
        yield
    except FileNotFoundError as error:
        if not (was_there and os.path.lexists(folder)):
            raise NotFoundError(f"There is no run {run_id}.", "/runs") from error
        if name in (RECORD, RESULTS):
            raise DamagedRunError(folder, name, "the file is missing") from error
        raise NotFoundError(f"{run_id} has no {name}." if name else f"{run_id} is being removed.") from error
    except NotPlainError as error:
        raise DamagedRunError(folder, name, f"the file {error.reason}") from error
    except PermissionError as error:
        raise DamagedRunError(folder, name, f"user {os.getuid()} may not read the file") from error
    except OSError as error:
        raise StoreError(f"cannot read {name} of {run_id}: {error.strerror}") from error


def read_record(store: Path, run_id: str) -> RunRecord:
    """The record of a run, as of now. Raises NotFoundError, DamagedRunError, StoreError."""
    return _as_of_now(store, record_on_disk(store, run_id))


def record_in(store: Path, run_id: str, content: bytes) -> RunRecord:
    """As `read_record`, for a run whose run.json is `content`."""
    return _as_of_now(store, parse_document(RunRecord, folder_of(store, run_id), RECORD, content))


def _as_of_now(store: Path, record: RunRecord) -> RunRecord:
    if record.is_over:
        return record
    run_id = record.run_id
    _check_that_it_can_end(folder_of(store, run_id))
    if record.format < FORMAT:
        return record
    # While a run goes on, its record says only that it does, and its log tells the rest.
    log = read_log_of(store, run_id)
    with readable(store, run_id, MODULES):
        modules_sha256 = sha256_below(store, f"{run_id}/{MODULES}")
    if modules_sha256 != log.modules_sha256:
        raise DamagedRunError(folder_of(store, run_id), MODULES, "the file is missing or has other content")
    return log.without_end().state.record


def is_kept_in_documents(record: RunRecord) -> bool:
    """Whether run.json and results.json have all of a run; the log of one that goes on has more."""
    return record.is_over or record.format < FORMAT


def record_on_disk(store: Path, run_id: str) -> RunRecord:
    """The record of a run as its run.json has it. Raises NotFoundError, DamagedRunError, StoreError."""
    return parse_document(RunRecord, folder_of(store, run_id), RECORD, read_content(store, run_id, RECORD))


def check_format(store: Path, run_id: str) -> None:
    """Raise DamagedRunError when run.json says that another version's format holds in the folder; OSError."""
    try:
        content = read_below(store, f"{run_id}/{RECORD}", _LARGEST_RECORD_BYTES)
        values = parse_json(content, max_values=MOST_VALUES[RECORD])
    except (FileNotFoundError, NotPlainError, JsonError):
        return  # it says nothing
    _check_format(store / run_id, RECORD, values)


def read_results(store: Path, run_id: str) -> Results:
    """The results of a run, as of now. Raises NotFoundError, DamagedRunError, StoreError."""
    record = read_record(store, run_id)
    if is_kept_in_documents(record):
        return parse_document(Results, folder_of(store, run_id), RESULTS, read_content(store, run_id, RESULTS))
    state = read_log_of(store, run_id).state
    with readable(store, run_id, STEPS):
        return Results.of(state.record, read_step_results(store, run_id, state))


def read_log_of(store: Path, run_id: str) -> StoredLog:
    """The log of a run, with what its lines tell. Raises NotFoundError, DamagedRunError, StoreError."""
    folder = folder_of(store, run_id)
    try:
        return read_log(store, run_id)
    except LogError as error:
        raise DamagedRunError(folder, LOGS, str(error)) from error
    except NotPlainError as error:
        raise DamagedRunError(folder, LOGS, f"the file {error.reason}") from error
    except OSError as error:
        raise StoreError(f"cannot read {LOGS} of {run_id}: {error.strerror}") from error


def read_listed(store: Path, run_id: str) -> ListedRun | None:
    """A run for a list of runs; None for one that is being removed, or that cannot be read for now."""
    try:
        return read_record(store, run_id)
    except DamagedRunError as error:
        return DamagedRun(run_id, error.reason)
    except (NotFoundError, StoreError):
        return None


def version_of(store: Path, run_id: str) -> str | None:
    """Which version of a run's record is in its folder: another text for each, None when there is none."""
    try:
        status = os.lstat(f"{store}/{run_id}/{RECORD}")
    except OSError:
        return None
    return f"{status.st_ino}-{status.st_size}-{status.st_ctime_ns}"


def read_version(store: Path, run_id: str, before: str | None) -> ReadRun | None:
    """A run for the index, which knows it in the version `before`; None as for `read_listed`."""
    version = version_of(store, run_id)
    run = read_listed(store, run_id)
    return None if run is None else ReadRun(run, version, before)


def run_ids_in(store: Path) -> set[str]:
    """The names in the folder `store` that are run ids. Raises OSError."""
    # Twice as fast as to make an object of each entry, of which there may be 100,000.
    return {name for name in os.listdir(store) if RUN_ID.fullmatch(name)}  # noqa: PTH208


def folder_of(store: Path, run_id: str) -> Path:
    """The folder of a run. Raises NotFoundError for what is not a run id, so that no path can be made of it."""
    if not RUN_ID.fullmatch(run_id):
        raise NotFoundError(f"{run_id!r} is not the id of a run.", "/runs")
    return store / run_id


def parse_document(model: type[Document], folder: Path, name: str, content: bytes) -> Document:
    """The `content` of the document `name` of the run in `folder`, as a `model`. Raises DamagedRunError."""
    try:
        with _LARGE if len(content) > _LARGE_BYTES else nullcontext():
            values = parse_json(content, max_values=MOST_VALUES[name])
            _check_format(folder, name, values)
            document = validate(model, values, name)
    except ShapeError as error:
        raise DamagedRunError(folder, name, str(error.problems[0])) from error
    except JsonError as error:
        raise DamagedRunError(folder, name, f"it is not JSON as it should be: {error}") from error
    if document.run_id != folder.name:
        raise DamagedRunError(folder, name, f"it belongs to the run {document.run_id[:60]!r}")
    return document


def _check_format(folder: Path, name: str, values: object) -> None:
    """Raise DamagedRunError for a run in a format that this version does not know: nothing in it may mean what it seems to."""
    found = values.get("format", 1) if name == RECORD and isinstance(values, dict) else 1
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise DamagedRunError(folder, name, f"format {str(found)[:40]!r} is not a version of the run folder")
    if found > FORMAT:
        reason = f"made by a later version of the orchestrator, format {str(found)[:40]}"
        raise DamagedRunError(folder, name, reason, "upgrade to read it")


def _check_that_it_can_end(folder: Path) -> None:
    """Raise DamagedRunError for a run that is not over and that no recovery could end."""
    try:
        files = all_files_in(folder.parent, folder.name)
    except NotPlainError as error:
        raise DamagedRunError(folder, error.name.removeprefix(f"{folder.name}/"), f"it {error.reason}") from error
    except OSError:
        # The run goes on, and its files are put into place meanwhile.
        return
    if LOGS not in files:
        raise DamagedRunError(folder, LOGS, "the file is missing")
