"""File descriptors: how many this process may have open, and how many runs fit into them."""

import resource
from typing import Final, NamedTuple

from ops_orchestrator.settings import Settings

# What the process has open besides runs: libraries, the index, watchers and readers, kept connections.
_BASE: Final = 128
# Its log, a file that is written or read, the connections to its module and to its caller.
_OF_A_RUN: Final = 4
# Its log and the connection to its caller.
_OF_A_QUEUED_RUN: Final = 2


class Places(NamedTuple):
    """How many runs are executed at once and how many wait, and what to say when that is less than the settings allow."""

    at_once: int
    most_waiting: int
    warning: str | None


def raise_limit() -> None:
    """Let this process, and those that it starts, open as many files as its user may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limit() -> int | None:
    """How many descriptors this process may have; None without a limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def needed(settings: Settings) -> int:
    """How many descriptors the runs that the settings allow may take."""
    return _BASE + _OF_A_RUN * settings.max_concurrent_runs + _OF_A_QUEUED_RUN * settings.max_queued_runs


def places_for(settings: Settings, most: int | None) -> Places:
    """The places for runs of a process that may have `most` descriptors."""
    at_once, waiting = settings.max_concurrent_runs, settings.max_queued_runs
    if most is None or needed(settings) <= most:
        return Places(at_once, waiting, None)
    room = max(most - _BASE, _OF_A_RUN)
    fitting = min(at_once, room // _OF_A_RUN)
    queue = min(waiting, (room - _OF_A_RUN * fitting) // _OF_A_QUEUED_RUN)
    warning = (
        f"OPS_MAX_CONCURRENT_RUNS={at_once} and OPS_MAX_QUEUED_RUNS={waiting} need {needed(settings)} file descriptors, "
        f"and this process may have {most}: at most {fitting} runs are executed at once, and {queue} wait; "
        "raise the limit (ulimit -n, LimitNOFILE= of systemd, ulimits: in Compose), or lower the settings"
    )
    return Places(fitting, queue, warning)
