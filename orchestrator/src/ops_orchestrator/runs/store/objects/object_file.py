"""An object as a file that is open for reading: what is read is fetched, and nothing is kept on disk."""

import io
from collections.abc import Iterator
from contextlib import closing
from typing import BinaryIO, cast

from ops_orchestrator.runs.store.objects.bucket import Bucket, BucketError, Stored
from ops_orchestrator.runs.store.plain_file import OpenFile


def opened(bucket: Bucket, stored: Stored) -> OpenFile:
    """An object of the bucket, to be read from any place on. Blocking; reading raises OSError."""
    file = io.BufferedReader(_ObjectReader(bucket, stored), buffer_size=64 * 1024)
    return OpenFile(cast("BinaryIO", file), stored.size, stored.modified.timestamp())


class _ObjectReader(io.RawIOBase):
    """Reads an object with one request from wherever it was set to."""

    def __init__(self, bucket: Bucket, stored: Stored) -> None:
        super().__init__()
        self._bucket = bucket
        self._stored = stored
        self._at = 0
        self._pieces: Iterator[bytes] | None = None
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        before = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._stored.size}[whence]
        if (at := max(before + offset, 0)) != self._at:
            self._at = at
            self._drop()
        return self._at

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]  # the only kind that BufferedReader gives
        if self._at >= self._stored.size:
            return 0
        try:
            if self._pieces is None:
                self._pieces = self._bucket.pieces(self._stored.name, self._at)
            while not self._piece:
                self._piece = memoryview(next(self._pieces, b""))
                if not self._piece:
                    return 0
        except (FileNotFoundError, BucketError) as error:
            raise OSError(None, str(error)) from error
        taken = self._piece[: len(buffer)]
        buffer[: len(taken)] = taken
        self._piece = self._piece[len(taken) :]
        self._at += len(taken)
        return len(taken)

    def close(self) -> None:
        self._drop()
        super().close()

    def _drop(self) -> None:
        if self._pieces is not None:
            with closing(self._pieces):  # type: ignore[type-var]  # a generator, which ends the request
                self._pieces = None
        self._piece = memoryview(b"")
