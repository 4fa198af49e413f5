"""A disk whose content can be looked at as it is at this moment, as after a power loss: what was not flushed is not in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from subprocess import run
from typing import Final, NoReturn

import pytest

_SIZE: Final = 96 * 1024 * 1024
# The file system's own flushing, every five seconds, would save what the service did not flush.
_NO_FLUSHING: Final = "commit=10000"


class DiskImage:
    """An ext4 file system in a file, mounted at `folder`. It is written past the page cache, so that the file is the disk."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.folder = folder
        self._image = image

    def copy(self, image: Path) -> None:
        """Copy the disk as it is now; nothing may be flushed meanwhile."""
        run(["cp", "--sparse=always", self._image, image], check=True)


@contextmanager
def new_disk(folder: Path) -> Iterator[DiskImage]:
    """A new disk, mounted below `folder`. Skipped where no file can be mounted."""
    if os.geteuid() != 0 or None in map(shutil.which, ("mkfs.ext4", "losetup", "mount")):
        _unavailable("a disk can be made and mounted by root only, with mkfs.ext4, losetup and mount")
    folder.mkdir()
    image = folder / "image"
    with image.open("wb") as file:
        file.truncate(_SIZE)
    _done("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image))
    with _mounted(image, folder / "mounted") as mounted:
        yield DiskImage(image, mounted)


@contextmanager
def mounted_again(image: Path) -> Iterator[Path]:
    """Where a copied disk is mounted: its journal is replayed, as at the start of a machine."""
    with _mounted(image, mount_point(image)) as folder:
        yield folder
    image.unlink()


def mount_point(image: Path) -> Path:
    """Where `mounted_again` mounts a copied disk."""
    return image.with_suffix(".mounted")


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A folder with room for `size` bytes. Skipped where none can be mounted."""
    folder.mkdir()
    if run(["mount", "-t", "tmpfs", "-o", f"size={size}", "small", folder], check=False).returncode != 0:
        _unavailable("a small disk can be mounted by root only")
    try:
        yield folder
    finally:
        run(["umount", "--lazy", folder], check=True)


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Not a byte more fits onto the disk of `folder`."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (2**20, 4096, 1):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def _mounted(image: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir()
    with ExitStack() as undo:
        words = ("losetup", "--find", "--show", "--direct-io=on", str(image))
        attached = run(words, check=False, capture_output=True, text=True)
        if attached.returncode != 0:
            _unavailable(f"no file can be attached as a disk: {attached.stderr}")
        device = attached.stdout.strip()
        undo.callback(_done, "losetup", "--detach", device)
        _done("mount", "-o", _NO_FLUSHING, device, str(folder))
        undo.callback(_done, "umount", str(folder))
        yield folder
    folder.rmdir()


def _done(*words: str) -> None:
    run(words, check=True)


def _unavailable(reason: str) -> NoReturn:
    """Skip the test; in CI, where all must be tested, fail it."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    raise AssertionError
