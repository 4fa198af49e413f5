from pathlib import Path

import pytest
import recorded_run

from ops_orchestrator.runs.archive.writing import archive_pieces
from ops_orchestrator.runs.store.folder_run import FolderRun


@pytest.fixture(scope="session")
def run(example_run: Path) -> FolderRun:
    """A run of two steps, with artifacts."""
    return FolderRun(example_run.parent, example_run.name)


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> FolderRun:
    """Another run."""
    folder = recorded_run.run(tmp_path_factory.mktemp("other"), recorded_run.scenario(["data-layer"]))
    return FolderRun(folder.parent, folder.name)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory, run: FolderRun) -> Path:
    """That run in a zip file."""
    file = tmp_path_factory.mktemp("archive") / "run.zip"
    file.write_bytes(b"".join(archive_pieces([run])))
    return file
