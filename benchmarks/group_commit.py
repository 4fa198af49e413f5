"""Group commit: runs that end together share one `syncfs`, which puts the whole file system on disk."""

import asyncio
import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class GroupCommit:
    """Syncs the file system of a folder in one thread; whoever asks meanwhile shares the next sync."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder, os.O_RDONLY)
        self._thread = ThreadPoolExecutor(1)
        self._running: asyncio.Future[None] | None = None
        self._next: asyncio.Future[None] | None = None

    async def durable(self) -> None:
        """Return when all that was written before this call is on disk. Raises OSError."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._sync_after(self._running))
        await asyncio.shield(self._next)

    async def _sync_after(self, running: asyncio.Future[None] | None) -> None:
        if running is not None:
            await asyncio.wait([running])
        self._running, self._next = self._next, None
        await asyncio.get_running_loop().run_in_executor(self._thread, self._sync)

    def _sync(self) -> None:
        if _LIBC.syncfs(self._descriptor):
            raise OSError(ctypes.get_errno(), "syncfs failed")
