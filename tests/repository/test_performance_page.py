"""docs/performance.md says what was measured, and nothing that was typed."""

import subprocess
import sys

from local_service import ROOT


def test_performance_page_and_chart_are_made_from_the_kept_results() -> None:
    command = [sys.executable, str(ROOT / "benchmarks/performance_page.py"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
