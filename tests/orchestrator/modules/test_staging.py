from pathlib import Path

import pytest

from ops_contract import sha256_hex
from ops_orchestrator.modules.staging import StagedFile


def test_file_is_hashed_while_it_is_written(tmp_path: Path) -> None:
    file = StagedFile(tmp_path)
    file.write(b"fig")
    file.complete(b"ures")
    assert file.path is not None
    assert file.path.read_bytes() == b"figures"
    assert (file.size_bytes, file.sha256) == (7, sha256_hex(b"figures"))


def test_file_without_bytes_is_made(tmp_path: Path) -> None:
    StagedFile(tmp_path).complete()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b""]


def test_file_that_is_not_kept_is_hashed_alone() -> None:
    file = StagedFile(None)
    file.complete(b"figures")
    assert (file.path, file.sha256) == (None, sha256_hex(b"figures"))


@pytest.mark.parametrize("written", [b"", b"figures"])
def test_removed_file_is_not_made_again_by_who_still_writes_it(tmp_path: Path, written: bytes) -> None:
    file = StagedFile(tmp_path)
    if written:
        file.write(written)
    file.remove()
    with pytest.raises(ValueError, match="write to a removed file"):
        file.complete(b"more")
    assert not any(tmp_path.iterdir())
