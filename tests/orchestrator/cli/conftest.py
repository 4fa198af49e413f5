from collections.abc import Iterator
from pathlib import Path

import pytest
from held_module import HeldModule, held_module
from scripted_module import modules_yaml


@pytest.fixture
def module() -> Iterator[HeldModule]:
    """A module in a thread of this process, whose answers are held."""
    with held_module() as module:
        yield module


@pytest.fixture
def home(tmp_path: Path, module: HeldModule) -> Path:
    """A folder with the modules.yaml of `module`, in which commands are run."""
    (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha"]).replace("http://alpha.test", module.url))
    return tmp_path
