from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from object_stores import bucket_settings, credentials_for, new_prefix

from ops_orchestrator.runs.store import opening
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.settings import Settings


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[[], FolderStore]]:
    """Opens the store in `tmp_path`, as often as a service is started."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(FolderStore.open(tmp_path)))


@pytest.fixture(params=["folders", "moto", pytest.param("seaweedfs", marks=pytest.mark.slow)])
def settings(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of a store of each kind."""
    if request.param == "folders":
        return Settings(_env_file=None, runs_dir=tmp_path / "runs", min_free_bytes=0)
    for name, value in credentials_for(request.getfixturevalue(request.param)).items():
        monkeypatch.setenv(name, value)
    return bucket_settings(tmp_path / "runs", new_prefix())


@pytest.fixture
def open_any(settings: Settings) -> Iterator[Callable[[], RunStore]]:
    """Opens a store of each kind, as often as a service is started."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(opening.open_store(settings)))


@pytest.fixture
def any_store(open_any: Callable[[], RunStore]) -> RunStore:
    return open_any()
