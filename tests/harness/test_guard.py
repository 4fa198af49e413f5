"""What a session started ends with it."""

import subprocess
import sys

from ops_harness.process import GUARD


def test_workers_end_with_a_service_that_ends_at_once() -> None:
    # The output is complete when nobody holds it open any more: neither the service nor its worker.
    words = [sys.executable, "-I", "-S", str(GUARD), "run", "sh", "-c", "sleep 3600 & echo serving"]
    assert subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout == b"serving\n"
