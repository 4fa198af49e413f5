"""Brings a run out of the bucket into a folder, to go on with it, or to end it."""

import shutil
from collections.abc import Iterable
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path

from ops_orchestrator.errors import NotFoundError
from ops_orchestrator.runs.event_reader import LogError
from ops_orchestrator.runs.record import LOGS, MODULES, RECORD
from ops_orchestrator.runs.store.objects.bucket import Bucket, Tag
from ops_orchestrator.runs.store.objects.copies import counted
from ops_orchestrator.runs.store.objects.publication import Publication
from ops_orchestrator.runs.store.run_folder import ALWAYS_THERE
from ops_orchestrator.runs.store.stored_log import log_in


def fetched(bucket: Bucket, staged: Path, run_id: str, threads: Executor) -> Publication:
    """Fetch the whole run into its folder in `staged`; what is published there goes on after what was fetched.

    Raises NotFoundError, BucketError, OSError; nothing is left then.
    """
    try:
        found = bucket.read(f"{run_id}/{LOGS}")
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no run {run_id}.", "/runs") from error
    assert found is not None  # noqa: S101  # nothing was to be left out
    log, tag = found
    folder = staged / run_id
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for name in ALWAYS_THERE:
            (folder / name).mkdir(parents=True)
        _write(folder / LOGS, [log])
        fetch = _fetch_first if _was_only_made(run_id, log) else _fetch_all
        tags = {**fetch(bucket, folder, log, threads), LOGS: tag}
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Publication(bucket, staged, run_id, threads, tags, _named(run_id, log, tags))


def _was_only_made(run_id: str, log: bytes) -> bool:
    with suppress(LogError):
        return len(log_in(log, run_id).events) == 1
    return False


def _fetch_all(bucket: Bucket, folder: Path, log: bytes, threads: Executor) -> dict[str, Tag]:
    """Fetch what counts of a run besides its log; returns the tags of all of its objects."""
    run_id = folder.name
    stored = bucket.below(run_id)
    names = [name for name in counted(run_id, log, stored) if name != LOGS]
    for _ in threads.map(lambda name: _write(folder / name, bucket.pieces(f"{run_id}/{name}")), names):
        pass
    return {name: each.tag for name, each in stored.items()}


def _fetch_first(bucket: Bucket, folder: Path, _log: bytes, threads: Executor) -> dict[str, Tag]:
    """As `_fetch_all`, of a run of which nothing counts but what it was made with; the bucket need not list it.

    What somebody left of a step that no line names is found when that is put again.
    """

    def fetch(name: str) -> dict[str, Tag]:
        try:
            found = bucket.read(f"{folder.name}/{name}")
        except FileNotFoundError:
            return {}
        assert found is not None  # noqa: S101  # nothing was to be left out
        _write(folder / name, [found[0]])
        return {name: found[1]}

    return {name: tag for tags in threads.map(fetch, (RECORD, MODULES)) for name, tag in tags.items()}


def _named(run_id: str, log: bytes, there: Iterable[str]) -> dict[str, str]:
    """The files that the log names and that are there, with their hashes."""
    try:
        files = log_in(log, run_id).state.files
    except LogError:
        return {}
    return {name: files[name].sha256 for name in there if name in files}


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
