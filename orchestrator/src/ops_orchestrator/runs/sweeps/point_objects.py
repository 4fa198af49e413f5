"""What became of the points of sweeps in a bucket, where nothing can be appended: pieces, each a new object that never changes.

A piece is named by the attempt of the sweep, the process that drove it, and a number. So two that drive a sweep at once do not
meet, and what both say of a point is true: it is what its run became. When a sweep is over, the pieces are made one.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from ops_contract import sha256_hex
from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.store.objects.bucket import Bucket, ChangedObjectError, Stored
from ops_orchestrator.runs.store.objects.copied_folders import CopiedFolder, CopiedFolders
from ops_orchestrator.runs.sweeps.sweep_place import LARGEST_FILE_BYTES, LONGEST_LINE_BYTES, POINTS

FOLDER: Final = "points/"
"""What the names of pieces begin with."""

_MOST_TRIES: Final = 5
_FEW: Final = 8


class PointObjects:
    """The points of the sweeps in `bucket`. Pieces that were read are kept in `folder`, so many bytes of them. Blocking.

    `threads` fetch several at once. Safe among threads.
    """

    def __init__(self, bucket: Bucket, folder: Path, most_bytes: int, threads: Executor) -> None:
        self._bucket = bucket
        self._folder = folder
        self._threads = threads
        self._copies = CopiedFolders(folder, most_bytes, CopiedFolder)

    def put(self, sweep_id: str, name: str, lines: bytes) -> None:
        """Keep a new piece. Raises BucketError."""
        try:
            self._bucket.put_new(f"{sweep_id}/{FOLDER}{name}", lines)
        except ChangedObjectError as error:
            if not error.was_repeated:
                raise

    def lines(self, sweep_id: str) -> Iterator[bytes]:
        """The lines about points, oldest first. Raises BucketError."""
        with self._copies.used(sweep_id) as copied:
            for path in self._fetched(sweep_id, copied):
                with path.open("rb") as file:
                    yield from iter(lambda: file.readline(LONGEST_LINE_BYTES), b"")

    def gather(self, sweep_id: str) -> None:
        """Make one object of all pieces, unless there are few of them, or all together are large. Raises BucketError."""
        before = self._bucket.stored(f"{sweep_id}/{POINTS}")
        pieces = self._bucket.below(f"{sweep_id}/{FOLDER.rstrip('/')}")
        size = sum(each.size for each in pieces.values()) + (before.size if before else 0)
        if len(pieces) <= _FEW or size > LARGEST_FILE_BYTES:
            return
        lines = b"".join(self.lines(sweep_id))
        try:
            self._bucket.put(f"{sweep_id}/{POINTS}", lines, before.tag if before else None)
        except ChangedObjectError:
            return  # somebody else did
        self._bucket.delete(each.name for each in pieces.values())

    def _fetched(self, sweep_id: str, copied: CopiedFolder) -> list[Path]:
        """Copies of all pieces. They may be made one, and go, while they are fetched."""
        for _ in range(_MOST_TRIES):
            try:
                return list(self._threads.map(lambda each: self._fetch(sweep_id, each, copied), self._pieces(sweep_id)))
            except FileNotFoundError:
                continue
        raise StoreError(f"the points of {sweep_id} change again and again in {self._bucket.address}")

    def _pieces(self, sweep_id: str) -> Iterable[Stored]:
        first = self._bucket.stored(f"{sweep_id}/{POINTS}")
        found = self._bucket.below(f"{sweep_id}/{FOLDER.rstrip('/')}")
        return [*([first] if first else ()), *(found[name] for name in sorted(found))]

    def _fetch(self, sweep_id: str, piece: Stored, copied: CopiedFolder) -> Path:
        path = self._folder / sweep_id / sha256_hex(f"{piece.name} {piece.tag}".encode())
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Another thread may fetch it as well.
            with NamedTemporaryFile(dir=path.parent, delete=False) as file:
                for content in self._bucket.pieces(piece.name):
                    file.write(content)
            Path(file.name).replace(path)
            with self._copies.lock:
                copied.bytes += piece.size
        return path
