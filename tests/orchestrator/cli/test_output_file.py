"""Files that commands write: whole or not at all, and nothing is lost that is no file."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ops_orchestrator.cli.output_file import write_whole
from ops_orchestrator.errors import ConfigurationError


def failing() -> list[bytes]:
    raise OSError(28, "No space left on device")


def test_old_file_stays_when_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")
    with pytest.raises(ConfigurationError, match=f"cannot write {re.escape(str(target))}: No space left on device"):
        write_whole(target, (piece for pieces in (b"new",) for piece in [pieces, *failing()]))
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert target.read_text() == "old"


def test_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    assert write_whole(tmp_path / "link", [b"n", b"ew"]) == 3
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


def test_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as reader:
        read = reader.submit((tmp_path / "pipe").read_bytes)
        write_whole(tmp_path / "pipe", [b"new"], replace=False)
        assert read.result() == b"new"
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(("name", "reason"), [("folder", "is a folder; name a file in it"), ("nowhere/file", "No such file")])
def test_target_that_cannot_be_a_file_is_named(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationError, match=f"{name}.*{reason}"):
        write_whole(tmp_path / name, [b"new"])


def test_file_is_not_replaced_unless_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(ConfigurationError, match="is there already; add --force"):
        write_whole(tmp_path / "file", [b"new"], replace=False)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
