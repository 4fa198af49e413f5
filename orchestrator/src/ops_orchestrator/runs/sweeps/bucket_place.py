"""Sweeps in a bucket, beside the runs: what stands in a sweep's folder are objects below `sweeps/<id>/`. See SweepPlace.

Among machines the state of a sweep is the fence, as ObjectSweep has it; on one machine whoever executes it holds a lock file.
"""

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final, cast

from ops_orchestrator.runs.run_id import SWEEP_ID
from ops_orchestrator.runs.store.lock_file import LockFile
from ops_orchestrator.runs.store.objects.bucket import Bucket, ChangedObjectError
from ops_orchestrator.runs.store.objects.object_file import opened
from ops_orchestrator.runs.store.objects.staging import Staging
from ops_orchestrator.runs.store.plain_file import NotPlainError, OpenFile
from ops_orchestrator.runs.sweeps.object_sweep import ObjectSweep
from ops_orchestrator.runs.sweeps.point_objects import PointObjects
from ops_orchestrator.runs.sweeps.state import SweepState
from ops_orchestrator.runs.sweeps.sweep_place import CANCEL, LARGEST_FILE_BYTES, POINTS, STATE, Asked, Found

_KEYS: Final = ".keys"
# Names in a bucket are data: a file of a sweep has a plain one.
_PLAIN: Final = re.compile(r"\.?[A-Za-z0-9_-][A-Za-z0-9._-]*")
_AT_ONCE: Final = 16
# Nobody takes longer to make a sweep, so that whoever claimed a key and did not make one is dead.
_MAKING: Final = timedelta(minutes=2)


