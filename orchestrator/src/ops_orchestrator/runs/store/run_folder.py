"""The folder of one run while it is written: which file is written when. Blocking; raises OSError.

The order is what recovery relies on: files come before the log line that names them, and run.json says that a run is over
only when everything else was flushed. See runs/README.md for the layout.
"""

# ruff: noqa: PTH102, PTH104, PTH108  # path objects take a seventh of the time of writing a run

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Final, Self

from ops_contract import sha256_hex
from ops_orchestrator.runs.provenance import manifest
from ops_orchestrator.runs.record import ARTIFACTS, LOGS, MANIFEST, MODULES, RECORD, RESULTS, SIGNATURE, STEPS
from ops_orchestrator.runs.run_file import FileRef, RunFile
from ops_orchestrator.runs.store.claimed_keys import alone_in
from ops_orchestrator.runs.store.lease import FolderLease
from ops_orchestrator.runs.store.plain_file import NotPlainError, read_below
from ops_orchestrator.runs.store.signed_log import Signer

ALWAYS_THERE: Final = (ARTIFACTS, STEPS)
"""Folders that each run has, also while they are empty."""

STAGING: Final = ".staging"
ATTEMPTS: Final = "/attempts/"
PART: Final = ".part"
"""The ending of a document until it is whole."""

_NEW: Final = ".new-"
_MOST_SIGNATURE_BYTES: Final = 64 * 1024
_TO_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW


