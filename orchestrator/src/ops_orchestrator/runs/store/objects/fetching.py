"""Brings a run out of the bucket into a folder, to go on with it, or to end it."""

import shutil
from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path

from ops_orchestrator.errors import NotFoundError
from ops_orchestrator.runs.event_reader import LogError
from ops_orchestrator.runs.record import LOGS
from ops_orchestrator.runs.store.objects.bucket import Bucket
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
    stored = bucket.below(run_id)
    tags = {name: each.tag for name, each in stored.items()} | {LOGS: tag}
    folder = staged / run_id
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for name in ALWAYS_THERE:
            (folder / name).mkdir(parents=True)
        names = [name for name in counted(run_id, log, stored) if name != LOGS]
        for _ in threads.map(lambda name: _write(folder / name, bucket.pieces(f"{run_id}/{name}")), names):
            pass
        _write(folder / LOGS, [log])
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Publication(bucket, staged, run_id, threads, tags, _named(run_id, log, stored.keys()))


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
