"""Brings the folder of a run to its end: one that a dead service left, or one that could not be written to its end.

What the log says happened is kept, as far as the files that it names are whole; everything else is swept. It is
signed only if each line is: who can write in the folder may have changed it since, and made all hashes fit again.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from ops_orchestrator.errors import DamagedRunError
from ops_orchestrator.runs.event_reader import LogError
from ops_orchestrator.runs.events import Event, RunEnded, interrupted, line_sha256
from ops_orchestrator.runs.feed import Line
from ops_orchestrator.runs.json_text import json_document
from ops_orchestrator.runs.record import (
    LOGS,
    MANIFEST,
    MODULES,
    RECORD,
    RESULTS,
    SIGNATURE,
    Results,
    RunRecord,
    results_text,
)
from ops_orchestrator.runs.run_file import FileRef
from ops_orchestrator.runs.store.claimed_keys import alone_in
from ops_orchestrator.runs.store.folder_writer import line_of, written
from ops_orchestrator.runs.store.lease import FolderLease
from ops_orchestrator.runs.store.plain_file import NotPlainError, all_files_in, read_below, sha256_below
from ops_orchestrator.runs.store.reading import check_format, record_on_disk
from ops_orchestrator.runs.store.run_folder import (
    ALWAYS_THERE,
    ATTEMPTS,
    RunFolder,
    place_before,
    settle,
    unfinished_path,
)
from ops_orchestrator.runs.store.signed_log import Signer, is_signed_by
from ops_orchestrator.runs.store.stored_log import (
    LARGEST_DOCUMENT_BYTES,
    StoredLog,
    has_content,
    read_log,
    read_results,
    remains,
    with_whole_files,
)
from ops_orchestrator.runs.store.sync import Sync

_MOST_MODULES_BYTES: Final = 64 * 1024 * 1024
_PAGE_BYTES: Final = 4096
_FILES_OF_CREATION: Final = frozenset({RECORD, MODULES, LOGS})
_DOCUMENTS: Final = _FILES_OF_CREATION | {RESULTS}
_OF_AN_END: Final = frozenset({MANIFEST, SIGNATURE})


@contextmanager
def lease_of_the_dead(folder: Path) -> Iterator[FolderLease | None]:
    """The lease of a run, released at the end; None while the process that executes it lives, or when there is no log."""
    try:
        lease = FolderLease.take(folder / LOGS)
    except FileNotFoundError:
        lease = None
    try:
        yield lease
    finally:
        if lease is not None:
            lease.release()


def finish(  # noqa: PLR0913, PLR0917  # what an end needs
    store: Path, run_id: str, lease: FolderLease, sync: Sync, ended: RunEnded | None = None, signer: Signer | None = None
) -> tuple[RunRecord, Line]:
    """End the run, whose lease is held, and make its folder agree with its log; returns its record and last line.

    It ends with `ended`, or else as its log says, or as interrupted when that does not say how; `signer` signs that if it
    signed all of the log. Raises DamagedRunError when the
    log says nothing, and OSError; may be repeated then.
    """
    try:
        # The end that it may have could not be stored as it should have been, if it has to end as `ended`.
        log = log_of_the_left(store, run_id) if ended is None else whole_log(store, run_id).without_end()
    except LogError as error:
        raise DamagedRunError(store / run_id, LOGS, str(error)) from error
    if log.broken is None:
        folder, line = _ended(store / run_id, lease, log, ended or interrupted(), signer)
    else:
        folder, line = _ended_before(store / run_id, lease, log)
    sync.flush(folder.paths())
    folder.conclude()
    sync.flush(folder.last_paths())
    return log.state.record, line


def whole_log(store: Path, run_id: str, *, is_over: bool = False) -> StoredLog:
    """The log of a run whose lease is held, as far as it is whole, with files where it says that they are.

    Raises LogError when not even its first line is whole, or any later one of a run that `is_over`; DamagedRunError when the
    folder has the format of another version; OSError.
    """
    check_format(store, run_id)
    log = read_log(store, run_id)
    _settle_moves(store / run_id, log.state.files)
    log = with_whole_files(log, store, run_id)
    if sha256_below(store, f"{run_id}/{MODULES}") != log.modules_sha256:
        raise LogError(f"line 1 names {MODULES}, which is missing or has other content")
    if is_over and (log.rest is not None or log.ended is None):
        raise LogError(log.rest or "its last line does not say how the run ended")
    return log


def log_of_the_left(store: Path, run_id: str) -> StoredLog:
    """The log of a run that a dead service left, with which file is `broken` when the run was over but for its record.

    Its last record is put into place when all else is on disk, so that no crash explains such a file, and nothing is taken
    back. Raises as `whole_log` does.
    """
    whole = whole_log(store, run_id)
    if whole.rest is None or not has_content(store, run_id, MANIFEST):
        return whole
    log = read_log(store, run_id)
    is_cut = len(whole.events) < len(log.events)
    return replace(log, broken=whole.rest) if is_cut and log.ended is not None else whole


def record_of_the_left(store: Path, run_id: str) -> RunRecord | None:
    """The record of a run that may be left; None when it is damaged, and the log has to tell what it said.

    Raises DamagedRunError when the run was over, and StoreError.
    """
    try:
        return record_on_disk(store, run_id)
    except DamagedRunError:
        if has_content(store, run_id, MANIFEST):
            raise
        return None


def damaged_by(store: Path, run_id: str, error: NotPlainError) -> DamagedRunError:
    """The error of a run that has something other than a plain file of limited size in its folder."""
    return DamagedRunError(store / run_id, error.name.removeprefix(f"{run_id}/"), f"it {error.reason}")


def was_never_flushed(store: Path, run_id: str) -> bool:
    """Whether a power failure took the beginning of a run that is not over, and all that came after it.

    Then nobody knows of the run: an answer waits until its log and modules.json are flushed. A page that was not flushed reads
    as zeros, or is missing at the end of its file. What has lost anything else may have been acknowledged.
    """

    def content_of(name: str) -> bytes:
        return remains(read_below(store, f"{run_id}/{name}", LARGEST_DOCUMENT_BYTES))

    with suppress(OSError):
        files = {*all_files_in(store, run_id)}
        if files >= _FILES_OF_CREATION and not any(map(content_of, files - _FILES_OF_CREATION)):
            log = read_below(store, f"{run_id}/{LOGS}", LARGEST_DOCUMENT_BYTES)
            return _lost_its_first_line(log) or not content_of(MODULES)
    return False


def _lost_its_first_line(log: bytes) -> bool:
    written = remains(log)
    return b"\n" not in written and (len(written) < len(log) or len(log) % _PAGE_BYTES == 0)


def clear_unfinished(store: Path) -> None:
    """Remove the folders that a dead service was making. Raises OSError when `store` cannot be opened."""
    for folder in store.glob(unfinished_path(store / "run_*").name):
        clear_if_dead(folder)


def clear_if_dead(folder: Path) -> None:
    """Remove a folder that is not finished, unless whoever makes it lives. Raises OSError when its store cannot be opened."""
    with alone_in(folder.parent), suppress(OSError), lease_of_the_dead(folder) as lease:
        # Whoever makes a folder holds its lease as soon as others may look: see RunFolder.
        if lease is not None or not os.path.lexists(folder / LOGS):
            shutil.rmtree(folder, ignore_errors=True)


def swept(path: Path, lease: FolderLease, log: StoredLog) -> RunFolder:
    """The folder of a run without what `log` does not tell, to go on writing. Raises DamagedRunError, OSError."""
    store, run_id = path.parent, path.name
    _sweep(store, run_id, log)
    os.ftruncate(lease.log.fileno(), len(log.whole))
    modules = read_below(store, f"{run_id}/{MODULES}", _MOST_MODULES_BYTES)
    return RunFolder(path, lease, log.whole, log.state.files.values(), modules)


def _ended(path: Path, lease: FolderLease, log: StoredLog, ended: RunEnded, signer: Signer | None) -> tuple[RunFolder, Line]:
    """The folder of the run with everything that an ended run has, and its last line; see `RunFolder.end`."""
    store, run_id = path.parent, path.name
    state = log.state
    results = Results.of(state.record, read_results(store, run_id, state))
    folder = swept(path, lease, log)
    signs = signer if is_signed_by(signer, log) else None
    event, line, added = log.events[-1], log.last_line, b""
    if log.ended is None:
        event = _last_event(log, ended)
        state.apply(event)
        line = added = written(event, line_sha256(log.last_line), signs)
    folder.end(results_text(results), added, json_document(state.record), signs)
    return folder, line_of(event, line, state.queued)


def _ended_before(path: Path, lease: FolderLease, log: StoredLog) -> tuple[RunFolder, Line]:
    """As `_ended`, for a run that was over but for its record: only that is written, and `verify` says what does not fit."""
    modules = read_below(path.parent, f"{path.name}/{MODULES}", _MOST_MODULES_BYTES)
    folder = RunFolder(path, lease, log.whole, log.state.files.values(), modules)
    folder.prepare(json_document(log.state.record))
    return folder, line_of(log.events[-1], log.last_line, log.state.queued)


def _last_event(log: StoredLog, ended: RunEnded) -> Event:
    state = log.state
    error = ended.error
    if error is not None and log.rest is not None:
        error = {**error, "message": f"{error['message']}; what came later is lost: {log.rest}"}
    what = replace(ended, error=error, fingerprints=state.fingerprints(ended.status))
    return Event(run_id=state.record.run_id, seq=state.seq + 1, what=what)


def _settle_moves(folder: Path, files: Mapping[str, FileRef]) -> None:
    """Put files that earlier attempts left where the log says that they are since the run was resumed."""
    for path in files:
        before = place_before(path)
        if ATTEMPTS in path and before not in files and not os.path.lexists(folder / path):
            with suppress(FileNotFoundError):
                settle(folder, path)


def _sweep(store: Path, run_id: str, log: StoredLog) -> None:
    """Remove what no line names, and what is of an end that does not count.

    Raises DamagedRunError when there is anything but plain files and folders.
    """
    try:
        files = all_files_in(store, run_id)
    except NotPlainError as error:
        raise damaged_by(store, run_id, error) from error
    kept_files = _DOCUMENTS | log.state.files.keys()
    if log.ended is not None or log.goes_on_again:
        kept_files |= _OF_AN_END
    for path in files:
        if path not in kept_files:
            Path(store / run_id / path).unlink()
    kept = {str(store / run_id / name) for name in ("", *ALWAYS_THERE)}
    for folder, _, _ in os.walk(store / run_id, topdown=False):
        if folder.rstrip("/") not in kept:
            with suppress(OSError):  # it is not empty
                Path(folder).rmdir()