class BucketPlace:
    """The sweeps in `bucket`; `staging` and `locks` are this process's folder and that of all on this machine."""

    def __init__(self, bucket: Bucket, staging: Staging, locks: Path, most_copied_bytes: int) -> None:
        self._bucket = bucket
        self._staging = staging
        self._locks = locks
        # Two, since what the first does may wait for the second.
        self._threads, self._fetching = (ThreadPoolExecutor(_AT_ONCE, name) for name in ("sweep-objects", "sweep-points"))
        self._points = PointObjects(bucket, staging.copies, most_copied_bytes, self._fetching)

    def close(self) -> None:
        """See SweepPlace."""
        self._threads.shutdown()
        self._fetching.shutdown()
        self._staging.close()

    def location(self, sweep_id: str) -> str:
        """See SweepPlace."""
        return self._bucket.address.location(sweep_id)

    def ids(self) -> list[str]:
        """See SweepPlace."""
        return list(self._bucket.folders())

    def has(self, sweep_id: str) -> bool:
        """See SweepPlace."""
        return self._bucket.stored(f"{sweep_id}/{STATE}") is not None

    def files(self, sweep_id: str) -> list[str]:
        """See SweepPlace."""
        found = self._bucket.directly_below(sweep_id)
        if STATE not in found:
            raise FileNotFoundError(sweep_id)
        # The points have a name also while there are none, or pieces.
        return sorted({POINTS, *(name for name in found if _PLAIN.fullmatch(name))})

    def read(self, sweep_id: str, name: str) -> bytes:
        """See SweepPlace."""
        content = b""
        for piece in self._bucket.pieces(f"{sweep_id}/{name}"):
            content += piece
            if len(content) > LARGEST_FILE_BYTES:
                raise NotPlainError(name, f"has more than {LARGEST_FILE_BYTES} bytes")
        return content

    def open(self, sweep_id: str, name: str) -> OpenFile:
        """See SweepPlace."""
        if name == POINTS:
            return self._all_points(sweep_id)
        stored = self._bucket.stored(f"{sweep_id}/{name}")
        if stored is None:
            raise FileNotFoundError(name)
        return opened(self._bucket, stored)

    def lines(self, sweep_id: str) -> Iterator[bytes]:
        """See SweepPlace."""
        return self._points.lines(sweep_id)

    def create(self, state: SweepState, request: bytes) -> ObjectSweep:
        """See SweepPlace."""
        lock = self._lock(state.sweep_id)
        if lock is None:
            raise FileExistsError(state.sweep_id)
        try:
            return ObjectSweep.create(self._bucket, self._points, lock, state, request)
        except BaseException:
            lock.release()
            raise

    def adopt(self, sweep_id: str, files: Iterable[tuple[str, Iterable[bytes]]]) -> None:
        """See SweepPlace. What a killed process left has no state yet, and is replaced."""
        if self.has(sweep_id):
            raise FileExistsError(sweep_id)
        self._bucket.delete(each.name for each in self._bucket.below(sweep_id).values())
        for name, pieces in files:
            try:
                self._bucket.put_new(f"{sweep_id}/{name}", b"".join(pieces))
            except ChangedObjectError as error:
                if not error.was_repeated:
                    raise FileExistsError(sweep_id) from error

    def take(self, sweep_id: str) -> ObjectSweep | None:
        """See SweepPlace. Whether somebody executes it on another machine is found out by the first put."""
        lock = self._lock(sweep_id)
        if lock is None:
            return None
        try:
            _, tag = self._bucket.read(f"{sweep_id}/{STATE}") or (b"", "")
        except BaseException:
            lock.release()
            raise
        return ObjectSweep(self._bucket, self._points, sweep_id, lock, tag)

    def has_no_holder(self, sweep_id: str) -> bool:
        """See SweepPlace."""
        lock = self._lock(sweep_id)
        if lock is not None:
            lock.release()
        return lock is not None

    def ask_to_cancel(self, sweep_id: str, word: bytes) -> None:
        """See SweepPlace. The first word counts."""
        try:
            self._bucket.put_new(f"{sweep_id}/{CANCEL}", word)
        except ChangedObjectError:
            return

    def claim(self, key_sha256: str, sweep_id: str) -> str | None:
        """See SweepPlace: whoever can put the object of a key has it."""
        name, holder = f"{_KEYS}/{key_sha256}", sweep_id.encode()
        try:
            self._bucket.put_new(name, holder)
        except ChangedObjectError:
            return self._held(name, sweep_id)
        return sweep_id

    def keep_key(self, key_sha256: str, sweep_id: str) -> None:
        """See SweepPlace: it is kept as it was claimed."""

    def release_key(self, key_sha256: str, sweep_id: str) -> None:
        """See SweepPlace."""
        name = f"{_KEYS}/{key_sha256}"
        with suppress(FileNotFoundError):
            found = self._bucket.read(name)
            if found is not None and found[0] == sweep_id.encode():
                self._bucket.delete([name])

    def each(self, find: Callable[[Asked], Found], asked: Iterable[Asked]) -> Iterable[Found]:
        """See SweepPlace."""
        return self._threads.map(find, asked)

    def _held(self, name: str, sweep_id: str) -> str | None:
        """The sweep that holds a key which is not free; None while it is being made."""
        stored = self._bucket.stored(name)
        try:
            found = self._bucket.read(name)
        except FileNotFoundError:
            return None
        if found is None or stored is None or stored.tag != found[1]:
            return None
        holder = found[0].decode(errors="replace")
        if holder == sweep_id or (SWEEP_ID.fullmatch(holder) and self.has(holder)):
            return holder
        if datetime.now(UTC) - stored.modified < _MAKING:
            return None
        try:
            self._bucket.put_over(name, sweep_id.encode(), found[1])
        except ChangedObjectError:
            return None
        return sweep_id

    def _all_points(self, sweep_id: str) -> OpenFile:
        file = tempfile.TemporaryFile(dir=self._staging.copies)  # noqa: SIM115  # whoever asked closes it
        file.writelines(self._points.lines(sweep_id))
        size = file.tell()
        file.seek(0)
        stored = self._bucket.stored(f"{sweep_id}/{STATE}")
        return OpenFile(cast("BinaryIO", file), size, stored.modified.timestamp() if stored else 0.0)

    def _lock(self, sweep_id: str) -> LockFile | None:
        return LockFile.take(self._locks / sweep_id)
