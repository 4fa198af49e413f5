"""The exit codes of the command `ops`."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    NOT_COMPLETED = 1
    USAGE = 2
    UNREACHABLE = 3
    OUR_BUG = 4
    INTERRUPTED = 130
