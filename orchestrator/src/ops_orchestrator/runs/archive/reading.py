"""Reads zip files of runs, wherever they come from: nothing in them is believed before it was looked at."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from zipfile import BadZipFile, ZipFile, ZipInfo, is_zipfile

from ops_orchestrator.errors import ArchiveError, ConfigurationError, StoreError
from ops_orchestrator.runs.archive.zip_structure import Directory, faults, why_unreadable
from ops_orchestrator.runs.record import DERIVED
from ops_orchestrator.runs.store.plain_file import NotPlainError, OpenFile
from ops_orchestrator.runs.store.run_folder import ALWAYS_THERE

_PIECE_BYTES: Final = 256 * 1024
# What `zipfile` raises of a file that is damaged.
_DAMAGED: Final = (BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError, LookupError)


@dataclass(frozen=True)
class Archive:
    """A zip file of runs that is open, and safe to unpack; `files` are those of each run, by its id.

    What was made of a run for its readers is not among them.
    """

    path: Path
    zip_file: ZipFile
    files: dict[str, tuple[ZipInfo, ...]]

    @property
    def run_ids(self) -> list[str]:
        """The runs in it, sorted."""
        return sorted(self.files)

    def names(self, run_id: str) -> list[str]:
        """The names of the files of a run, relative to its folder."""
        return [_name_in_run(entry) for entry in self.files[run_id]]

    def pieces(self, run_id: str, name: str) -> Iterator[bytes]:
        """The content of a file of a run. Raises ArchiveError when it is damaged."""
        return self._pieces(self.zip_file.getinfo(f"{run_id}/{name}"))

    def unpack(self, run_id: str, folder: Path) -> None:
        """Put the files of a run into `folder`, which is empty. Raises ArchiveError, StoreError."""
        for name in ALWAYS_THERE:
            with writable(folder / name):
                (folder / name).mkdir()
        for entry in self.files[run_id]:
            target = folder / _name_in_run(entry)
            with writable(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                file = target.open("xb")
            with file:
                for piece in self._pieces(entry):
                    with writable(target):
                        file.write(piece)

    def _pieces(self, entry: ZipInfo) -> Iterator[bytes]:
        left = entry.file_size
        with _readable(self.path, repr(entry.filename)):
            with self.zip_file.open(entry) as content:
                while piece := content.read(_PIECE_BYTES):
                    left -= len(piece)
                    yield piece
            if left:
                raise BadZipFile("it is shorter than it says")


@contextmanager
def opened_archive(path: Path, most_bytes: int) -> Iterator[Archive]:
    """The zip file at `path`, which may unpack to `most_bytes`.

    Raises ConfigurationError when there is no such file, and ArchiveError when no runs can be taken from it.
    """
    with closing(_opened(path)) as opened:
        directory = Directory.of(opened.file, opened.size)
        if directory is None:
            raise _not_plain(path, opened.file)
        if reason := why_unreadable(directory):
            raise _refused(path, reason)
        with _readable(path, "its directory"):
            zip_file = ZipFile(opened.file)
        with zip_file:
            for fault in faults(opened.file, opened.size, directory, zip_file.infolist(), most_bytes):
                raise _refused(path, fault)
            yield Archive(path, zip_file, _by_run(path, zip_file.infolist()))


def _not_plain(path: Path, file: BinaryIO) -> ArchiveError:
    if is_zipfile(file):
        return _refused(path, "it has a comment, or something before or after the zip file proper; export the runs again")
    return ArchiveError(f"{path} is not a zip file, or the end of it is missing")


def _opened(path: Path) -> OpenFile:
    try:
        file = path.resolve()
        return OpenFile.below(file.parent, file.name)
    except NotPlainError as error:
        raise ConfigurationError(f"{path} {error.reason}; give a zip file that `ops runs export` made") from error
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error


def _by_run(path: Path, entries: Sequence[ZipInfo]) -> dict[str, tuple[ZipInfo, ...]]:
    found: dict[str, list[ZipInfo]] = {}
    for entry in sorted(entries, key=lambda entry: entry.filename):
        if not entry.is_dir() and _name_in_run(entry) not in DERIVED:
            found.setdefault(entry.filename.partition("/")[0], []).append(entry)
    if not found:
        raise ArchiveError(f"{path} holds no run")
    return {run_id: tuple(files) for run_id, files in found.items()}


def _name_in_run(entry: ZipInfo) -> str:
    """The name of a file relative to the folder of its run."""
    return entry.filename.partition("/")[2]


def _refused(path: Path, reason: str) -> ArchiveError:
    return ArchiveError(f"{path} is refused: {reason}")


@contextmanager
def _readable(path: Path, name: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise ArchiveError(f"{path} is damaged: {name} cannot be read: {error}; get another copy") from error
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error


@contextmanager
def writable(target: Path) -> Iterator[None]:
    """Raise StoreError for an OSError while `target` is written."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot unpack into {target.parent}: {error.strerror}") from error
