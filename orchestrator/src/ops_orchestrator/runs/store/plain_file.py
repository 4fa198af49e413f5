"""Opens what lies below a folder. A run's folder may come from elsewhere: names in it are data, and no link is followed."""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO, Final, Self

# A folder that came from elsewhere may nest without end.
_LONGEST_NAME: Final = 4096
_NO_LINK: Final = os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a pipe waits for its other end.
_NO_WAITING: Final = os.O_NONBLOCK | os.O_NOCTTY
# Control characters, and bytes that are not UTF-8 as Python reads them in names.
_NOT_IN_TEXT: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_IS_LINK: Final = (errno.ELOOP, errno.EMLINK)


class NotPlainError(OSError):
    """A name below a folder does not lead to a plain file: a link, a pipe, a device, a folder, or a way out of the folder."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(errno.EINVAL, f"{name[:200]!r} {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True)
class OpenFile:
    """A plain file that is open for reading, `size` bytes long when it was opened; `modified` is in seconds since 1970."""

    file: BinaryIO
    size: int
    modified: float

    @classmethod
    def below(cls, root: Path, name: str) -> Self:
        """Open the file `name` below the folder `root`. Raises OSError, NotPlainError among them."""
        file = open_below(root, name)
        status = os.fstat(file.fileno())
        return cls(file, status.st_size, status.st_mtime)

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self.file.close()


def open_below(root: Path, name: str, *, to_change: bool = False) -> BufferedReader | FileIO:
    """Open the plain file `name` below the folder `root`, for reading, or for reading and writing with `to_change`.

    Each segment of `name` is opened below the one before, so that nothing can be exchanged for a link meanwhile. Raises
    NotPlainError, and OSError where a file cannot be opened, such as FileNotFoundError.
    """
    folder, _, last = name.rpartition("/")
    with _folder_below(root, folder) as parent:
        flags = (os.O_RDWR if to_change else os.O_RDONLY) | _NO_LINK | _NO_WAITING
        descriptor = _open(name, _checked(name, last), flags, parent)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotPlainError(name, "is not a plain file")
    return os.fdopen(descriptor, "r+b", buffering=0) if to_change else os.fdopen(descriptor, "rb")


def read_below(root: Path, name: str, limit: int) -> bytes:
    """The content of the plain file `name` below `root`. Raises NotPlainError when it has more than `limit` bytes, OSError."""
    with open_below(root, name) as file:
        if os.fstat(file.fileno()).st_size > limit:  # before so much of it is read
            raise _too_large(name, limit)
        return read_all(file, name, limit)


def read_all(file: BinaryIO, name: str, limit: int) -> bytes:
    """What follows in the open `file`. Raises NotPlainError, with `name`, when that is more than `limit` bytes, OSError."""
    content = file.read(limit + 1)
    if len(content) > limit:
        raise _too_large(name, limit)
    return content


def sha256_below(root: Path, name: str) -> str | None:
    """The SHA-256 of the plain file `name` below `root`; None when there is none. Raises OSError when it cannot be read now."""
    with suppress(FileNotFoundError, NotPlainError), open_below(root, name) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return None


def files_in(root: Path, name: str) -> tuple[list[str], list[str]]:
    """The names of the plain files and of the folders in the folder `name` below `root`, each sorted.

    Raises NotPlainError when there is anything else, such as a link, or a name that no text file can hold, and OSError.
    """
    files, folders = [], []
    with _folder_below(root, name) as descriptor, os.scandir(descriptor) as entries:
        for entry in entries:
            if _NOT_IN_TEXT.search(entry.name):
                raise NotPlainError(f"{name}/{entry.name}", "has a name that a manifest cannot hold")
            if entry.is_file(follow_symlinks=False):
                files.append(entry.name)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                raise NotPlainError(f"{name}/{entry.name}", "is neither a plain file nor a folder")
    return sorted(files), sorted(folders)


def all_files_in(root: Path, name: str) -> list[str]:
    """The names of all plain files anywhere in the folder `name` below `root`, relative to that folder, sorted.

    Raises NotPlainError when there is anything but plain files and folders, and OSError.
    """
    found, left = [], [""]
    while left:
        folder = left.pop()
        files, folders = files_in(root, f"{name}/{folder}".rstrip("/"))
        found += [folder + file for file in files]
        left += [f"{folder}{inner}/" for inner in folders]
    return sorted(found)


def _too_large(name: str, limit: int) -> NotPlainError:
    return NotPlainError(name, f"has more than {limit} bytes")


@contextmanager
def _folder_below(root: Path, name: str) -> Iterator[int]:
    """The descriptor of the folder `name` below `root`, of `root` itself for an empty name."""
    if len(name) > _LONGEST_NAME:
        raise NotPlainError(name, "is nested too deeply")
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for segment in name.split("/") if name else ():
            inner = _open(name, _checked(name, segment), os.O_RDONLY | os.O_DIRECTORY | _NO_LINK | _NO_WAITING, descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _open(name: str, segment: str, flags: int, folder: int) -> int:
    try:
        return os.open(segment, flags, dir_fd=folder)
    except NotADirectoryError as error:
        raise NotPlainError(name, f"leads through {segment!r}, which is a link or not a folder") from error
    except IsADirectoryError as error:
        raise NotPlainError(name, "is a folder") from error
    except OSError as error:
        if error.errno in _IS_LINK:
            raise NotPlainError(name, "is a link") from error
        if error.errno == errno.ENXIO:
            raise NotPlainError(name, "is not a plain file") from error
        raise


def _checked(name: str, segment: str) -> str:
    if segment in ("", ".", "..") or "\0" in segment:
        raise NotPlainError(name, "does not name a file below the run's folder")
    return segment
