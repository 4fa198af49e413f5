from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from ops_orchestrator.runs.store.folder import FolderStore


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[[], FolderStore]]:
    """Opens the store in `tmp_path`, as often as a service is started."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(FolderStore.open(tmp_path)))
