"""What a zip file must look like before anything is read from it: it may have been made to do harm.

A zip file says everything twice, at each entry and in the directory at its end, and readers differ in what they believe. Only
files in which both say the same are taken, one entry after another without gaps, as usual tools write them.
"""

import re
import stat
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, Self
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipInfo

from ops_contract import unstorable_names
from ops_orchestrator.runs.archive.limits import LONGEST_NAME_BYTES, MOST_ENTRIES, MOST_RATIO, SMALL_BYTES
from ops_orchestrator.runs.run_id import RUN_ID

# The records at the end of a zip file: the end of the directory, and before it the two of large files.
_END: Final = struct.Struct("<4s4H2LH")
_LOCATOR: Final = struct.Struct("<4sLQL")
_LARGE_END: Final = struct.Struct("<4sQ2H2L4Q")
# The beginning of an entry.
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_MOST_DIRECTORY_BYTES: Final = 64 * 1024 * 1024
# Of checksum and sizes, where they follow an entry.
_DESCRIPTOR_BYTES: Final = 24
_ENCRYPTED: Final = 1 << 0 | 1 << 6 | 1 << 13
_HAS_DESCRIPTOR: Final = 1 << 3
_IN_UTF_8: Final = 1 << 11
_IN_EXTRA_FIELD: Final = 0xFFFFFFFF
_NOT_IN_A_NAME: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_MS_DOS_FOLDER: Final = 0x10
_MS_DOS_LINK: Final = 0x400


@dataclass(frozen=True)
class Directory:
    """Where in a zip file the directory is, and how many entries it has."""

    start: int
    size: int
    entries: int

    @classmethod
    def of(cls, file: BinaryIO, size: int) -> Self | None:
        """The directory of a zip file of `size` bytes; None when the file does not end as a zip file without a comment does."""
        start = size - _END.size
        end = _at(file, start, _END)
        if end is None or end[0] != b"PK\x05\x06" or end[-1] != 0:
            return None
        found = cls(end[6], end[5], end[4])
        locator = _at(file, start - _LOCATOR.size, _LOCATOR)
        if locator is not None and locator[0] == b"PK\x06\x07":
            start -= _LOCATOR.size + _LARGE_END.size
            large = _at(file, start, _LARGE_END)
            if large is None or large[0] != b"PK\x06\x06" or locator[2] != start:
                return None
            found = cls(large[9], large[8], large[7])
        return found if found.start + found.size == start else None


def why_unreadable(directory: Directory) -> str | None:
    """Why the directory is not even to be read; None when it may be."""
    if directory.entries > MOST_ENTRIES:
        return f"it has {directory.entries:,} entries; at most {MOST_ENTRIES:,} are read"
    if directory.size > _MOST_DIRECTORY_BYTES:
        return f"its directory has {directory.size:,} bytes; at most {_MOST_DIRECTORY_BYTES:,} are read"
    return None


def faults(file: BinaryIO, size: int, directory: Directory, entries: Sequence[ZipInfo], most_bytes: int) -> Iterator[str]:
    """What keeps a zip file of `size` bytes, which may unpack to `most_bytes`, from being taken."""
    if len(entries) != directory.entries:
        yield f"its directory has {len(entries)} entries, and says that it has {directory.entries}"
    for entry in entries:
        yield from _faults_of_entry(entry)
    yield from _faults_of_names([entry.filename for entry in entries])
    yield from _faults_of_places(file, directory, entries)
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > most_bytes:
        yield f"it unpacks to {unpacked:,} bytes, more than the {most_bytes:,} that OPS_MAX_IMPORT_BYTES allows"
    if unpacked > max(SMALL_BYTES, MOST_RATIO * size):
        yield f"it unpacks to {unpacked:,} bytes, more than {MOST_RATIO} times its size, as a zip bomb does"


