"""What is not signed: runs of which anything was not written with the key, or was changed since."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from forged_run import change_json, forge_request, rewrite_log
from run_records import RUN_ID, begin, contents, keep

from ops_orchestrator.errors import ConflictError, OtherKeyError
from ops_orchestrator.runs.events import RunEnded, RunResumed
from ops_orchestrator.runs.recorder import Recorder
from ops_orchestrator.runs.signing import SigningKey, public_key_of
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.folder_run import FolderRun
from ops_orchestrator.runs.store.protocols import Reopened
from ops_orchestrator.runs.verification import verify_run

SIGNER = SigningKey(Ed25519PrivateKey.generate())
KEY = public_key_of(SIGNER.key)
FAILED = RunEnded(status="failed", error={"code": "X", "message": "broke"})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    with closing(FolderStore.open(tmp_path, signer=SIGNER)) as store:
        yield store


@pytest.fixture
async def signed(store: FolderStore) -> FolderRun:
    """A run that was signed when it ended."""
    await keep(store)
    return store.run(RUN_ID)


@pytest.fixture
async def left(store: FolderStore) -> FolderRun:
    """A run whose service died after a step."""
    run = await begin(store, "alpha", "beta")
    await run.complete()
    await run.die()
    return store.run(RUN_ID)


def forge(folder: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change the log of a run that is not over, and chain its lines again."""
    rewrite_log(folder, change)
    (folder / "manifest-sha256.txt").unlink()


def take_signatures_off(events: list[dict[str, Any]]) -> None:
    for event in events:
        del event["signature"]


async def test_forged_run_that_was_left_is_neither_gone_on_with_nor_signed_when_it_is_ended(
    left: FolderRun, store: FolderStore
) -> None:
    forge(left.location, lambda events: events[3].update(module_version="9.9.9"))
    with pytest.raises(OtherKeyError, match="changed"):
        await store.take_over(RUN_ID)
    assert store.recover([RUN_ID]) == {RUN_ID: None}
    assert_not_signed(left)


async def test_line_that_leads_back_to_a_changed_one_does_not_count_as_signed(left: FolderRun, store: FolderStore) -> None:
    log = left.location / "logs.jsonl"
    first, rest = log.read_bytes().split(b"\n", 1)
    log.write_bytes(first.replace(b'"level":"info"', b'"level":"INFO"') + b"\n" + rest)
    with pytest.raises(OtherKeyError, match="changed"):
        await store.take_over(RUN_ID)


async def test_run_that_goes_on_without_signatures_in_its_log_is_not_signed_and_a_warning_says_so(
    left: FolderRun, store: FolderStore, caplog: pytest.LogCaptureFixture
) -> None:
    forge(left.location, take_signatures_off)
    await end_again(await store.take_over(RUN_ID))
    assert_not_signed(left)
    assert "run.unsigned" in caplog.text


def assert_not_signed(run: FolderRun) -> None:
    verification = verify_run(run)
    assert (verification.findings, verification.signed_by) == ((), None)


def set_running(folder: Path) -> None:
    """Make run.json say that the run goes on, as that of one does that a dead service left."""
    change_json(folder, "run.json", lambda record: record.update(status="running", finished_at=None))


async def test_start_does_not_sign_a_forged_run_that_says_that_it_was_left(signed: FolderRun, store: FolderStore) -> None:
    forge_request(signed.location)
    set_running(signed.location)
    assert store.recover([RUN_ID]) == {RUN_ID: None}
    assert_not_signed(signed)


async def test_signature_stays_when_only_the_record_of_the_end_is_missing(signed: FolderRun, store: FolderStore) -> None:
    set_running(signed.location)
    assert store.recover([RUN_ID]) == {RUN_ID: None}
    assert verify_run(signed, [KEY]).is_intact


@pytest.mark.parametrize("content", [b"", b"forged"])
async def test_file_that_is_changed_in_a_run_that_was_over_is_found_and_takes_nothing_back(
    signed: FolderRun, store: FolderStore, content: bytes
) -> None:
    files = {*contents(signed.location)}
    (signed.location / "steps/1-alpha/result.json").write_bytes(content)
    set_running(signed.location)
    with pytest.raises(ConflictError):
        await store.take_over(RUN_ID)
    assert store.recover([RUN_ID]) == {RUN_ID: None}
    assert store.record(RUN_ID).status == "completed"
    assert {*contents(signed.location)} == files
    verification = verify_run(signed, [KEY])
    assert ({finding.file for finding in verification.findings}, verification.is_trusted) == (
        {"steps/1-alpha/result.json"},
        True,
    )


def cut_the_end(folder: Path) -> None:
    lines = (folder / "logs.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "logs.jsonl").write_bytes(b"".join(lines[:-1]))


def tear_the_end(folder: Path) -> None:
    (folder / "logs.jsonl").write_bytes((folder / "logs.jsonl").read_bytes()[:-20])


def change_a_line(folder: Path) -> None:
    content = (folder / "logs.jsonl").read_bytes()
    (folder / "logs.jsonl").write_bytes(content.replace(b'"seq":3', b'"seq":8'))


@pytest.mark.parametrize("change", [cut_the_end, tear_the_end, change_a_line])
async def test_run_with_a_manifest_whose_log_lacks_the_end_is_damaged_and_left_as_it_is(
    signed: FolderRun, store: FolderStore, change: Callable[[Path], None]
) -> None:
    change(signed.location)
    set_running(signed.location)
    before = contents(signed.location)
    store.recover([RUN_ID])
    assert [run.status for run in store.page(1).runs] == ["damaged"]
    assert contents(signed.location) == before


async def end_again(opened: Reopened) -> None:
    recorder = Recorder(opened.writer, opened.state, opened.results)
    await recorder.go_on(RunResumed(attempt=2))
    await recorder.end(FAILED)


async def test_run_that_was_not_signed_is_not_signed_when_it_is_resumed(store: FolderStore) -> None:
    with closing(FolderStore.open(store.folder)) as without_key:
        await (await begin(without_key)).recorder.end(FAILED)
    await end_again(await store.reopen(RUN_ID))
    assert_not_signed(store.run(RUN_ID))


@pytest.mark.parametrize("is_listed", [True, False])
async def test_run_whose_signature_does_not_fit_is_not_signed_when_it_is_resumed(
    store: FolderStore, *, is_listed: bool
) -> None:
    run = await begin(store)
    await run.complete()
    await run.recorder.end(FAILED)
    folder = store.location(RUN_ID)
    signed_manifest = (folder / "manifest-sha256.txt").read_bytes()
    forge_request(folder)
    if not is_listed:
        (folder / "manifest-sha256.txt").write_bytes(signed_manifest)
    await end_again(await store.reopen(RUN_ID))
    assert_not_signed(store.run(RUN_ID))
