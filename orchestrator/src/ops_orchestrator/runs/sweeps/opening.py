"""Opens the sweeps that the settings ask for: in folders, or in a bucket. The one place that chooses."""

from ops_orchestrator.runs.store.opening import explained, folder_beside
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore
from ops_orchestrator.settings import Settings


def open_sweeps(settings: Settings) -> SweepStore:
    """The sweeps beside the runs; OPS_RUNS_DIR is there. Blocking. Raises StoreError, ConfigurationError."""
    if settings.runs_url is not None:
        return _in_bucket(settings, settings.runs_url)
    durability = "os" if settings.read_only else settings.durability  # there is nothing to flush
    has_queue = settings.database_url is not None
    return SweepStore.open(settings.runs_dir, durability, settings.sync, has_queue=has_queue)


def _in_bucket(settings: Settings, address: str) -> SweepStore:
    # What it is made of belongs to an extra.
    from ops_orchestrator.runs.store.objects.address import BucketAddress  # noqa: PLC0415
    from ops_orchestrator.runs.store.objects.bucket import Bucket  # noqa: PLC0415
    from ops_orchestrator.runs.store.objects.staging import Staging  # noqa: PLC0415
    from ops_orchestrator.runs.sweeps.bucket_place import BucketPlace  # noqa: PLC0415

    where = BucketAddress.of(address)
    bucket = Bucket(where.sweeps, settings.runs_patience_s)
    with explained(settings.runs_dir):
        locks = folder_beside(settings.runs_dir, str(where)) / "sweeps"
        locks.mkdir(exist_ok=True)
        place = BucketPlace(bucket, Staging.open(settings.runs_dir), locks, settings.runs_copies_bytes)
    return SweepStore(place, has_queue=settings.database_url is not None)
