"""Zip files that were made to do harm, or were damaged on the way: nothing of them is unpacked, and each says why."""

import stat
import struct
import warnings
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest
from run_records import RUN_ID, contents

from ops_orchestrator.errors import ArchiveError, ConfigurationError
from ops_orchestrator.runs.archive.reading import opened_archive

LIMIT = 10**9
TEXT = b"a,b\n" * 100
LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
FILES = {"run.json": TEXT, "steps/1-alpha/request.json": b"{}"}


def in_run(name: str) -> str:
    return f"{RUN_ID}/{name}"


def made(*entries: tuple[str | ZipInfo, bytes], method: int = ZIP_STORED) -> bytes:
    """A zip file of these entries, as usual tools write it, whatever they are called."""
    file = BytesIO()
    with warnings.catch_warnings(), ZipFile(file, "w", method) as zip_file:
        warnings.simplefilter("ignore")  # a name that is in it twice
        for name, content in entries:
            zip_file.writestr(name, content)
    return file.getvalue()


def named(*names: str) -> bytes:
    return made(*((name, TEXT) for name in names))


def good(method: int = ZIP_DEFLATED) -> bytes:
    return made(*((in_run(name), content) for name, content in FILES.items()), method=method)


def of_kind(kind: int) -> bytes:
    entry = ZipInfo(in_run("run.json"))
    entry.external_attr = (kind | 0o777) << 16
    return made((entry, b"/etc/passwd"))


def patched(content: bytes, at: Iterable[tuple[bytes, int]], layout: str, value: int) -> bytes:
    """`content` with `value` at an offset after each of these signatures."""
    changed = bytearray(content)
    for signature, offset in at:
        start = -1
        while (start := content.find(signature, start + 1)) >= 0:
            struct.pack_into(layout, changed, start + offset, value)
    return bytes(changed)


def with_sizes(size: int) -> bytes:
    """A file that says of each entry that it unpacks to `size` bytes."""
    return patched(good(), [(LOCAL, 22), (CENTRAL, 24)], "<L", size)


def large_end(entries: int, start: int, size: int) -> bytes:
    """The end of a file with so many entries, in a directory of `size` bytes at `start`."""
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, start + size, 1)
    return record + locator + struct.pack("<4s4H2LH", END, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)


def renamed_in_directory() -> bytes:
    before, directory, after = good().partition(CENTRAL)
    return before + directory + after.replace(b"run.json", b"ran.json")


def overlapping() -> bytes:
    """Both entries of the directory lead to the first one."""
    return patched(good(), [(CENTRAL, 42)], "<L", 0)


