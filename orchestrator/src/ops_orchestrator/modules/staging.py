"""Files that are not complete yet."""

import asyncio
import hashlib
import secrets
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

from ops_orchestrator.modules.uninterrupted import to_its_end


class StagedFile:
    """A new file in `folder`, hashed while it is written; with a folder of None it is hashed alone.

    Its methods block. They can be called from several threads, as when a caller is cancelled while a thread writes.
    """

    def __init__(self, folder: Path | None) -> None:
        # With the permissions of any file of this process: `tempfile` would make one that only its owner may read, and an
        # artifact keeps what it is made with.
        self.path = folder / secrets.token_hex(16) if folder else None
        self.size_bytes = 0
        self._digest = hashlib.sha256()
        self._file: IO[bytes] | None = None
        self._removed = False
        self._lock = threading.Lock()

    @property
    def sha256(self) -> str:
        """SHA-256 of what was written, in hex."""
        return self._digest.hexdigest()

    def write(self, piece: bytes | bytearray) -> None:
        """Add `piece`; the first makes the file, and the folder when it is missing.

        Raises OSError, and ValueError when the file was removed.
        """
        with self._lock:
            if self._removed:
                raise ValueError("write to a removed file")
            self._digest.update(piece)
            self.size_bytes += len(piece)
            if self.path is not None:
                self._file = self._file or _made(self.path)
                self._file.write(piece)

    def complete(self, piece: bytes | bytearray = b"") -> None:
        """Add the last `piece`, which may be empty, and close the file. Raises as `write` does."""
        self.write(piece)
        if self._file is not None:
            self._file.close()

    def remove(self) -> None:
        """Remove the file, and have whoever still writes it fail."""
        with self._lock:
            self._removed = True
            if self._file is not None and self.path is not None:
                self.path.unlink(missing_ok=True)
                with suppress(OSError):  # a full disk refuses even what is still buffered
                    self._file.close()


@asynccontextmanager
async def staged_file(folder: Path | None) -> AsyncIterator[StagedFile]:
    """A new file to be filled in the block, and gone when the block fails."""
    file = StagedFile(folder)
    try:
        yield file
    except BaseException:
        await to_its_end(asyncio.to_thread(file.remove))
        raise


def _made(path: Path) -> IO[bytes]:
    path.parent.mkdir(exist_ok=True)
    return path.open("xb")
