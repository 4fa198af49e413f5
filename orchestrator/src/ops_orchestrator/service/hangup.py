"""What a SIGHUP means: that somebody wants the configuration read again, or that the terminal has gone."""

import os
import signal
from typing import Final

RELOAD: Final = signal.SIGUSR1
"""What the supervisor sends to one of its workers, which tells the others. A SIGHUP is for the supervisor alone."""

_TERMINAL: Final = "/dev/tty"


class Terminal:
    """The terminal that the process is started from, if any."""

    def __init__(self) -> None:
        self._was_there = _can_be_opened()

    def is_gone(self) -> bool:
        """Whether there was a terminal at the start and is none any more: whoever used it has closed it."""
        return self._was_there and not _can_be_opened()


def _can_be_opened() -> bool:
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
