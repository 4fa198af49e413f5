"""Runs that go into a zip file in one place, and come out of it in another."""

import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import recorded_run
from run_records import contents, leave

from ops_contract import sha256_hex
from ops_orchestrator.errors import ArchiveError, ConflictError
from ops_orchestrator.runs.archive.importing import ImportedRun, import_runs
from ops_orchestrator.runs.archive.reading import opened_archive
from ops_orchestrator.runs.archive.writing import archive_pieces
from ops_orchestrator.runs.reports.html.report import html_report
from ops_orchestrator.runs.reports.ro_crate import ro_crate
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.folder_run import FolderRun
from ops_orchestrator.runs.store.reading import run_ids_in

LIMIT = 10**9
MANIFEST = "manifest-sha256.txt"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    with closing(FolderStore.open(tmp_path / "runs")) as opened:
        yield opened


def zipped(file: Path, *runs: FolderRun, damaged: bool = False) -> Path:
    file.write_bytes(b"".join(archive_pieces(runs, damaged=damaged)))
    return file


def imported(store: FolderStore, archive: Path, *, damaged: bool = False) -> list[ImportedRun]:
    with opened_archive(archive, LIMIT) as opened:
        return list(import_runs(store, opened, damaged=damaged))


def copied(run: FolderRun, to: Path) -> FolderRun:
    """A copy of the run, to be changed."""
    return FolderRun(to, recorded_run.copy(run.location, to).name)


def test_imported_run_is_the_exported_one_and_is_listed(store: FolderStore, run: FolderRun, archive: Path) -> None:
    assert imported(store, archive) == [ImportedRun(run.run_id, "imported")]
    assert contents(store.location(run.run_id)) == contents(run.location)
    assert store.record(run.run_id) == run.record()
    assert [listed.run_id for listed in store.page(10).runs] == [run.run_id]


def test_run_that_is_there_already_stays_as_it_is(store: FolderStore, run: FolderRun, archive: Path) -> None:
    imported(store, archive)
    before = contents(store.folder / run.run_id)
    assert imported(store, archive) == [ImportedRun(run.run_id, "already there")]
    (store.folder / run.run_id / "results.json").write_text("{}")
    (refused,) = imported(store, archive)
    manifest = sha256_hex(run.document(MANIFEST))
    assert (refused.outcome, str(refused.reason).count(manifest)) == ("refused", 2)
    assert "they differ in results.json" in str(refused.reason)
    assert contents(store.folder / run.run_id) == before | {"results.json": b"{}"}


def test_import_is_seen_by_whoever_has_the_store_open(
    tmp_path: Path, store: FolderStore, run: FolderRun, archive: Path
) -> None:
    with closing(FolderStore.open(tmp_path / "runs")) as another:
        imported(another, archive)
        assert [listed.run_id for listed in store.page(10).runs] == [run.run_id]


def test_same_runs_give_the_same_bytes(tmp_path: Path, run: FolderRun, archive: Path) -> None:
    assert zipped(tmp_path / "again.zip", copied(run, tmp_path)).read_bytes() == archive.read_bytes()


def test_archive_can_be_read_while_it_comes(archive: Path) -> None:
    with ZipFile(archive) as file:
        entries = file.infolist()
    has_descriptor = [entry for entry in entries if entry.flag_bits & 0x08]
    assert len(has_descriptor) > 10
    assert {entry.compress_type for entry in has_descriptor} == {ZIP_DEFLATED}
    plot = next(entry for entry in entries if entry.filename.endswith("plot.png"))
    assert 0 < plot.compress_size - plot.file_size < 100


def test_archive_describes_the_run_and_the_store_keeps_only_what_is_not_derived(
    store: FolderStore, run: FolderRun, archive: Path
) -> None:
    with ZipFile(archive) as file:
        assert file.read(f"{run.run_id}/ro-crate-metadata.json") == ro_crate(run)
        assert file.read(f"{run.run_id}/report.html") == html_report(run)
    imported(store, archive)
    assert contents(store.location(run.run_id)) == contents(run.location)


def test_runs_of_one_archive_are_taken_each_by_itself(
    tmp_path: Path, store: FolderStore, run: FolderRun, other: FolderRun
) -> None:
    damaged = copied(run, tmp_path)
    (damaged.location / "results.json").write_text("{}")
    both = zipped(tmp_path / "both.zip", other, damaged, damaged=True)
    assert {taken.run_id: taken.outcome for taken in imported(store, both)} == {other.run_id: "imported", run.run_id: "refused"}
    assert run_ids_in(store.folder) == {other.run_id}
    assert list(store.folder.glob(".new-*")) == []