def unpacked(file: Path, folder: Path) -> None:
    with opened_archive(file, LIMIT) as archive:
        for run_id in archive.run_ids:
            (folder / run_id).mkdir(parents=True)
            archive.unpack(run_id, folder / run_id)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (named(in_run("../outside")), "leads out of the run's folder"),
        (named(in_run("steps/./a")), "leads out of the run's folder"),
        (named(in_run("steps//a")), "leads out of the run's folder"),
        (named("/etc/cron.d/job"), "does not begin with the id of a run"),
        (named("../" + in_run("run.json")), "does not begin with the id of a run"),
        (named(in_run("run.json"), "other/run.json"), "does not begin with the id of a run"),
        (named("run.json"), "does not begin with the id of a run"),
        (named(RUN_ID), "is that of a run, and not a folder"),
        (named(in_run("a\\..\\..\\b")), "a backslash or a control character"),
        (named(in_run("a\nb")), "a backslash or a control character"),
        (named(in_run("a~b")).replace(b"a~b", b"a\0b"), "a backslash or a control character"),
        (named(in_run("a~b")).replace(b"a~b", b"a\xe9b"), "is not in UTF-8"),
        (named(in_run("/".join("x" * 200 for _ in range(11)))), "has more than 2048 bytes"),
        (named(in_run("x" * 256)), "has 256 bytes in UTF-8"),
        (named(in_run("a"), in_run("a")), "is in it 2 times"),
        (named(in_run("Table.csv"), in_run("table.csv")), "cannot stand in one folder"),
        (
            named(in_run("\N{LATIN SMALL LETTER E WITH ACUTE}"), in_run("e\N{COMBINING ACUTE ACCENT}")),
            "cannot stand in one folder",
        ),
        (named(in_run("a"), in_run("a/b")), "cannot stand in one folder"),
        (made((in_run("a"), TEXT), (in_run("a/"), b"")), "cannot stand in one folder"),
        (made((in_run("a/"), TEXT)), "is a folder with content"),
        (of_kind(stat.S_IFLNK), "is a link, a device or something else"),
        (of_kind(stat.S_IFCHR), "is a link, a device or something else"),
        (of_kind(stat.S_IFDIR), "is a link, a device or something else"),
        (patched(good(), [(LOCAL, 6), (CENTRAL, 8)], "<H", 1), "is encrypted"),
        (made((in_run("a"), TEXT), method=ZIP_BZIP2), "is packed by method 12"),
        (with_sizes(40 * 1024 * 1024), "more than 200 times its size, as a zip bomb"),
        (with_sizes(0x40000000), "that OPS_MAX_IMPORT_BYTES allows"),
        (with_sizes(1), "cannot be read: Bad CRC-32"),
        (with_sizes(1000), "cannot be read: "),
        (overlapping(), "does not follow the entry before it"),
        (renamed_in_directory(), "is not what the directory says of it"),
        (patched(good(), [(LOCAL, 14)], "<L", 0), "is not what the directory says of it"),
        (b"#!/bin/sh\n" + good(), "has a comment, or something before or after"),
        (good() + b"more", "has a comment, or something before or after"),
        (good()[:-2] + b"\4\0more", "has a comment, or something before or after"),
        (good()[:-1], "is not a zip file"),
        (b"", "is not a zip file"),
        (good().replace(END, b"hidden" + END), "has a comment, or something before or after"),
        (patched(good(), [(END, 10)], "<H", 1), "has 2 entries, and says that it has 1"),
        (large_end(100_001, 0, 0), "has 100,001 entries; at most 100,000 are read"),
        (made(), "holds no run"),
        (made((in_run("steps/"), b"")), "holds no run"),
        (good(ZIP_STORED).replace(TEXT, b"A" + TEXT[1:]), "cannot be read: Bad CRC-32"),
    ],
)
def test_archive_that_may_do_harm_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ArchiveError) as refused:
        unpacked(tmp_path / "a.zip", tmp_path / "unpacked")
    assert reason in str(refused.value)
    assert str(tmp_path / "a.zip") in str(refused.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"a.zip", "unpacked"}


def test_directory_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    size = 64 * 1024 * 1024 + 1
    with (tmp_path / "a.zip").open("wb") as file:
        file.truncate(size)
        file.seek(size)
        file.write(large_end(1, 0, size))
    with pytest.raises(ArchiveError, match="its directory has 67,108,865 bytes"):
        unpacked(tmp_path / "a.zip", tmp_path / "unpacked")


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda _: None])
def test_what_is_not_a_file_is_not_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "a.zip")
    with pytest.raises(ConfigurationError, match=r"a\.zip"):
        unpacked(tmp_path / "a.zip", tmp_path / "unpacked")


def test_byte_that_is_changed_anywhere_is_found_or_makes_no_difference(tmp_path: Path) -> None:
    packed = ZipInfo(in_run("run.json"))
    packed.compress_type = ZIP_DEFLATED
    content, file = made((packed, TEXT), (in_run("steps/1-alpha/request.json"), b"{}")), tmp_path / "a.zip"
    file.write_bytes(content)
    unpacked(file, tmp_path / "good")
    found = 0
    for at in range(len(content)):
        file.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:
            unpacked(file, tmp_path / str(at))
        except ArchiveError:
            found += 1
        else:
            assert contents(tmp_path / str(at)) == contents(tmp_path / "good")
    assert found > len(content) / 2
