"""What a process and all its descendants used, from Linux's /proc."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MIB: Final = 1024 * 1024
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> Iterator[int]:
    """The process and its descendants."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from tree(int(child))


def cpu_s(pid: int) -> float:
    """Seconds of processor time that the tree has used, in user and system mode."""
    return sum(_ticks(process) for process in tree(pid)) / _TICKS_PER_S


def peak_mib(pid: int) -> float:
    """MiB of memory that the processes of the tree held at most, added up; what they share counts in each."""
    return sum(_status_mib(process, "VmHWM") for process in tree(pid))


def resident_mib(pid: int) -> float:
    """MiB of memory that the processes of the tree hold now, added up."""
    return sum(_status_mib(process, "VmRSS") for process in tree(pid))


def _ticks(pid: int) -> int:
    # The name of the command may hold spaces and parentheses; fields are counted after it (proc_pid_stat(5)).
    _, _, fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    user, system = fields.split()[11:13]
    return int(user) + int(system)


def _status_mib(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (kib,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(kib) * 1024 / MIB
