"""Opens the store that the settings ask for: folders, or a bucket. The one place that chooses."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ops_contract import sha256_hex
from ops_orchestrator.errors import ConfigurationError, StoreError
from ops_orchestrator.runs.cluster.postgres_index import PostgresIndex
from ops_orchestrator.runs.feed import Consumer
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.index_update import Report
from ops_orchestrator.runs.store.protocols import RunIndex, RunSource, RunStore
from ops_orchestrator.runs.store.room import Room
from ops_orchestrator.runs.store.signed_log import Signer
from ops_orchestrator.runs.store.sqlite_index import SqliteIndex
from ops_orchestrator.runs.store.store_size import StoreSize
from ops_orchestrator.settings import Settings

_INDEXES: Final = ".buckets"


def open_store(  # noqa: PLR0913  # what a store is made with, each by name
    settings: Settings,
    consumers: Sequence[Consumer] = (),
    *,
    report: Report | None = None,
    in_background: bool = False,
    signer: Signer | None = None,
    size: StoreSize | None = None,
) -> RunStore:
    """The store for whoever writes runs; OPS_RUNS_DIR is made when it is missing. Blocking.

    `consumers` get the lines of runs that are written, and `report` is called while runs are read for the index, which is done
    `in_background` if many came. Runs that end are signed by `signer`, and `size` counts those in folders. Raises StoreError,
    ConfigurationError.
    """
    room = Room(settings.runs_dir, settings.min_free_bytes, settings.max_store_bytes, size)
    if settings.runs_url is not None:
        return _in_bucket(settings, settings.runs_url, report, consumers, signer, room, in_background=in_background)
    return FolderStore.open(
        settings.runs_dir,
        consumers,
        durability=settings.durability,
        sync=settings.sync,
        report=report,
        in_background=in_background,
        read_only=settings.read_only,
        signer=signer,
        room=room,
        make_index=None
        if settings.database_url is None
        else _index_maker(settings, settings.runs_dir, report, in_background=in_background),
    )


def existing_store(settings: Settings, *, report: Report | None = None) -> RunStore:
    """The store for whoever only reads. Blocking. Raises ConfigurationError when there is none, StoreError."""
    if settings.runs_url is None:
        return FolderStore.existing(settings.runs_dir, report=report)
    return _in_bucket(settings, settings.runs_url, report, (), None, None, in_background=False)


def _in_bucket(  # noqa: PLR0913, PLR0917  # as above
    settings: Settings,
    address: str,
    report: Report | None,
    consumers: Sequence[Consumer],
    signer: Signer | None,
    room: Room | None,
    *,
    in_background: bool,
) -> RunStore:
    if settings.read_only:
        raise ConfigurationError("OPS_READ_ONLY shows runs in folders; it does not go with OPS_RUNS_URL, so unset one of them")
    if settings.max_store_bytes is not None:
        raise ConfigurationError("OPS_MAX_STORE_BYTES counts runs in folders; with OPS_RUNS_URL, give the bucket a quota")
    # What it is made of belongs to an extra.
    from ops_orchestrator.runs.store.objects.address import BucketAddress  # noqa: PLC0415
    from ops_orchestrator.runs.store.objects.bucket import Bucket  # noqa: PLC0415
    from ops_orchestrator.runs.store.objects.store import ObjectStore  # noqa: PLC0415

    bucket = Bucket(BucketAddress.of(address), settings.runs_patience_s)
    with explained(settings.runs_dir):
        index_folder = folder_beside(settings.runs_dir, str(bucket.address))
        return ObjectStore(
            bucket,
            settings.runs_dir,
            _index_maker(settings, index_folder, report, in_background=in_background),
            consumers,
            keys_folder=index_folder,
            most_copied_bytes=settings.runs_copies_bytes,
            signer=signer,
            room=room,
        )


def folder_beside(runs_dir: Path, address: str) -> Path:
    """What is kept on disk of the bucket at `address`, apart from the runs in folders that may be there. Raises OSError."""
    folder = runs_dir / _INDEXES / sha256_hex(address.encode())[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def explained(runs_dir: Path) -> Iterator[None]:
    """Raise what the folder objects to as StoreError."""
    try:
        yield
    except OSError as error:
        reason = "it is not a folder" if isinstance(error, FileExistsError) else error.strerror
        raise StoreError(f"cannot use {runs_dir}: {reason}; set OPS_RUNS_DIR to a folder") from error


def _index_maker(
    settings: Settings, folder: Path, report: Report | None, *, in_background: bool
) -> Callable[[RunSource], RunIndex]:
    """What makes the index of the runs of a source, which is kept in the database, or else in `folder`."""
    if (url := settings.database_url) is not None:
        return lambda source: PostgresIndex.open(url.get_secret_value(), source, report=report, in_background=in_background)
    return lambda source: SqliteIndex.open(folder, report=report, in_background=in_background, source=source)
