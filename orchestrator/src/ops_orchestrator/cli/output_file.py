"""Files that commands write: there is the old one or the new one, never a part."""

import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

from ops_orchestrator.errors import ConfigurationError


def write_whole(target: Path, pieces: Iterable[bytes], *, check: Callable[[], None] | None = None) -> int:
    """Write the file `target`, which is there only when it is whole and on disk; returns its size in bytes.

    `check` has the last word before it takes its name. Raises ConfigurationError, which names the file, when it cannot be
    written.
    """
    part = target.with_name(f".{secrets.token_hex(6)}.part")
    try:
        with part.open("xb") as file:
            file.writelines(pieces)
            size = file.tell()
            file.flush()
            os.fsync(file.fileno())
        if check is not None:
            check()
        part.replace(target)
    except OSError as error:
        raise ConfigurationError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return size