def _faults_of_entry(entry: ZipInfo) -> Iterator[str]:
    named = repr(entry.orig_filename[:200])
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if reason := _why_odd(entry):
        yield f"the name {named} {reason}"
    if entry.flag_bits & _ENCRYPTED:
        yield f"{named} is encrypted"
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        yield f"{named} is packed by method {entry.compress_type}; only 0 (stored) and 8 (deflated) are read"
    if entry.compress_type == ZIP_STORED and entry.compress_size != entry.file_size:
        yield f"{named} is stored, and has two sizes"
    if entry.external_attr & _MS_DOS_LINK or kind not in (0, stat.S_IFDIR if entry.is_dir() else stat.S_IFREG):
        yield f"{named} is a link, a device or something else that is not a plain file or folder"
    if entry.is_dir() and entry.file_size:
        yield f"{named} is a folder with content"
    if entry.external_attr & _MS_DOS_FOLDER and not entry.is_dir():
        yield f"{named} is called a folder, and its name does not end as that of one"


def _why_odd(entry: ZipInfo) -> str | None:
    name = entry.orig_filename
    root, _, path = name.removesuffix("/").partition("/")
    if not entry.flag_bits & _IN_UTF_8 and not name.isascii():
        return "is not in UTF-8"
    if name != entry.filename or _NOT_IN_A_NAME.search(name):
        return "holds a backslash or a control character"
    if len(name.encode()) > LONGEST_NAME_BYTES:
        return f"has more than {LONGEST_NAME_BYTES} bytes"
    if not RUN_ID.fullmatch(root):
        return "does not begin with the id of a run, as the folder that all files of a run are in"
    if not path:
        return None if entry.is_dir() else "is that of a run, and not a folder"
    return "leads out of the run's folder" if {"", ".", ".."} & {*path.split("/")} else None


def _faults_of_names(names: Sequence[str]) -> Iterator[str]:
    yield from (f"{name[:200]!r} is in it {count} times" for name, count in Counter(names).items() if count > 1)
    files = [name for name in names if not name.endswith("/")]
    # A folder may be there for itself alone, and is one all the same.
    folders = [f"{name}." for name in names if name.endswith("/")]
    yield from (reason for _, reason in unstorable_names([*files, *folders]))


def _faults_of_places(file: BinaryIO, directory: Directory, entries: Sequence[ZipInfo]) -> Iterator[str]:
    """Entries that overlap, as in a bomb that uses the same bytes again and again, and bytes that belong to none."""
    free_from, slack = 0, 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if not free_from <= entry.header_offset <= free_from + slack:
            yield f"{entry.filename!r} does not follow the entry before it"
        local = _at(file, entry.header_offset, _LOCAL)
        if local is None or not _agree(local, file.read(local[9]), entry):
            yield f"what stands before {entry.filename!r} is not what the directory says of it"
            return
        free_from = entry.header_offset + _LOCAL.size + local[9] + local[10] + entry.compress_size
        slack = _DESCRIPTOR_BYTES if entry.flag_bits & _HAS_DESCRIPTOR else 0
    if not free_from <= directory.start <= free_from + slack:
        yield "its directory does not follow its last entry"


def _agree(local: tuple[Any, ...], name: bytes, entry: ZipInfo) -> bool:
    """Whether the beginning of an entry says the same as the directory; what it leaves to other places is not compared."""
    signature, _, flags, method, _, _, *sums = local[:9]
    if (signature, flags, method, name) != (b"PK\x03\x04", entry.flag_bits, entry.compress_type, entry.orig_filename.encode()):
        return False
    is_elsewhere = entry.flag_bits & _HAS_DESCRIPTOR or _IN_EXTRA_FIELD in sums
    return bool(is_elsewhere) or sums == [entry.CRC, entry.compress_size, entry.file_size]


def _at(file: BinaryIO, start: int, layout: struct.Struct) -> tuple[Any, ...] | None:
    """The record of this `layout` that begins at `start`; None when the file has none there."""
    if start < 0:
        return None
    file.seek(start)
    content = file.read(layout.size)
    return layout.unpack(content) if len(content) == layout.size else None
