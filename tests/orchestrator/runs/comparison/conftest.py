from pathlib import Path

import pytest
from compared_runs import Runs
from scripted_module import StartService


@pytest.fixture
def runs(start_service: StartService, tmp_path: Path) -> Runs:
    return Runs(start_service, tmp_path / "runs")
