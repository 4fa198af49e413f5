"""Opens the sweeps that the settings ask for. The one place that chooses."""

from ops_orchestrator.runs.sweeps.sweep_store import SweepStore
from ops_orchestrator.settings import Settings


def open_sweeps(settings: Settings) -> SweepStore:
    """The sweeps beside the runs; OPS_RUNS_DIR is there. Blocking. Raises StoreError, ConfigurationError."""
    durability = "os" if settings.read_only else settings.durability  # there is nothing to flush
    has_queue = settings.database_url is not None
    return SweepStore.open(settings.runs_dir, durability, settings.sync, has_queue=has_queue)
