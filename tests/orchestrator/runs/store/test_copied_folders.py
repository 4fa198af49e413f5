"""Folders of copies that take so many bytes at most."""

from pathlib import Path

import pytest

from ops_orchestrator.runs.store.objects.copied_folders import CopiedFolder, CopiedFolders

MOST = 100


@pytest.fixture
def folders(tmp_path: Path) -> CopiedFolders[CopiedFolder]:
    return CopiedFolders(tmp_path, MOST, CopiedFolder)


def fill(folders: CopiedFolders[CopiedFolder], folder: Path, name: str, size: int) -> None:
    """Use a folder, and write a file into it unless it is there."""
    with folders.used(name) as known:
        path = folder / name / "file"
        if not path.exists():
            path.parent.mkdir()
            known.bytes += path.write_bytes(bytes(size))


def there(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_those_that_were_used_least_recently_go_first(folders: CopiedFolders[CopiedFolder], tmp_path: Path) -> None:
    for name in ("first", "second", "first", "third"):
        fill(folders, tmp_path, name, 40)
    assert there(tmp_path) == {"first", "third"}
    fill(folders, tmp_path, "large", MOST)
    assert there(tmp_path) == {"large"}


def test_as_many_as_fit_stay(folders: CopiedFolders[CopiedFolder], tmp_path: Path) -> None:
    for name in ("first", "second"):
        fill(folders, tmp_path, name, MOST // 2)
    assert there(tmp_path) == {"first", "second"}


def test_folder_in_use_stays_until_nobody_uses_it(folders: CopiedFolders[CopiedFolder], tmp_path: Path) -> None:
    fill(folders, tmp_path, "used", 80)
    with folders.used("used"):
        fill(folders, tmp_path, "other", 80)
        assert there(tmp_path) == {"used"}
    fill(folders, tmp_path, "other", 80)
    assert there(tmp_path) == {"other"}


def test_folder_that_went_is_begun_anew(folders: CopiedFolders[CopiedFolder], tmp_path: Path) -> None:
    fill(folders, tmp_path, "first", 80)
    fill(folders, tmp_path, "second", 80)
    with folders.used("first") as known:
        assert known.bytes == 0
