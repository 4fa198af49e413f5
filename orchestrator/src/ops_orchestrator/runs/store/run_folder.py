"""The folder of one run while it is written: which file is written when. Blocking; raises OSError.

The order is what recovery relies on: files come before the log line that names them, and run.json says that a run is over
only when everything else was flushed. See runs/README.md for the layout.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from ops_contract import sha256_hex
from ops_orchestrator.runs.provenance import manifest
from ops_orchestrator.runs.record import ARTIFACTS, LOGS, MANIFEST, MODULES, RECORD, RESULTS, STEPS
from ops_orchestrator.runs.run_file import FileRef, RunFile
from ops_orchestrator.runs.store.lease import FolderLease

ALWAYS_THERE: Final = (ARTIFACTS, STEPS)
"""Folders that each run has, also while they are empty."""

STAGING: Final = ".staging"
ATTEMPTS: Final = "/attempts/"
_NEW: Final = ".new-"
_PART: Final = ".part"


class RunFolder:
    """Writes in the folder `path`, whose lease is held. `unsynced` are the files and folders that were not flushed to disk yet.

    `hashes` are those of the files that the run's events name, by path.
    """

    def __init__(
        self, path: Path, lease: FolderLease, log: bytes = b"", files: Iterable[FileRef] = (), modules: bytes | None = None
    ) -> None:
        self.path = path
        self.unsynced: list[str] = []
        self._lease = lease
        self._hashes = {file.path: file.sha256 for file in files}
        self._log_hash = hashlib.sha256(log)
        self._log_size = len(log)
        # What is written next follows `log`, whatever was read or cut before.
        os.lseek(lease.log.fileno(), self._log_size, os.SEEK_SET)
        self._folder = f"{path}/"
        self._made: set[str] = set()
        if modules is not None:
            self._hashes[MODULES] = sha256_hex(modules)

    @classmethod
    def create(cls, path: Path, record: bytes, modules: bytes, lines: bytes) -> Self:
        """Make the folder with its first documents. Raises FileExistsError when the name is taken."""
        if os.path.lexists(path):
            raise FileExistsError(path)
        # Made under another name and renamed, so that nobody ever sees a run folder without its record.
        unfinished = unfinished_path(path)
        unfinished.mkdir()
        lease: FolderLease | None = None
        try:
            lease = FolderLease.create(unfinished / LOGS)
            folder = cls(unfinished, lease)
            for name in ALWAYS_THERE:
                (unfinished / name).mkdir()
            folder._made.update(ALWAYS_THERE)
            folder.replace(MODULES, modules)
            folder.replace(RECORD, record)
            folder.log(lines)
            unfinished.rename(path)
        except BaseException:
            if lease is not None:
                lease.release()
            _remove_unfinished(unfinished)
            raise
        folder.path, folder._folder = path, f"{path}/"
        made = [f"{path}/{name}" for name in (LOGS, MODULES, RECORD, *ALWAYS_THERE)]
        folder.unsynced = [*made, str(path), str(path.parent)]
        return folder

    def log(self, lines: bytes) -> None:
        """Add whole lines to the log."""
        write_all(self._lease.log.fileno(), lines)
        self._log_hash.update(lines)
        self._log_size += len(lines)
        self.unsynced.append(self._folder + LOGS)

    def append(self, files: Iterable[RunFile], line: bytes) -> None:
        """Add files, then the line that names them."""
        for file in files:
            self._add(file)
        self.log(line)

    def end(self, results: Iterable[bytes], line: bytes, record: bytes) -> None:
        """Write everything that an ended run has, its final record under another name: see `conclude`.

        `results` are pieces of results.json.
        """
        self.replace(RESULTS, results)
        self.log(line)
        self._hashes[LOGS] = self._log_hash.hexdigest()
        self.seal(record)

    def seal(self, record: bytes) -> None:
        """Write the manifest, and the final record under another name."""
        # `rmtree` is slow to find that there is nothing.
        if os.path.lexists(self._folder + STAGING):
            shutil.rmtree(self._folder + STAGING)
        self._hashes[RECORD] = sha256_hex(record)
        self._hashes.pop(MANIFEST, None)
        self.replace(MANIFEST, manifest(self._hashes).encode())
        self._write(self._folder + RECORD + _PART, record)

    def conclude(self) -> None:
        """Put the final record into place: from now on the run is over."""
        Path(self._folder + RECORD + _PART).rename(self._folder + RECORD)
        self.unsynced += (self._folder + RECORD, str(self.path))

    def replace(self, name: str, content: bytes | Iterable[bytes]) -> None:
        """Write the document `name`, or its pieces; a reader sees the old content or the new, never a part."""
        target = self._folder + name
        if os.path.lexists(target):
            self._hashes[name] = self._write(target + _PART, content, hashlib.sha256())
            Path(target + _PART).rename(target)
            self.unsynced.append(target)
        else:
            self._hashes[name] = self._write(target, content, hashlib.sha256())
        self.unsynced.append(str(self.path))

    def settle(self, files: Iterable[FileRef]) -> None:
        """Move files that earlier attempts left to where `files` say that they are since the run was resumed."""
        for file in files:
            self._make_parents(file.path)
            Path(self._folder + place_before(file.path)).rename(self._folder + file.path)
            self.unsynced += (self._folder + file.path, f"{self._folder}{place_before(file.path)}".rpartition("/")[0])

    def give_up(self) -> FolderLease:
        """Take back what was written of a line that is not whole; returns the lease, which is still held."""
        with suppress(OSError):  # recovery cuts it as well
            os.ftruncate(self._lease.log.fileno(), self._log_size)
            os.lseek(self._lease.log.fileno(), 0, os.SEEK_END)
        return self._lease

    def close(self) -> None:
        """Close the log and release the lease."""
        self._lease.release()

    def _add(self, file: RunFile) -> None:
        path = file.ref.path
        self._make_parents(path)
        target = self._folder + path
        if isinstance(file.content, Path):
            file.content.rename(target)
            self.unsynced.append(target)
        else:
            self._write(target, file.content)
        # It may have been flushed since it was made, and has an entry more now.
        self.unsynced.append(target.rpartition("/")[0])
        self._hashes[path] = file.ref.sha256

    def _make_parents(self, path: str) -> None:
        """Make the folders that lead to the file `path`."""
        parent = path.rpartition("/")[0]
        if not parent or parent in self._made:
            return
        self._make_parents(parent)
        with suppress(FileExistsError):
            Path(self._folder + parent).mkdir()
        self._made.add(parent)
        above = parent.rpartition("/")[0]
        self.unsynced += (self._folder + parent, self._folder + above)

    def _write(self, path: str, content: bytes | Iterable[bytes], digest: "hashlib._Hash | None" = None) -> str:
        """Write a file; returns its SHA-256 if there is a `digest` to compute it."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            for piece in (content,) if isinstance(content, bytes) else content:
                write_all(descriptor, piece)
                if digest is not None:
                    digest.update(piece)
        finally:
            os.close(descriptor)
        self.unsynced.append(path)
        return digest.hexdigest() if digest is not None else ""


def _remove_unfinished(path: Path) -> None:
    """Remove what `create` has made so far, by name: to list a folder takes a descriptor, of which there may be none."""
    for name in (LOGS, MODULES, RECORD):
        with suppress(OSError):
            (path / name).unlink()
    for folder in (*(path / name for name in ALWAYS_THERE), path):
        with suppress(OSError):
            folder.rmdir()


def place_before(path: str) -> str:
    """Where the file of an earlier attempt was before the run was resumed."""
    return f"{path.partition(ATTEMPTS)[0]}/{path.rpartition('/')[2]}"


def unfinished_path(path: Path) -> Path:
    """Where the folder `path` is filled before it gets its name."""
    return path.with_name(_NEW + path.name)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content`: a disk that gets full takes a part of it, and then refuses the rest."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
