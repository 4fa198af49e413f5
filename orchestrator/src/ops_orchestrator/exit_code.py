"""The exit codes of the command `ops`."""

import signal
from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    NOT_COMPLETED = 1
    USAGE = 2
    UNREACHABLE = 3
    OUR_BUG = 4
    INTERRUPTED = 130


STOPPED_BY: Final[Mapping[signal.Signals, ExitCode]] = {
    signal.SIGTERM: ExitCode.DONE,
    signal.SIGINT: ExitCode.INTERRUPTED,
}
"""How a service ends that one of these signals stops."""


def exit_code_of(status: str) -> ExitCode:
    """How a command ends that waited for a run which ended with `status`."""
    return {"completed": ExitCode.DONE, "errored": ExitCode.OUR_BUG}.get(status, ExitCode.NOT_COMPLETED)
