"""Files that are not complete yet."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import IO


def unused_path(folder: Path) -> Path:
    """Where a new file in `folder` can be made, under a random name.

    It gets the permissions of any file of this process: `tempfile` would make one that only its owner may read, and an
    artifact keeps what it is made with.
    """
    return folder / secrets.token_hex(16)


@asynccontextmanager
async def staged_file(folder: Path | None) -> AsyncIterator[IO[bytes] | None]:
    """A new file to be filled in the block, closed at its end, and gone when it fails. None without a folder.

    The folder is made for its first file.
    """
    if folder is None:
        yield None
        return
    path = unused_path(folder)
    file = await asyncio.to_thread(_made, path)
    try:
        with closing(file):
            yield file
    except BaseException:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        raise


def _made(path: Path) -> IO[bytes]:
    path.parent.mkdir(exist_ok=True)
    return path.open("xb")
