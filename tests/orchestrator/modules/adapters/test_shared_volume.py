import asyncio
import os
import socket
from pathlib import Path

import pytest

from ops_contract import sha256_hex
from ops_orchestrator.errors import Failure, StepError
from ops_orchestrator.modules.adapters.shared_volume import take
from ops_orchestrator.modules.allowance import ByteLimit
from ops_orchestrator.modules.answer import ReceivedArtifact, SharedFile

CONTENT = b"iso,gdp\nDO,1\n"
HUGE = 2**40


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A volume with `out/a.csv` on it, and `secret.txt` beside it."""
    (tmp_path / "secret.txt").write_bytes(b"secret")
    (tmp_path / "volume" / "out").mkdir(parents=True)
    (tmp_path / "volume" / "out" / "a.csv").write_bytes(CONTENT)
    return tmp_path / "volume"


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    (tmp_path / "staging").mkdir()
    return tmp_path / "staging"


async def taken(root: Path, path: str, staging: Path | None, sha256: str | None = None, limit: int = 1000) -> ReceivedArtifact:
    return await take(
        SharedFile("x/a.csv", "text/csv", path, root, sha256), "legacy", staging, ByteLimit(limit, "that are allowed")
    )


def is_empty(folder: Path) -> bool:
    return not any(folder.iterdir())


async def refused(root: Path, path: str, staging: Path | None, sha256: str | None = None, limit: int = 1000) -> Failure:
    with pytest.raises(StepError) as caught:
        await taken(root, path, staging, sha256, limit)
    failure = caught.value.failure
    assert failure.module == "legacy"
    assert failure.message.startswith(f"legacy names an artifact that cannot be taken: {path} ")
    assert staging is None or is_empty(staging)
    return failure


async def test_file_is_copied_and_described(root: Path, staging: Path) -> None:
    received = await taken(root, "out/a.csv", staging)
    assert isinstance(received.content, Path)
    assert received.content.parent == staging
    assert received.content.read_bytes() == CONTENT
    assert received.ref.model_dump() == {
        "name": "x/a.csv",
        "media_type": "text/csv",
        "size_bytes": len(CONTENT),
        "sha256": sha256_hex(CONTENT),
    }


async def test_copy_does_not_change_with_the_file(root: Path, staging: Path) -> None:
    received = await taken(root, "out/a.csv", staging)
    (root / "out" / "a.csv").write_bytes(b"later")
    assert isinstance(received.content, Path)
    assert received.content.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "path", ["out/a.csv", "./out//a.csv", "out/../out/a.csv", "{root}/out/a.csv", "{root}/./out/../out/a.csv"]
)
async def test_path_below_the_root_is_taken_relative_or_absolute(root: Path, path: str) -> None:
    assert (await taken(root, path.format(root=root), None)).ref.size_bytes == len(CONTENT)


async def test_file_that_is_not_kept_is_checked_all_the_same(root: Path) -> None:
    received = await taken(root, "out/a.csv", None, sha256_hex(CONTENT))
    assert received.content is None
    assert received.ref.sha256 == sha256_hex(CONTENT)
    assert "the answer says" in (await refused(root, "out/a.csv", None, "0" * 64)).message


async def test_hash_that_is_right_is_accepted(root: Path, staging: Path) -> None:
    assert (await taken(root, "out/a.csv", staging, sha256_hex(CONTENT))).ref.sha256 == sha256_hex(CONTENT)


async def test_hash_that_is_wrong_is_refused_and_shown_beside_the_right_one(root: Path, staging: Path) -> None:
    failure = await refused(root, "out/a.csv", staging, "0" * 64)
    assert failure.code == "INVALID_ANSWER"
    assert "0" * 64 in failure.message
    assert sha256_hex(CONTENT) in failure.message


@pytest.mark.parametrize("size", [0, 1000, 3 * 1024 * 1024])
async def test_file_of_any_size_within_the_limit_is_copied_whole(root: Path, staging: Path, size: int) -> None:
    content = os.urandom(size)
    (root / "big.bin").write_bytes(content)
    received = await taken(root, "big.bin", staging, sha256_hex(content), limit=size)
    assert isinstance(received.content, Path)
    assert received.content.read_bytes() == content


@pytest.mark.parametrize("limit", [0, 1, 2 * 1024 * 1024])
async def test_file_larger_than_the_limit_leaves_nothing(root: Path, staging: Path, limit: int) -> None:
    (root / "big.bin").write_bytes(bytes(2 * 1024 * 1024 + 1))
    failure = await refused(root, "big.bin", staging, limit=limit)
    assert failure.code == "ANSWER_TOO_LARGE"
    assert f"larger than the {limit} bytes" in failure.message


async def test_copy_that_is_cancelled_leaves_nothing(root: Path, staging: Path) -> None:
    (root / "huge.bin").touch()
    os.truncate(root / "huge.bin", HUGE)
    copying = asyncio.create_task(taken(root, "huge.bin", staging, limit=HUGE))
    await asyncio.to_thread(wait_for_a_file, staging)
    copying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copying
    assert is_empty(staging)


def wait_for_a_file(folder: Path) -> None:
    while is_empty(folder):
        pass


async def test_link_within_the_volume_is_followed(root: Path, staging: Path) -> None:
    (root / "latest").symlink_to("out")
    (root / "out" / "b.csv").symlink_to(root / "out" / "a.csv")
    assert (await taken(root, "latest/b.csv", staging)).ref.sha256 == sha256_hex(CONTENT)


@pytest.mark.parametrize("target", ["../secret.txt", "../../secret.txt", "{outside}/secret.txt"])
async def test_link_out_of_the_volume_is_refused(root: Path, staging: Path, target: str) -> None:
    (root / "out" / "b.csv").symlink_to(target.format(outside=root.parent))
    assert (await refused(root, "out/b.csv", staging)).code == "INVALID_ANSWER"


async def test_folder_that_is_a_link_out_of_the_volume_is_refused(root: Path, staging: Path) -> None:
    (root / "all").symlink_to("/")
    failure = await refused(root, f"all{root.parent}/secret.txt", staging)
    assert f"is not below artifacts_root, {root}, and nothing outside of it is read" in failure.message


@pytest.mark.parametrize(
    "path", ["../secret.txt", "out/../../secret.txt", "{root}/../secret.txt", "{root}-2/a.csv", "/etc/passwd", "..", "/"]
)
async def test_path_out_of_the_volume_is_refused(root: Path, staging: Path, path: str) -> None:
    (root.parent / "volume-2").mkdir()
    (root.parent / "volume-2" / "a.csv").write_bytes(b"not of this volume")
    failure = await refused(root, path.format(root=root), staging)
    assert failure.code == "INVALID_ANSWER"
    assert "is not below" in failure.message


@pytest.mark.parametrize("path", ["", ".", "out/..", "{root}", "{root}/"])
async def test_root_itself_is_refused(root: Path, staging: Path, path: str) -> None:
    assert "is not below" in (await refused(root, path.format(root=root), staging)).message


async def test_link_around_the_volume_and_back_is_followed(root: Path) -> None:
    (root / "again").symlink_to(root)
    assert (await taken(root, "again/again/out/a.csv", None)).ref.sha256 == sha256_hex(CONTENT)


@pytest.mark.parametrize("path", ["out", "out/", "{root}/out"])
async def test_folder_is_no_artifact(root: Path, staging: Path, path: str) -> None:
    assert "is not a plain file" in (await refused(root, path.format(root=root), staging)).message


async def test_pipe_that_nobody_writes_to_is_refused_at_once(root: Path, staging: Path) -> None:
    os.mkfifo(root / "pipe")
    assert "is not a plain file" in (await refused(root, "pipe", staging)).message


async def test_socket_is_refused(root: Path, staging: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)  # a socket's address is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert (await refused(root, "socket", staging)).code == "INVALID_ANSWER"


@pytest.mark.parametrize("path", ["out/b.csv", "absent/a.csv", "{root}/absent"])
async def test_file_that_is_not_there_is_refused_asking_for_the_volume(root: Path, staging: Path, path: str) -> None:
    failure = await refused(root, path.format(root=root), staging)
    assert f"is not there; is the volume of legacy mounted at its artifacts_root, {root}?" in failure.message


async def test_volume_that_is_not_there_is_asked_for(tmp_path: Path, staging: Path) -> None:
    assert "is the volume of legacy mounted at" in (await refused(tmp_path / "absent", "a.csv", staging)).message


async def test_link_that_leads_nowhere_is_refused(root: Path, staging: Path) -> None:
    (root / "gone.csv").symlink_to("out/gone.csv")
    assert "is not there" in (await refused(root, "gone.csv", staging)).message


@pytest.mark.parametrize("path", ["out/\x00.csv", "\x00", "out/" + "x" * 300, "x/" * 3000, "out/\ud800", "out/a.csv/b"])
async def test_path_that_no_system_can_open_is_refused(root: Path, staging: Path, path: str) -> None:
    assert (await refused(root, path, staging)).code == "INVALID_ANSWER"


async def test_loop_of_links_is_refused(root: Path, staging: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    assert "cannot be read" in (await refused(root, "a", staging)).message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_file_that_may_not_be_read_is_refused(root: Path, staging: Path) -> None:
    (root / "out" / "a.csv").chmod(0)
    assert "cannot be read: Permission denied" in (await refused(root, "out/a.csv", staging)).message


async def test_root_that_is_a_link_is_where_it_leads(root: Path, tmp_path: Path, staging: Path) -> None:
    (tmp_path / "mounted").symlink_to(root)
    for path in ("out/a.csv", f"{tmp_path}/mounted/out/a.csv", f"{root}/out/a.csv"):
        assert (await taken(tmp_path / "mounted", path, staging)).ref.sha256 == sha256_hex(CONTENT)
    assert "is not below" in (await refused(tmp_path / "mounted", "../secret.txt", None)).message


async def test_staging_that_cannot_be_written_to_is_our_failure_and_not_the_module_s(root: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await taken(root, "out/a.csv", tmp_path / "absent" / "staging")