def test_damaged_run_is_taken_when_that_is_wanted_and_says_what_is_wrong(
    tmp_path: Path, store: FolderStore, run: FolderRun
) -> None:
    damaged = copied(run, tmp_path)
    (damaged.location / "results.json").write_text("{}")
    archive = zipped(tmp_path / "damaged.zip", damaged, damaged=True)
    (refused,) = imported(store, archive)
    assert (refused.outcome, "results.json: expected" in str(refused.reason)) == ("refused", True)
    (taken,) = imported(store, archive, damaged=True)
    assert (taken.outcome, "results.json: expected" in str(taken.reason)) == ("imported", True)
    note = {"import-damage.txt": f"{taken.reason}\n".encode()}
    assert contents(store.location(run.run_id)) == contents(damaged.location) | note
    assert imported(store, archive) == [ImportedRun(run.run_id, "already there")]
    assert zipped(tmp_path / "again.zip", store.run(run.run_id), damaged=True).read_bytes() == archive.read_bytes()


@pytest.mark.parametrize("damaged", [False, True])
def test_run_that_is_not_over_is_refused(tmp_path: Path, store: FolderStore, run: FolderRun, damaged: bool) -> None:
    going_on = copied(run, tmp_path)
    leave(going_on.location)
    with pytest.raises(ConflictError, match="is running"):
        zipped(tmp_path / "a.zip", going_on, damaged=True)
    with ZipFile(tmp_path / "b.zip", "w") as file:
        for name in going_on.files():
            file.write(going_on.location / name, f"{run.run_id}/{name}")
    (refused,) = imported(store, tmp_path / "b.zip", damaged=damaged)
    assert refused.outcome == "refused"
    assert run_ids_in(store.folder) == set()


def forged(changes: dict[str, object]) -> Callable[[bytes], bytes]:
    return lambda record: json.dumps(json.loads(record) | changes).encode()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (forged({"status": "queued", "finished_at": None}), " is queued: only a run that is over can be taken from elsewhere."),
        (forged({"format": 99}), "run.json: made by a later version of the orchestrator, format 99; upgrade to read it"),
        (lambda record: record[1:], "; get another copy"),
    ],
)
def test_record_that_is_refused_also_when_damage_is_wanted_is_refused_in_the_same_words(
    tmp_path: Path, store: FolderStore, run: FolderRun, change: Callable[[bytes], bytes], reason: str
) -> None:
    with ZipFile(tmp_path / "a.zip", "w") as file:
        for name in run.files():
            content = run.document(name)
            file.writestr(f"{run.run_id}/{name}", change(content) if name == "run.json" else content)
    (refused,) = imported(store, tmp_path / "a.zip")
    assert (refused.outcome, str(refused.reason)[-len(reason) :]) == ("refused", reason)
    assert imported(store, tmp_path / "a.zip", damaged=True) == [refused]


def test_file_that_changes_while_it_is_exported_ends_the_archive(tmp_path: Path, run: FolderRun) -> None:
    changing = copied(run, tmp_path)
    large = os.urandom(1024 * 1024)
    add(changing, "artifacts/policy-simulator/a.bin", large)
    pieces = archive_pieces([changing])
    next(pieces)
    (changing.location / "run.json").write_text("{}")
    with pytest.raises(ArchiveError, match=r"run\.json' is not what the manifest says, or has changed"):
        list(pieces)


@pytest.mark.parametrize("change", [lambda content: content + b"a", lambda content: content[:-1]])
def test_file_that_grows_or_shrinks_while_it_is_exported_ends_the_archive(
    tmp_path: Path, run: FolderRun, change: Callable[[bytes], bytes]
) -> None:
    changing = copied(run, tmp_path)
    add(changing, "artifacts/a.bin", os.urandom(1024 * 1024))
    pieces = archive_pieces([changing], damaged=True)
    next(pieces)
    file = changing.location / "artifacts/a.bin"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(ArchiveError, match="has changed while it was read"):
        list(pieces)


def test_large_files_take_little_memory(tmp_path: Path, run: FolderRun) -> None:
    size = 24 * 1024 * 1024
    large = copied(run, tmp_path)
    add(large, "artifacts/a.png", os.urandom(size))
    (tmp_path / "unpacked").mkdir()
    pieces = archive_pieces([large])
    first = next(pieces)
    tracemalloc.start()
    with (tmp_path / "a.zip").open("wb") as file:
        file.writelines([first])
        file.writelines(pieces)
    with opened_archive(tmp_path / "a.zip", LIMIT) as archive:
        archive.unpack(run.run_id, tmp_path / "unpacked")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "unpacked/artifacts/a.png").stat().st_size == size
    assert peak < size / 6


def test_whatever_is_exported_can_be_imported(tmp_path: Path, run: FolderRun) -> None:
    """What is packed to almost nothing must not be taken for a bomb, wherever in a file it is."""
    even, noise, zeros = copied(run, tmp_path), os.urandom(64 * 1024), bytes(40 * 1024 * 1024)
    content = b"".join([noise, zeros, noise, zeros, noise])
    add(even, "artifacts/zeros.csv", content)
    with opened_archive(zipped(tmp_path / "a.zip", even), LIMIT) as archive:
        assert b"".join(archive.pieces(run.run_id, "artifacts/zeros.csv")) == content


def add(run: FolderRun, name: str, content: bytes) -> None:
    """Give the run one more file, which its manifest lists."""
    (run.location / name).write_bytes(content)
    with (run.location / MANIFEST).open("a") as manifest:
        manifest.write(f"{sha256_hex(content)}  {name}\n")
