"""Makes a zip file of runs, piece by piece: a run of any size takes little memory, and the same run gives the same bytes."""

import hashlib
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, nullcontext, suppress
from datetime import datetime
from pathlib import PurePosixPath
from stat import S_IFDIR, S_IFREG
from typing import Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from ops_contract import sha256_hex
from ops_orchestrator.errors import ArchiveError, ConflictError, StoreError
from ops_orchestrator.runs.archive.limits import MOST_ENTRIES, MOST_RATIO
from ops_orchestrator.runs.integrity.files import read_manifest
from ops_orchestrator.runs.integrity.finding import Findings
from ops_orchestrator.runs.record import DERIVED, MANIFEST, METADATA, REPORT, RunRecord
from ops_orchestrator.runs.reports.ro_crate import ro_crate
from ops_orchestrator.runs.store.plain_file import OpenFile
from ops_orchestrator.runs.store.protocols import StoredRun
from ops_orchestrator.runs.store.run_folder import ALWAYS_THERE

_PIECE_BYTES: Final = 256 * 1024
_FILE: Final = (S_IFREG | 0o644) << 16
_MS_DOS_FOLDER: Final = 0x10
_FOLDER: Final = (S_IFDIR | 0o755) << 16 | _MS_DOS_FOLDER
_UNIX: Final = 3
_Time = tuple[int, int, int, int, int, int]
# A zip file cannot tell other years.
_YEARS: Final = (1980, 2107)
# What is packed already.
_PACKED: Final = frozenset(
    {".png", ".jpg", ".jpeg", ".gif", ".webp", ".zip", ".gz", ".bz2", ".xz", ".zst", ".7z", ".parquet", ".pdf"}
    | {".docx", ".xlsx", ".pptx", ".odt", ".ods", ".mp3", ".mp4", ".webm", ".woff2"}
)
_STORED, _USUAL = 0, -1


def archive_pieces(runs: Iterable[StoredRun], *, damaged: bool = False) -> Generator[bytes]:
    """The bytes of a zip file in which each of `runs` has the folder that is named by its id.

    A run whose files are not those of its manifest is refused unless `damaged`, also when it changes meanwhile: what came so
    far is then not a whole zip file. Raises ArchiveError, ConflictError for a run that is not over, and as a StoredRun does.
    """
    sink = _Sink()
    with ZipFile(sink, "w") as archive:
        for run in runs:
            # The zip file can be closed only after the entry that is being written, also when nobody wants more.
            with closing(_written(archive, run, damaged=damaged)) as parts:
                for _ in parts:
                    if sink.size >= _PIECE_BYTES:
                        yield sink.take()
    yield sink.take()


def check_over(record: RunRecord) -> None:
    """Raise ConflictError for a run that is not over: what it will be is not known yet."""
    if not record.is_over:
        raise ConflictError(
            f"{record.run_id} is {record.status}: only a run that is over can be put into an archive; wait for it, or cancel "
            f"it: `ops runs cancel {record.run_id}`."
        )


class _Sink:
    """Takes what a ZipFile writes. It has no position, so that sizes and checksums follow the files."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self._waiting.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def take(self) -> bytes:
        """What was written since the last call."""
        taken = b"".join(self._waiting)
        self._waiting.clear()
        self.size = 0
        return taken


class _Deflater:
    """Deflates the pieces of a file, and stores those that would be packed so tightly that a reader takes them for a bomb.

    Stored pieces are part of a deflated file as well: of a file that is only stored, those who read a stream would not see the
    end.
    """

    def __init__(self, level: int) -> None:
        self._packed, self._stored = _deflating(level), _deflating(_STORED)

    def compress(self, piece: bytes) -> bytes:
        """The piece as a part of the file that depends on none before it."""
        packed = _whole(self._packed, piece)
        return packed if len(piece) <= MOST_RATIO * len(packed) else _whole(self._stored, piece)

    def flush(self) -> bytes:
        """The end of the file."""
        return self._packed.flush()


def _deflating(level: int) -> "zlib._Compress":
    return zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)


def _whole(packer: "zlib._Compress", piece: bytes) -> bytes:
    return packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)


def _written(archive: ZipFile, run: StoredRun, *, damaged: bool) -> Generator[None]:
    """Write the folder of a run, and return from time to time."""
    # Its templates take a tenth of a second to load, which the start of the service should not wait for.
    from ops_orchestrator.runs.reports.html.report import html_report  # noqa: PLC0415  # see above

    record = run.record()
    check_over(record)
    at = _time_of(record)
    names = [name for name in run.files() if name not in DERIVED]
    if len(archive.filelist) + len(names) + len(ALWAYS_THERE) + len(DERIVED) > MOST_ENTRIES:
        raise ArchiveError(f"one archive holds at most {MOST_ENTRIES:,} files, and {run.run_id} has more; export fewer runs")
    manifest = run.document(MANIFEST) if MANIFEST in names else b""
    hashes = {} if damaged else {**read_manifest(manifest, Findings()), MANIFEST: sha256_hex(manifest)}
    for folder in ALWAYS_THERE:
        archive.mkdir(_entry(f"{run.run_id}/{folder}/", at, _FOLDER))
    # A run that is damaged may not have all that the description needs.
    with suppress(StoreError) if damaged else nullcontext():
        archive.writestr(_entry(f"{run.run_id}/{METADATA}", at, _FILE), ro_crate(run))
        archive.writestr(_entry(f"{run.run_id}/{REPORT}", at, _FILE), html_report(run))
    for name in names:
        with closing(run.open(name)) as opened:
            entry = _entry(f"{run.run_id}/{name}", at, _FILE)
            entry.file_size = opened.size
            yield from _copied(archive, entry, opened, hashes.get(name))


def _copied(archive: ZipFile, entry: ZipInfo, opened: OpenFile, expected: str | None) -> Iterator[None]:
    """Write one file, with the SHA-256 that is `expected` unless that is None; returns after each piece."""
    digest, left = hashlib.sha256(), opened.size
    with archive.open(entry, "w") as target:
        # zipfile has no way to choose what is done with each piece.
        target._compressor = _Deflater(_STORED if _is_packed(entry.filename) else _USUAL)  # type: ignore[attr-defined]  # noqa: SLF001
        while left and (piece := opened.file.read(min(left, _PIECE_BYTES))):
            digest.update(piece)
            left -= len(piece)
            target.write(piece)
            yield
    if left or opened.file.read(1) or expected not in (None, digest.hexdigest()):
        raise ArchiveError(f"{entry.filename!r} is not what the manifest says, or has changed while it was read; try again")


def _entry(name: str, at: _Time, kind: int) -> ZipInfo:
    """An entry that depends on nothing but the run."""
    entry = ZipInfo(name, at)
    entry.create_system = _UNIX
    entry.external_attr = kind
    entry.compress_type = ZIP_STORED if entry.is_dir() else ZIP_DEFLATED
    entry.CRC = 0  # that of a folder, which Python 3.11 leaves unset
    return entry


def _is_packed(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in _PACKED


def _time_of(record: RunRecord) -> _Time:
    """When the run ended, as far as a zip file can tell that."""
    ended = datetime.fromisoformat(record.finished_at or record.started_at)
    year = min(max(ended.year, _YEARS[0]), _YEARS[1])
    return year, ended.month, ended.day, ended.hour, ended.minute, ended.second
