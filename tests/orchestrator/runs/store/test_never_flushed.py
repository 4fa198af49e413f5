"""What a power failure leaves of a run that nobody knows of is removed; whatever has content is kept, as damaged."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from reliability.folder_agreement import disagreements
from run_records import RUN_ID, begin, contents, keep, wait_for

from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.sqlite_index import FILE_NAME

OpenStore = Callable[[], FolderStore]
CREATED = {"run.json", "modules.json", "logs.jsonl"}


@pytest.fixture
def left(open_store: OpenStore) -> Path:
    """The folder of a run that was acknowledged, and whose service died."""
    store = open_store()

    async def die() -> None:
        await (await begin(store)).die()

    wait_for(die())
    return store.location(RUN_ID)


def append_a_blank(folder: Path) -> None:
    with (folder / "modules.json").open("a") as file:
        file.write(" ")


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def only(name: str) -> Callable[[Path], None]:
    """Remove everything but `name`."""

    def empty(folder: Path) -> None:
        for other in CREATED - {name}:
            (folder / other).unlink()

    return empty


def empty_but(name: str) -> Callable[[Path], None]:
    """Take the content of all files but `name`."""

    def empty(folder: Path) -> None:
        for other in CREATED - {name}:
            (folder / other).write_bytes(b"")

    return empty


def empty_beside_a_note(folder: Path) -> None:
    empty_but("none")(folder)
    (folder / "note.txt").write_text("mine")


def flip_a_byte_of_the_log(folder: Path) -> None:
    content = (folder / "logs.jsonl").read_bytes()
    (folder / "logs.jsonl").write_bytes(content[:50] + b"\xff" + content[51:])


def cut_the_log(folder: Path) -> None:
    os.truncate(folder / "logs.jsonl", 30)


def pad_the_log(folder: Path) -> None:
    """Add zeros, as a failed disk may, to a log that is cut in a later line."""
    content = (folder / "logs.jsonl").read_bytes()
    (folder / "logs.jsonl").write_bytes(content[: content.index(b"\n") + 20] + bytes(4096))
    (folder / "modules.json").write_bytes(b"{")


def lose_the_log(folder: Path) -> None:
    (folder / "logs.jsonl").write_bytes(b"")


def lose_the_log_beside_a_step(folder: Path) -> None:
    lose_the_log(folder)
    (folder / "steps/1-alpha").mkdir(parents=True)
    (folder / "steps/1-alpha/request.json").write_text("{}")


def zeros_in_the_first_line(folder: Path) -> None:
    content = (folder / "logs.jsonl").read_bytes()
    (folder / "logs.jsonl").write_bytes(content[:30] + bytes(len(content) - 30))


def a_page_of_the_first_line(folder: Path) -> None:
    (folder / "logs.jsonl").write_bytes(b'{"seq":1,"request":"'.ljust(4096, b"x"))


def lose_modules_beside_a_step(folder: Path) -> None:
    (folder / "modules.json").write_bytes(b"")
    (folder / "steps/1-alpha").mkdir(parents=True)
    (folder / "steps/1-alpha/request.json").touch()


@pytest.mark.parametrize("content", [b"", bytes(4096)], ids=["empty", "zeros"])
def test_run_of_which_a_power_cut_left_its_beginning_and_names_is_interrupted(open_store: OpenStore, content: bytes) -> None:
    """As when each file is flushed by itself, and power fails when the log and modules.json are."""
    store = open_store()
    wait_for(keep(store))
    folder = store.location(RUN_ID)
    (folder / "run.json.part").touch()
    for file in folder.rglob("*.*"):
        if file.name not in ("logs.jsonl", "modules.json"):
            file.write_bytes(content)
    for file in store.folder.glob(f"{FILE_NAME}*"):
        file.unlink()
    again = open_store()
    assert again.recover() == {RUN_ID: None}
    record = again.record(RUN_ID)
    assert (record.status, [step.status for step in record.steps]) == ("interrupted", ["interrupted"])
    assert disagreements(folder) == []


LOST: dict[str, Callable[[Path], None]] = {
    "all content but that of modules.json": empty_but("modules.json"),
    "the log, but not the record": lose_the_log,
    "the rest of the first line, which reads as zeros": zeros_in_the_first_line,
    "the second page of the first line": a_page_of_the_first_line,
    "modules.json, and the files of a step": lose_modules_beside_a_step,
}


@pytest.mark.parametrize("lost", LOST)
def test_run_whose_beginning_a_power_cut_took_was_never_acknowledged_and_is_removed(
    open_store: OpenStore, left: Path, lost: str
) -> None:
    LOST[lost](left)
    again = open_store()
    assert again.recover() == {}
    assert not left.exists()
    assert again.page(10).runs == []


DAMAGE: dict[str, Callable[[Path], None]] = {
    "a blank after modules.json": append_a_blank,
    "no modules.json": remove("modules.json"),
    "no log": remove("logs.jsonl"),
    "a log with another byte": flip_a_byte_of_the_log,
    "a log cut in its first line": cut_the_log,
    "nothing but a log": only("logs.jsonl"),
    "nothing but modules.json": only("modules.json"),
    "nothing": only("none"),
    "a note beside empty files": empty_beside_a_note,
    "a later line cut by zeros, and modules.json cut": pad_the_log,
    "an empty log beside the files of a step": lose_the_log_beside_a_step,
}


@pytest.mark.parametrize("content", [b"", bytes(4096)], ids=["empty", "zeros"])
def test_run_of_which_a_power_cut_left_no_content_was_never_acknowledged_and_is_removed(
    open_store: OpenStore, left: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for name in CREATED:
        (left / name).write_bytes(content)
    again = open_store()
    assert again.recover() == {}
    assert [(line.levelname, line.getMessage().partition(":")[0], vars(line)["run_id"]) for line in caplog.records] == [
        ("WARNING", "run.removed", RUN_ID)
    ]
    assert not left.exists()
    assert again.page(10).runs == []


@pytest.mark.parametrize("damage", DAMAGE)
def test_run_that_may_have_been_acknowledged_is_kept_and_listed_as_damaged(
    open_store: OpenStore, left: Path, damage: str
) -> None:
    DAMAGE[damage](left)
    before = contents(left)
    again = open_store()
    again.recover()
    assert [(run.run_id, run.status) for run in again.page(10).runs] == [(RUN_ID, "damaged")]
    assert contents(left) == before
