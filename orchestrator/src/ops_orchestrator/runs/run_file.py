"""The files of a run, as its events name them and as its store is given them."""

from dataclasses import dataclass
from pathlib import Path

from ops_contract import sha256_hex


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file of a run: its path relative to the run's folder, SHA-256 and size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class RunFile:
    """A file to be stored: what it is called, and its content, as bytes or as a staged file that is moved."""

    ref: FileRef
    content: bytes | Path

    @classmethod
    def of(cls, path: str, content: bytes, sha256: str | None = None) -> "RunFile":
        """The file `path` with `content`, whose SHA-256 is computed unless it is known."""
        return cls(FileRef(path, sha256 or sha256_hex(content), len(content)), content)
