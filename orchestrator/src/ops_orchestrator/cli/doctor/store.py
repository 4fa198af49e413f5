"""The store: whether it can be written, on what it is, and the state of its runs as the index knows them. Reads alone."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from ops_orchestrator.cli.doctor.finding import Finding
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.runs.events import NOT_OVER
from ops_orchestrator.runs.record import LOGS
from ops_orchestrator.runs.store.index_rows import tag_of
from ops_orchestrator.runs.store.lease import has_no_holder
from ops_orchestrator.runs.store.reading import run_ids_in
from ops_orchestrator.runs.store.room import Room
from ops_orchestrator.runs.store.sqlite_index import FILE_NAME
from ops_orchestrator.settings import Settings
from ops_orchestrator.sizes import bytes_text

_MOST_NAMED: Final = 3
_REMOTE: Final = ("nfs", "cifs", "smb", "fuse", "9p", "ceph", "gluster")
_IN_MEMORY: Final = ("tmpfs", "ramfs")
_IDS: Final = "SELECT run_id FROM runs"
_TAGGED: Final = "SELECT run_id FROM tagged WHERE tag = ? ORDER BY run_id DESC"


def store(settings: Settings) -> Iterator[Finding]:
    """What there is to say of where runs are kept."""
    if settings.runs_url is not None:
        yield _bucket(settings.runs_url)
    yield from _folder(settings)


def _folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.runs_dir
    if not folder.exists():
        yield _of_missing(folder)
        return
    if not folder.is_dir():
        yield Finding("wrong", "store", f"{folder} is not a folder", "set OPS_RUNS_DIR to a folder")
        return
    if settings.read_only:
        yield Finding("ok", "store", f"{folder.absolute()} is only read")
    else:
        yield _writable(settings)
    yield _disk(settings)
    if settings.runs_url is None and settings.database_url is None:  # which has the index otherwise
        yield from _runs(folder)


def _bucket(address: str) -> Finding:
    from ops_orchestrator.runs.store.objects.address import BucketAddress  # noqa: PLC0415  # few keep runs in a bucket
    from ops_orchestrator.runs.store.objects.bucket import Bucket  # noqa: PLC0415  # as above

    try:
        reason = Bucket(BucketAddress.of(address), 0).unwritable()
    except ConfigurationError as error:
        return Finding("wrong", "bucket", str(error))
    if reason is not None:
        return Finding("wrong", "bucket", reason, "look at OPS_RUNS_URL and at AWS_ENDPOINT_URL, AWS_REGION and the keys")
    return Finding("ok", "bucket", f"runs are kept in {address}")


def _of_missing(folder: Path) -> Finding:
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    if os.access(above, os.W_OK | os.X_OK):
        return Finding("ok", "store", f"{folder} is made at the first start")
    return Finding("wrong", "store", f"{folder} is missing, and user {os.getuid()} may not make it", "set OPS_RUNS_DIR")


def _writable(settings: Settings) -> Finding:
    folder = settings.runs_dir
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        message = f"{folder} cannot be written as user {os.getuid()}: {error.strerror}"
        return Finding(
            "wrong", "store", message, f"give it to this user (chown -R {os.getuid()} {folder}), or set OPS_RUNS_DIR"
        )
    return Finding("ok", "store", f"{folder.absolute()} can be written")


def _disk(settings: Settings) -> Finding:
    folder = settings.runs_dir
    kind = _file_system(folder.resolve())
    disk = os.statvfs(folder)
    message = f"{kind}, {bytes_text(disk.f_bavail * disk.f_frsize)} free of {bytes_text(disk.f_blocks * disk.f_frsize)}"
    lacking = None if settings.read_only else Room(folder, settings.min_free_bytes).lacking()
    if lacking is not None:
        return Finding("wrong", "disk", f"{message}: {lacking}", "`ops runs prune --older-than 90d` shows what can go")
    if kind.startswith(_IN_MEMORY):
        return Finding("warning", "disk", f"{message}: runs are lost when the machine stops", "set OPS_RUNS_DIR to a disk")
    if kind.startswith(_REMOTE):
        remedy = "see that locks (flock) hold across the machines that use it, or take a disk of this machine"
        return Finding("warning", "disk", f"{message}: on another machine", remedy)
    return Finding("ok", "disk", message)


def _file_system(folder: Path) -> str:
    """The kind of file system that a folder is on, as Linux names it."""
    best, kind = "", "unknown file system"
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            point = before.split()[4].encode().decode("unicode_escape")
            if folder.is_relative_to(point) and len(point) >= len(best):
                best, kind = point, after.split()[0]
    return kind


def _runs(folder: Path) -> Iterator[Finding]:
    """What the index knows of the runs, beside the folders that there are."""
    try:
        present = run_ids_in(folder)
    except OSError as error:
        yield Finding("wrong", "runs", f"{folder} cannot be read: {error.strerror}", "see who may read it: ls -ld")
        return
    index = folder / FILE_NAME
    if not index.exists():
        count = f"{len(present):,} run{'' if len(present) == 1 else 's'}"
        yield Finding("ok", "index", f"{count}; the list of runs is made at the next start" if present else "no run yet")
        return
    try:
        with closing(_opened(index)) as connection:
            known = {run_id for (run_id,) in connection.execute(_IDS)}
            by_status = {
                status: [run_id for (run_id,) in connection.execute(_TAGGED, (tag_of("status", status),))]
                for status in (*NOT_OVER, "damaged")
            }
    except sqlite3.Error as error:
        yield Finding("warning", "index", f"{index} cannot be read: {error}", "the service makes it again from the folders")
        return
    listed, unlisted = len(present & known), len(present - known)
    more = f"; {unlisted:,} more {'is' if unlisted == 1 else 'are'} read at the next start" if unlisted else ""
    yield Finding("ok", "index", f"{listed:,} {'run is' if listed == 1 else 'runs are'} listed{more}")
    yield from _damaged([run_id for run_id in by_status["damaged"] if run_id in present])
    yield from _left(folder, [run_id for status in NOT_OVER for run_id in by_status[status] if run_id in present])


def _opened(index: Path) -> sqlite3.Connection:
    """The index, read without making or changing a file: beside a service, with the file that holds what is written last."""
    has_log = index.with_name(f"{index.name}-shm").exists()
    return sqlite3.connect(f"{index.absolute().as_uri()}?{'mode=ro' if has_log else 'immutable=1'}", uri=True)


def _damaged(run_ids: list[str]) -> Iterator[Finding]:
    if run_ids:
        remedy = "`ops runs show RUN` says what is damaged; restore the folder from a backup, or remove it"
        yield Finding("wrong", "runs", f"{len(run_ids):,} are damaged: {_named(run_ids)}", remedy)


def _left(folder: Path, run_ids: list[str]) -> Iterator[Finding]:
    left = [run_id for run_id in run_ids if has_no_holder(folder / run_id / LOGS)]
    if left:
        remedy = "the next `ops serve` ends them as interrupted, or goes on with them with OPS_RESUME_INTERRUPTED=true"
        yield Finding("warning", "runs", f"{len(left):,} were left by a service that died: {_named(left)}", remedy)
    elif run_ids:
        yield Finding("ok", "runs", f"{len(run_ids):,} under way")


def _named(run_ids: list[str]) -> str:
    more = f" and {len(run_ids) - _MOST_NAMED:,} more" if len(run_ids) > _MOST_NAMED else ""
    return f"{', '.join(run_ids[:_MOST_NAMED])}{more}"
