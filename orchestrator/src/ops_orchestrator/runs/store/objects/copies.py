"""Copies of runs that are in a bucket, through which they are read: file by file, as they are asked for.

The log's tag says whether a copy is current. What is derived from the log is put after it, and fetched each time until the
record says that the run is over. Whoever lists the files of a run, such as to verify them, reads all of them as they are in the
bucket then. Copies take so many bytes at most: those that were used least recently go first.
"""

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.runs.event_reader import LogError
from ops_orchestrator.runs.record import (
    DERIVED,
    IMPORT_DAMAGE,
    LOGS,
    MANIFEST,
    MODULES,
    RECORD,
    RESULTS,
    SIGNATURE,
)
from ops_orchestrator.runs.run_id import RUN_ID
from ops_orchestrator.runs.store.objects.bucket import Bucket, Stored, Tag
from ops_orchestrator.runs.store.objects.copied_folders import CopiedFolder, CopiedFolders
from ops_orchestrator.runs.store.reading import record_on_disk
from ops_orchestrator.runs.store.stored_log import log_in

_DERIVED: Final = (RECORD, RESULTS, MANIFEST, SIGNATURE)
_DOCUMENTS: Final = frozenset({*_DERIVED, MODULES, LOGS, *DERIVED})


@dataclass
class _Copy(CopiedFolder):
    """A copy, the tags of its files, and which of those that were asked for the run does not have."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    tag: Tag | None = None
    tags: dict[str, Tag] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)


class Copies:
    """The copies in `folder`, which belongs to this process, of runs in `bucket`. Blocking; safe among threads."""

    def __init__(self, bucket: Bucket, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self._bucket = bucket
        self._copies = CopiedFolders(folder, most_bytes, _Copy)

    @contextmanager
    def of(self, run_id: str, *names: str) -> Iterator[Callable[[str], None]]:
        """Keep a copy of the run as it is now, with its log and those of the files `names` that it has, until the end.

        What is given fetches another file. Raises NotFoundError, BucketError, OSError.
        """
        with self._used(run_id) as copy, copy.lock:
            self._renew(run_id, copy)
            for name in names:
                self._fetch(run_id, copy, name)
            yield partial(self._fetch, run_id, copy)

    def compare(self, run_id: str, stored: Mapping[str, Stored]) -> None:
        """Fetch again what is not as the bucket has it now: somebody may have changed there what no log tells of."""
        with self._used(run_id) as copy, copy.lock:
            for name, tag in list(copy.tags.items()):
                if name not in stored or stored[name].tag != tag:
                    self._drop(run_id, copy, name)
                    del copy.tags[name]
            copy.missing -= stored.keys()

    def _renew(self, run_id: str, copy: _Copy) -> None:
        """Fetch the log, unless it is as it was; with another, all files are fetched again when they are asked for."""
        # Somebody may have emptied the folder, such as a cleaner of old files.
        tag = copy.tag if (self.folder / run_id / LOGS).exists() else None
        try:
            found = self._bucket.read(f"{run_id}/{LOGS}", tag)
        except FileNotFoundError as error:
            self._empty(run_id, copy)
            raise NotFoundError(f"There is no run {run_id}.", "/runs") from error
        if found is None:
            if not self._is_over(run_id):
                self._forget_derived(run_id, copy)
            return
        self._empty(run_id, copy)
        log, tag = found
        self._write(run_id, copy, LOGS, [log])
        copy.tag = tag

    def _fetch(self, run_id: str, copy: _Copy, name: str) -> None:
        if name in copy.missing or (self.folder / run_id / name).exists():
            return
        try:
            copy.tags[name], pieces = self._bucket.opened(f"{run_id}/{name}")
            self._write(run_id, copy, name, pieces)
        except FileNotFoundError:
            copy.missing.add(name)
            return
        path = self.folder / run_id / name
        if name == SIGNATURE and not path.stat().st_size:
            path.unlink()
            copy.missing.add(name)

    def _write(self, run_id: str, copy: _Copy, name: str, pieces: Iterable[bytes]) -> None:
        path = self.folder / run_id / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        with part.open("wb") as file:
            for piece in pieces:
                copy.bytes += file.write(piece)
        part.replace(path)

    def _is_over(self, run_id: str) -> bool:
        try:
            return record_on_disk(self.folder, run_id).is_over
        except (NotFoundError, StoreError):
            return False

    def _forget_derived(self, run_id: str, copy: _Copy) -> None:
        for name in _DERIVED:
            self._drop(run_id, copy, name)
        copy.missing.clear()

    def _drop(self, run_id: str, copy: _Copy, name: str) -> None:
        path = self.folder / run_id / name
        with suppress(FileNotFoundError):
            copy.bytes -= path.stat().st_size
            path.unlink()

    def _empty(self, run_id: str, copy: _Copy) -> None:
        shutil.rmtree(self.folder / run_id, ignore_errors=True)
        copy.tag, copy.tags, copy.bytes, copy.missing = None, {}, 0, set()

    @contextmanager
    def _used(self, run_id: str) -> Iterator[_Copy]:
        if not RUN_ID.fullmatch(run_id):
            raise NotFoundError(f"{run_id!r} is not the id of a run.", "/runs")
        with self._copies.used(run_id) as copy:
            yield copy


def counted(run_id: str, log: bytes, stored: dict[str, Stored]) -> dict[str, Stored]:
    """Those of a run's objects that count: documents, and what its log names. What a fenced writer left besides does not.

    A signature that is empty was taken back. Of a run whose log does not tell, or that was taken in although it is damaged, all
    count.
    """
    plain = {name: each for name, each in stored.items() if is_plain(name) and (each.size or name != SIGNATURE)}
    if IMPORT_DAMAGE in stored:
        return plain
    try:
        named = log_in(log, run_id).state.files
    except LogError:
        return plain
    return {name: each for name, each in plain.items() if name in named or name in _DOCUMENTS}


def is_plain(name: str) -> bool:
    """Whether a name leads to a file below the run's folder. Names in a bucket are data."""
    return "\0" not in name and not any(part in ("", ".", "..") for part in name.split("/"))
