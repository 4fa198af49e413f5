"""How many system calls a process and its descendants make, counted by strace."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from process_tree import tree


def system_calls(pid: int, work: Callable[[], None]) -> int | None:
    """The number of system calls while `work` goes on, which is slowed down; None where strace is missing or not allowed."""
    if not shutil.which("strace"):
        return None
    processes = list(tree(pid))
    with tempfile.NamedTemporaryFile() as summary:
        words = ["strace", "-f", "-c", "-U", "calls", "-o", summary.name, *(f"--attach={process}" for process in processes)]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as strace:
            if not _is_attached(strace, len(processes)):
                return None
            work()
            strace.send_signal(signal.SIGINT)
        return int(Path(summary.name).read_text().splitlines()[-1].split()[0])  # the line of the total


def _is_attached(strace: subprocess.Popen[str], processes: int) -> bool:
    """Wait until strace says of every process that it is attached; it ends when it may not."""
    attached = 0
    for line in strace.stderr or ():
        attached += " attached" in line
        if attached == processes:
            return True
    return False
