"""One run in a folder while it is written. See runs/README.md for the layout.

Everything here blocks; callers on the event loop use `asyncio.to_thread`, one call at a time.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel
from pydantic_core import to_json

from ops_contract import sha256_hex
from ops_orchestrator.runs.provenance import manifest
from ops_orchestrator.runs.record import ARTIFACTS, LOGS, MANIFEST, RECORD, RESULTS, STEPS, Results, RunRecord
from ops_orchestrator.runs.store.lease import FolderLease
from ops_orchestrator.runs.store.plain_file import all_files_in, open_below
from ops_orchestrator.runs.store.protocols import RunFile

STAGING: Final = ".staging"
_LARGEST_INDENTED_BYTES: Final = 128 * 1024


class FolderWriter:
    """Writes the run in the folder `path`. Its lease lasts until `close`, which calls `closed`."""

    def __init__(self, path: Path, lease: FolderLease, closed: Callable[[], None]) -> None:
        self.path = path
        self._lease = lease
        self._closed = closed
        self._log = (path / LOGS).open("ab")
        self._hashes: dict[str, str] = {}

    @classmethod
    def create(cls, path: Path, line: bytes, record: RunRecord, results: Results, closed: Callable[[], None]) -> Self:
        """Make the folder with its first documents. Raises FileExistsError when the name is taken, and OSError."""
        if path.exists():
            raise FileExistsError(path)
        # Made under another name and renamed, so that nobody ever sees a run folder without its record.
        unfinished = unfinished_path(path)
        unfinished.mkdir()
        writer: Self | None = None
        try:
            for name in (STAGING, ARTIFACTS, STEPS):
                (unfinished / name).mkdir()
            writer = cls(unfinished, FolderLease.create(unfinished / LOGS), closed)
            writer.append(line, record, results)
            unfinished.rename(path)
        except BaseException:
            if writer is not None:
                writer.let_go()
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        writer.path = path
        return writer

    @property
    def staging(self) -> Path:
        """See RunWriter."""
        return self.path / STAGING

    def publish(self, folder: str, files: Sequence[RunFile]) -> None:
        """See RunWriter. The folder is filled in the staging folder and renamed."""
        unfinished = self.staging / folder.replace("/", "-")
        for parent in {(unfinished / file.name).parent for file in files}:
            parent.mkdir(parents=True, exist_ok=True)
        for file in files:
            target = unfinished / file.name
            if isinstance(file.content, Path):
                file.content.rename(target)
            else:
                target.write_bytes(file.content)
            if file.sha256 is not None:
                self._hashes[f"{folder}/{file.name}"] = file.sha256
        unfinished.rename(self.path / folder)

    def append(self, line: bytes, record: RunRecord, results: Results | None = None) -> None:
        """See RunWriter."""
        # Only what is on disk may be claimed, so the documents follow the log.
        self._log.write(line)
        self._log.flush()
        if results is not None:
            _replace(self.path, RESULTS, _text_of(results))
        _replace(self.path, RECORD, _text_of(record))

    def seal(self, line: bytes, record: RunRecord) -> None:
        """See RunWriter."""
        self._log.write(line)
        self._log.flush()
        seal(self.path, record, self._hashes)

    def close(self) -> None:
        """See RunWriter."""
        self.let_go()
        self._closed()

    def let_go(self) -> None:
        """Close the log and release the lease."""
        with suppress(OSError):  # a full disk refuses even what is still buffered
            self._log.close()
        self._lease.release()


def unfinished_path(path: Path) -> Path:
    """Where the folder `path` is filled before it gets its name."""
    return path.with_name(f".new-{path.name}")


def seal(folder: Path, record: RunRecord, hashes: Mapping[str, str]) -> None:
    """Write the manifest and the final record. `hashes` are those already known; the other files are read.

    Everything is flushed to disk before the record says that the run is over: a run is over when its record says so.
    Raises NotPlainError before anything is written when there is anything but plain files and folders, and OSError.
    """
    staging = folder / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(exist_ok=True)
    final = _text_of(record)
    listed = {RECORD: sha256_hex(final)}
    for name in all_files_in(folder.parent, folder.name):
        if name not in (RECORD, MANIFEST):
            with open_below(folder.parent, f"{folder.name}/{name}") as file:
                listed[name] = hashes.get(name) or hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
    _replace(folder, MANIFEST, manifest(listed).encode())
    _flush_to_disk(folder / MANIFEST)
    _replace(folder, RECORD, final)
    _flush_to_disk(folder / RECORD)
    staging.rmdir()
    _flush_to_disk(folder)


def _replace(folder: Path, name: str, content: bytes) -> None:
    """Write `name` in a run folder so that a reader sees the old content or the new, never a part."""
    # In a folder of ours: beside the file, a module's artifact could have the same name.
    unfinished = folder / STAGING / "whole.part"
    unfinished.write_bytes(content)
    unfinished.replace(folder / name)


def _text_of(document: BaseModel) -> bytes:
    """A document as it stands in its file: JSON and a newline, indented unless it is large.

    Indentation makes a text of deep values up to two hundred times as long.
    """
    text = to_json(document)
    return (text if len(text) > _LARGEST_INDENTED_BYTES else to_json(document, indent=2)) + b"\n"


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
