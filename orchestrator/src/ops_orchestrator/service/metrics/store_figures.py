"""How much room runs take, and how much there is. Blocking."""

import os
import threading
import time
from contextlib import suppress
from typing import Final

from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.store.removal import size_of
from ops_orchestrator.service.metrics.families import (
    STORE_BYTES,
    STORE_FREE,
    STORE_FREE_FILES,
    STORE_MEASURED,
    STORE_SIZE,
    STORE_WRITABLE,
)
from ops_orchestrator.service.metrics.tally import Samples

_SHORTEST_PAUSE_S: Final = 60.0
# Of a large store, each file is looked at: that takes one hundredth of the time of one processor at most.
_PAUSE_PER_S: Final = 100.0


class StoreFigures:
    """The room that `store` takes and has. Its files are counted in a thread of their own, and only while somebody looks."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._measured: tuple[int, float] | None = None
        self._due = 0.0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def look(self) -> Samples:
        """What is known now; of a file system that cannot be asked, nothing."""
        self._measure_when_due()
        found = {STORE_WRITABLE.name: float(self._store.unwritable() is None)}
        with suppress(OSError):
            room = os.statvfs(self._store.folder)
            found |= {
                STORE_FREE.name: float(room.f_bavail * room.f_frsize),
                STORE_SIZE.name: float(room.f_blocks * room.f_frsize),
            }
            # Some file systems have no limit, and say 0 of 0.
            found |= {STORE_FREE_FILES.name: float(room.f_favail)} if room.f_files else {}
        if self._measured is not None:
            size, measured_at = self._measured
            found |= {STORE_BYTES.name: float(size), STORE_MEASURED.name: measured_at}
        return {name: [((), value)] for name, value in found.items()}

    def measured(self) -> None:
        """Wait until the files are counted that are being counted."""
        if self._thread is not None:
            self._thread.join()

    def _measure_when_due(self) -> None:
        with self._lock:
            if time.monotonic() < self._due or (self._thread is not None and self._thread.is_alive()):
                return
            # A service that stops does not wait for it.
            self._thread = threading.Thread(target=self._measure, name="store-size", daemon=True)
            self._thread.start()

    def _measure(self) -> None:
        began = time.monotonic()
        self._measured = size_of(self._store.folder), time.time()
        took_s = time.monotonic() - began
        self._due = began + took_s + max(_SHORTEST_PAUSE_S, _PAUSE_PER_S * took_s)