class RunFolder:
    """Writes in the folder `path`, whose lease is held, after the `log` that is there already.

    `files` are those that the run's events name, and `modules` is its modules.json.
    """

    def __init__(
        self, path: Path, lease: FolderLease, log: bytes = b"", files: Iterable[FileRef] = (), modules: bytes | None = None
    ) -> None:
        self.path = path
        self._folder = f"{path}/"
        self._lease = lease
        self._log = lease.log.fileno()
        self._log_hash = hashlib.sha256(log)
        self._log_size = len(log)
        # What is written next follows `log`, whatever was read or cut before.
        os.lseek(self._log, self._log_size, os.SEEK_SET)
        self._is_new = False
        self._is_given_up = False
        self._before_end: tuple[int, hashlib._Hash] | None = None
        self._made: set[str] = set()
        self._hashes = {file.path: file.sha256 for file in files}
        if modules is not None:
            self._hashes[MODULES] = sha256_hex(modules)

    @classmethod
    def create(cls, path: Path, record: bytes, modules: bytes, lines: bytes) -> Self:
        """Make the folder with its first documents. Raises FileExistsError when the name is taken."""
        if os.path.lexists(path):
            raise FileExistsError(path)
        # Made under another name and renamed, so that nobody ever sees a run folder without its record.
        unfinished = unfinished_path(path)
        lease = made_with_lease(unfinished)
        try:
            folder = cls(unfinished, lease, modules=modules)
            folder._is_new = True
            for name in ALWAYS_THERE:
                folder._make(name)
            folder._write(MODULES, [modules])
            folder._write(RECORD, [record])
            folder.log(lines)
            os.rename(unfinished, path)
        except BaseException:
            lease.release()
            _remove_unfinished(unfinished)
            raise
        folder.path, folder._folder = path, f"{path}/"
        return folder

    def paths(self) -> Iterator[str]:
        """All files and folders of the run, and the folder in which it is an entry. May be called in any thread."""
        return paths_of(self.path, self._hashes)

    def last_paths(self) -> tuple[str, str]:
        """What `conclude` changes."""
        return self._folder + RECORD, str(self.path)

    def log(self, lines: bytes) -> None:
        """Add whole lines to the log."""
        write_all(self._log, lines)
        self._log_hash.update(lines)
        self._log_size += len(lines)

    def append(self, files: Iterable[RunFile], line: bytes) -> None:
        """Add files, then the line that names them."""
        for file in files:
            path = file.ref.path
            self._make_parents(path)
            if isinstance(file.content, Path):
                os.rename(file.content, self._folder + path)
            else:
                self._write(path, [file.content])
            self._hashes[path] = file.ref.sha256
        self.log(line)

    def end(self, results: Iterable[bytes], line: bytes, record: bytes, signer: Signer | None = None) -> None:
        """Write everything that an ended run has, its final record under another name: see `conclude`.

        `results` are pieces of results.json. Without a `signer` the run is not signed, and keeps
        only a signature of what it has now. May be repeated for a new run: see `can_end_again`.
        """
        if self._before_end is None:
            self._before_end = self._log_size, self._log_hash.copy()
        else:
            self._take_back(*self._before_end)
        digest = hashlib.sha256()
        self._document(RESULTS, _hashed(results, digest))
        self._hashes[RESULTS] = digest.hexdigest()
        self.log(line)
        self._hashes[LOGS] = self._log_hash.hexdigest()
        self.seal(record, signer)

    @property
    def can_end_again(self) -> bool:
        """Whether `end` may be called again after an error: one that was resumed may have documents of an earlier end."""
        return self._is_new

    def _take_back(self, size: int, hashed: "hashlib._Hash") -> None:
        """Forget an end that could not be written: first the manifest, which says that there is one, then its line."""
        for name in (MANIFEST, SIGNATURE):
            with suppress(FileNotFoundError):
                os.unlink(self._folder + name)
        os.ftruncate(self._log, size)
        os.lseek(self._log, size, os.SEEK_SET)
        self._log_size, self._log_hash = size, hashed.copy()

    def seal(self, record: bytes, signer: Signer | None = None) -> None:
        """Write the manifest and its signature, and the final record under another name."""
        # `rmtree` is slow to find that there is nothing.
        if os.path.lexists(self._folder + STAGING):
            shutil.rmtree(self._folder + STAGING)
        self._hashes[RECORD] = sha256_hex(record)
        for name in (MANIFEST, SIGNATURE):
            self._hashes.pop(name, None)
        listed = manifest(self._hashes).encode()
        self._document(MANIFEST, [listed])
        if signer is not None:
            self._document(SIGNATURE, [signer(listed)])
        elif not self._is_new and not self._is_signed(listed):
            with suppress(FileNotFoundError):  # an earlier end may have been signed
                os.unlink(self._folder + SIGNATURE)
        self.prepare(record)

    def prepare(self, record: bytes) -> None:
        """Write the final record under another name."""
        self._write(RECORD + PART, [record])

    def conclude(self) -> None:
        """Put the final record into place: from now on the run is over."""
        os.rename(self._folder + RECORD + PART, self._folder + RECORD)

    def replace(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write the document `name`; a reader sees the old content or the new, never a part."""
        self._write(name + PART, pieces)
        os.rename(self._folder + name + PART, self._folder + name)

    def settle(self, files: Iterable[FileRef]) -> None:
        """Move files that earlier attempts left to where `files` say that they are since the run was resumed."""
        for file in files:
            settle(self.path, file.path)
            del self._hashes[place_before(file.path)]
            self._hashes[file.path] = file.sha256

    def give_up(self) -> FolderLease:
        """Take back what was written of a line that is not whole; returns the lease, which is still held."""
        if not self._is_given_up:  # recovery may have written more since
            with suppress(OSError):  # recovery cuts it as well
                os.ftruncate(self._log, self._log_size)
                os.lseek(self._log, 0, os.SEEK_END)
        self._is_given_up = True
        return self._lease

    def close(self) -> None:
        """Close the log and release the lease."""
        self._lease.release()

    def _is_signed(self, listed: bytes) -> bool:
        """Whether the signature in the folder is one of the manifest `listed`, and not of an earlier end."""
        if not os.path.lexists(self._folder + SIGNATURE):
            return False
        from ops_orchestrator.runs.signing import SignatureError, signed_by  # noqa: PLC0415  # few runs are signed

        try:
            signed_by(read_below(self.path, SIGNATURE, _MOST_SIGNATURE_BYTES), listed)
        except (SignatureError, NotPlainError):
            return False
        return True

    def _document(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a document that an earlier attempt may have left as well."""
        if self._is_new:
            self._write(name, pieces)
        else:
            self.replace(name, pieces)

    def _make_parents(self, path: str) -> None:
        """Make the folders that lead to the file `path`."""
        parent = path.rpartition("/")[0]
        if parent and parent not in self._made:
            self._make_parents(parent)
            with suppress(FileExistsError):
                self._make(parent)

    def _make(self, name: str) -> None:
        """Make the folder `name`."""
        self._made.add(name)
        os.mkdir(self._folder + name)

    def _write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write the file `name`."""
        descriptor = os.open(self._folder + name, _TO_WRITE, 0o666)
        try:
            for piece in pieces:
                write_all(descriptor, piece)
        finally:
            os.close(descriptor)


def made_with_lease(path: Path) -> FolderLease:
    """Make a folder that is not finished and its log, and lock that. Raises FileExistsError when the name is taken, OSError."""
    # Locked out meanwhile, recovery never sees a folder without a lease whose maker lives.
    with alone_in(path.parent):
        os.mkdir(path)
        try:
            return FolderLease.create(path / LOGS)
        except BaseException:
            _remove_unfinished(path)
            raise


def _remove_unfinished(path: Path) -> None:
    """Remove what `create` has made so far, by name: to list a folder takes a descriptor, of which there may be none."""
    for name in (LOGS, MODULES, RECORD):
        with suppress(OSError):
            (path / name).unlink()
    for folder in (*(path / name for name in ALWAYS_THERE), path):
        with suppress(OSError):
            folder.rmdir()


def _hashed(pieces: Iterable[bytes], digest: "hashlib._Hash") -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece


def settle(folder: Path, path: str) -> None:
    """Move a file of an earlier attempt to `path` in the run's `folder`, where it is since the run was resumed."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / place_before(path)).rename(folder / path)


def place_before(path: str) -> str:
    """Where the file of an earlier attempt was before the run was resumed."""
    return f"{path.partition(ATTEMPTS)[0]}/{path.rpartition('/')[2]}"


def paths_of(path: Path, files: Iterable[str]) -> Iterator[str]:
    """All files and folders that a run in the folder `path` may have, `files` among them, and the folder that it is in."""
    names = [*files, MODULES, LOGS, RECORD, RECORD + PART, RESULTS, MANIFEST, SIGNATURE]
    folders = {str(folder) for name in names for folder in PurePath(name).parents[:-1]}
    yield from (f"{path}/{name}" for name in (*names, *ALWAYS_THERE, *folders))
    yield from (str(path), str(path.parent))


def unfinished_path(path: Path) -> Path:
    """Where the folder `path` is filled before it gets its name."""
    return path.with_name(_NEW + path.name)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content`: a disk that gets full takes a part of it, and then refuses the rest."""
    while (written := os.write(descriptor, content)) < len(content):
        content = content[written:]
