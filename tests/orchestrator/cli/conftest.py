from collections.abc import Iterator
from pathlib import Path

import pytest
from held_module import HeldModule, held_module
from scripted_module import modules_yaml


@pytest.fixture
def held() -> Iterator[HeldModule]:
    """A module in a thread of this process, whose answers are held."""
    with held_module() as module:
        yield module


@pytest.fixture
def home(tmp_path: Path, held: HeldModule) -> Path:
    """A folder with the modules.yaml of `held`, in which commands are run."""
    (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha"]).replace("http://alpha.test", held.url))
    return tmp_path
