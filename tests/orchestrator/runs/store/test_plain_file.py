import os
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ops_orchestrator.runs.store.plain_file import NotPlainError, OpenFile, all_files_in, files_in, open_below, read_below


def a_socket(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as bound:
        bound.bind(str(path))


MAKE: dict[str, Callable[[Path], object]] = {
    "link to a file": lambda path: path.symlink_to("/etc/passwd"),
    "link to nothing": lambda path: path.symlink_to("nothing"),
    "link to a file beside it": lambda path: path.symlink_to("real.txt"),
    "pipe": os.mkfifo,
    "socket": a_socket,
    "folder": Path.mkdir,
}
"""What may stand where a file should; a device is covered by /dev/null below."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a file, one in a folder, and a secret beside it."""
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (root / "real.txt").write_text("real")
    (root / "deep" / "real.txt").write_text("deep")
    return root


@pytest.mark.parametrize(("name", "content"), [("real.txt", b"real"), ("deep/real.txt", b"deep")])
def test_plain_file_is_opened_with_its_size(root: Path, name: str, content: bytes) -> None:
    with closing(OpenFile.below(root, name)) as opened:
        assert (opened.file.read(), opened.size) == (content, len(content))


@pytest.mark.parametrize("to_change", [False, True])
@pytest.mark.parametrize("kind", MAKE)
def test_what_is_not_a_plain_file_is_refused_without_waiting(root: Path, kind: str, *, to_change: bool) -> None:
    MAKE[kind](root / "odd")
    with pytest.raises(NotPlainError, match="'odd' is "):
        open_below(root, "odd", to_change=to_change)


def test_device_is_refused() -> None:
    with pytest.raises(NotPlainError, match="is not a plain file"):
        open_below(Path("/dev"), "null")


@pytest.mark.parametrize(
    "name", ["../secret", "deep/../../secret", "/etc/passwd", "deep//real.txt", "./real.txt", "deep/.", "", "a\0b"]
)
def test_name_that_is_not_below_the_folder_is_refused(root: Path, name: str) -> None:
    with pytest.raises(NotPlainError, match="does not name a file below"):
        open_below(root, name)


def test_folder_on_the_way_that_is_a_link_is_refused(root: Path) -> None:
    (root / "linked").symlink_to("deep")
    with pytest.raises(NotPlainError, match="leads through 'linked'"):
        open_below(root, "linked/real.txt")


def test_file_on_the_way_is_refused(root: Path) -> None:
    with pytest.raises(NotPlainError, match=r"leads through 'real\.txt'"):
        open_below(root, "real.txt/x")


def test_folder_itself_may_be_reached_by_a_link(root: Path) -> None:
    (root.parent / "store").symlink_to("root")
    assert read_below(root.parent / "store", "real.txt", limit=10) == b"real"


@pytest.mark.parametrize("name", ["nothing", "nothing/real.txt"])
def test_missing_file_is_not_found(root: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError):
        open_below(root, name)


def test_no_more_than_the_limit_is_read(root: Path) -> None:
    assert read_below(root, "real.txt", limit=4) == b"real"
    with pytest.raises(NotPlainError, match="more than 3 bytes"):
        read_below(root, "real.txt", limit=3)


def test_files_of_a_folder_and_of_all_below_are_sorted(root: Path) -> None:
    assert files_in(root.parent, "root") == (["real.txt"], ["deep"])
    assert all_files_in(root.parent, "root") == ["deep/real.txt", "real.txt"]


@pytest.mark.parametrize("kind", [kind for kind in MAKE if kind != "folder"])
def test_folder_that_holds_anything_else_is_not_listed(root: Path, kind: str) -> None:
    MAKE[kind](root / "deep" / "odd")
    with pytest.raises(NotPlainError, match="'root/deep/odd' is neither a plain file nor a folder"):
        all_files_in(root.parent, "root")


def test_folder_nested_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    folder = os.open(tmp_path / "root", os.O_RDONLY)
    try:
        for _ in range(25):
            os.mkdir("a" * 200, dir_fd=folder)
            inner = os.open("a" * 200, os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = inner
    finally:
        os.close(folder)
    with pytest.raises(NotPlainError, match="nested too deeply"):
        all_files_in(tmp_path, "root")
