"""What the shell is told when a command ends."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the shell is told."""

    DONE = 0
    NOT_COMPLETED = 1
    USAGE = 2
    UNREACHABLE = 3
    OUR_BUG = 4
    INTERRUPTED = 130
