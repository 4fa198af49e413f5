"""Work that is done in the background again and again, from the start of a service to its end."""

import threading
import time
from collections.abc import Callable


class Rounds:
    """A thread that calls `work` every `every_s` seconds until it is stopped; `work` lets nothing be raised.

    `work` looks at `wait` now and then if it takes long.
    """

    def __init__(self, name: str, work: Callable[[], None], every_s: float, pause_s: float = 0.0) -> None:
        self._work = work
        self._every_s = every_s
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round that is under way. Blocking; one that was not started may be stopped."""
        self._stopping.set()
        self._wanted.set()
        if self._thread.ident is not None:
            self._thread.join()

    def wait(self, seconds: float) -> bool:
        """Wait within a round; whether it has to end."""
        return self._stopping.wait(seconds)

    def hurry(self) -> None:
        """Have the next round begin now, or `pause_s` seconds after the one before."""
        self._wanted.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            self._work()
            # Whoever has wanted a round meanwhile may know what this one did not see.
            self._wanted.wait(self._every_s)
            self._wanted.clear()
            self._stopping.wait(max(began + self._pause_s - time.monotonic(), 0))
