"""Memory of large answers, in a process of its own: what one allocates and frees changes how all the others do it."""

import subprocess
import sys

MIB = 1024 * 1024

PROGRAM = f"""
import gc
from pathlib import Path
from ops_orchestrator.service.allocation import give_back_large_blocks

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))

give_back_large_blocks()
bytes(16 * {MIB})
before = resident()
kept, large = [], []
for _ in range(100):
    large.append(b"x" * {MIB})
    kept.append(b"x" * 100_000)
most = resident()
del large
gc.collect()
print(most - before, resident() - before)
"""


def test_room_of_large_answers_is_given_back_though_small_ones_between_them_stay() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    most, left = map(int, ran.stdout.split())
    assert most > 100 * MIB
    assert left < 20 * MIB
