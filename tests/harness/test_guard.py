"""What a session started ends with it."""

import sys
from subprocess import PIPE, Popen

from ops_harness.process import GUARD


def test_workers_end_with_a_service_that_ends_by_itself() -> None:
    words = [sys.executable, "-I", "-S", str(GUARD), "run", "sh", "-c", "sleep 3600 & echo serving"]
    with Popen(words, stdin=PIPE, stdout=PIPE) as guard:
        assert guard.stdout is not None
        # The output is complete when nobody holds it open any more: neither the service nor its worker.
        assert guard.stdout.read() == b"serving\n"
