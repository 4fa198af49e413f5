"""Files that commands write: there is the old one or the new one, never a part."""

import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

from ops_orchestrator.errors import ConfigurationError


def refuse_existing(target: Path) -> None:
    """Raise ConfigurationError where a file, or anything else that would be lost, has the name already."""
    if os.path.lexists(target) and (target.is_file() or not target.exists()):
        raise ConfigurationError(f"{target} is there already; add --force to replace it, or choose another name")


def write_whole(target: Path, pieces: Iterable[bytes], *, replace: bool = True) -> int:
    """Write the file `target`, which is there only when it is whole and on disk; returns its size in bytes.

    A link stays, and the file that it leads to is written; a pipe or a device is written to. Raises ConfigurationError, which
    names the target, when it cannot be written, and when it is there and must not be replaced.
    """
    try:
        mode = target.stat().st_mode if target.exists() else stat.S_IFREG
        if stat.S_ISDIR(mode):
            raise ConfigurationError(f"{target} is a folder; name a file in it")
        if not stat.S_ISREG(mode):
            return _written(target, "wb", pieces)
        place = target.resolve()
        part = place.with_name(f".{secrets.token_hex(6)}.part")
        try:
            size = _written(part, "xb", pieces)
            if not replace:
                refuse_existing(target)
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot write {target}: {error.strerror or error}") from error
    return size


def _written(path: Path, mode: str, pieces: Iterable[bytes]) -> int:
    size = 0
    with path.open(mode) as file:
        for piece in pieces:
            size += file.write(piece)
        file.flush()
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            os.fsync(file.fileno())
    return size
