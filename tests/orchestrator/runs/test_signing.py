"""Runs that are signed: who made the hashes fit again is found by the signature, which nobody can make without the key."""

import base64
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from forged_run import forge_request
from run_records import RUN_ID, begin, keep
from scripted_module import ScriptedModule, StartService
from structlog.testing import capture_logs

from ops_orchestrator.errors import ConfigurationError, OtherKeyError
from ops_orchestrator.runs.events import RunEnded, RunResumed
from ops_orchestrator.runs.public_key import PublicKey
from ops_orchestrator.runs.recorder import Recorder
from ops_orchestrator.runs.signing import (
    SignatureError,
    SigningKey,
    make_keys,
    public_key_of,
    read_public_key,
    read_signing_key,
    signed_by,
    why_exposed,
)
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.folder_run import FolderRun
from ops_orchestrator.runs.store.protocols import Reopened
from ops_orchestrator.runs.verification import verify_run

SIGNATURE = "manifest-signature.json"
SIGNER = SigningKey(Ed25519PrivateKey.generate())
KEY = public_key_of(SIGNER.key)
OTHER = public_key_of(Ed25519PrivateKey.generate())
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


def findings(run: FolderRun, *trusted: PublicKey) -> list[tuple[str, str]]:
    return [(finding.file, finding.found) for finding in verify_run(run, trusted).findings]


async def test_signed_run_says_by_whom_and_whether_that_key_is_trusted(signed: FolderRun) -> None:
    unknown, known = verify_run(signed), verify_run(signed, [OTHER, KEY])
    assert (unknown.is_intact, unknown.signed_by, unknown.is_trusted) == (True, KEY, False)
    assert (known.is_intact, known.signed_by, known.is_trusted) == (True, KEY, True)
    assert known.as_json()["signed_by"] == {"public_key": KEY.text, "fingerprint": KEY.fingerprint, "trusted": True}


async def test_run_that_is_not_signed_by_a_trusted_key_is_a_finding(signed: FolderRun) -> None:
    (finding,) = verify_run(signed, [OTHER]).findings
    assert (finding.file, finding.expected) == (SIGNATURE, f"a signature by {OTHER.fingerprint}")
    assert finding.found == f"one by {KEY.fingerprint}"
    (signed.location / SIGNATURE).unlink()
    assert findings(signed, KEY) == [(SIGNATURE, "no such file")]
    assert findings(signed) == []


def test_any_byte_of_a_signature_that_is_changed_is_found() -> None:
    manifest = b"what it lists\n"
    content = SIGNER(manifest)
    assert signed_by(content, manifest) == KEY
    flips = [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in range(len(content))]
    for changed in (*flips, content[:-1], content + b"\n", b"", b"[" * 9_000, b"x" * 100_000, b"{}", b"[]"):
        with pytest.raises(SignatureError):
            signed_by(changed, manifest)


async def test_signature_that_is_damaged_is_a_finding(signed: FolderRun) -> None:
    (signed.location / SIGNATURE).write_text("{}")
    assert findings(signed) == [(SIGNATURE, "a document that is not a signature")]


def resigned(folder: Path) -> None:
    """Sign with another key."""
    signer = SigningKey(Ed25519PrivateKey.generate())
    (folder / SIGNATURE).write_bytes(signer((folder / "manifest-sha256.txt").read_bytes()))


async def test_forger_who_makes_everything_fit_again_lacks_the_key(signed: FolderRun) -> None:
    folder = signed.location
    forge_request(folder)
    assert findings(signed) == [(SIGNATURE, f"a signature by {KEY.fingerprint} of something else")]
    resigned(folder)
    assert findings(signed) == []
    assert [file for file, _ in findings(signed, KEY)] == [SIGNATURE]


async def test_run_that_ends_again_is_signed_again(store: FolderStore) -> None:
    run = await begin(store)
    await run.recorder.end(FAILED)
    first = (store.location(RUN_ID) / SIGNATURE).read_bytes()
    await end_again(await store.reopen(RUN_ID))
    assert (store.location(RUN_ID) / SIGNATURE).read_bytes() != first
    assert verify_run(store.run(RUN_ID), [KEY]).is_intact


async def test_run_whose_writer_died_or_failed_is_signed_by_whoever_has_the_same_key(store: FolderStore) -> None:
    left = await begin(store)
    await left.die()
    store.recover()
    failed = await begin(store, run_id=f"{RUN_ID[:-1]}e")
    await failed.writer.finish(FAILED)
    taken_over = await begin(store, run_id=f"{RUN_ID[:-1]}f")
    await taken_over.die()
    await end_again(await store.take_over(f"{RUN_ID[:-1]}f"))
    for last in "def":
        assert findings(store.run(f"{RUN_ID[:-1]}{last}"), KEY) == []


async def test_run_whose_log_is_signed_is_not_taken_over_without_the_key(store: FolderStore) -> None:
    run = await begin(store)
    await run.complete()
    await run.die()
    for signer in (None, SigningKey(Ed25519PrivateKey.generate())):
        with (
            closing(FolderStore.open(store.folder, signer=signer)) as other,
            pytest.raises(OtherKeyError, match="OPS_SIGNING_KEY"),
        ):
            await other.take_over(RUN_ID)
    await end_again(await store.take_over(RUN_ID))
    assert findings(store.run(RUN_ID), KEY) == []


async def end_again(opened: Reopened) -> None:
    recorder = Recorder(opened.writer, opened.state, opened.results)
    await recorder.go_on(RunResumed(attempt=2))
    await recorder.end(FAILED)


async def test_signature_does_not_outlive_the_end_that_it_was_made_for(store: FolderStore) -> None:
    run = await begin(store)
    await run.recorder.end(FAILED)
    assert verify_run(store.run(RUN_ID)).signed_by == KEY
    with closing(FolderStore.open(store.folder)) as without_key:
        await end_again(await without_key.reopen(RUN_ID))
    verification = verify_run(store.run(RUN_ID))
    assert (verification.is_intact, verification.signed_by) == (True, None)


def pem(key: Ed25519PrivateKey, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def test_key_that_was_made_signs_and_is_trusted_as_file_or_as_text(tmp_path: Path) -> None:
    private, public = make_keys()
    (tmp_path / "key").write_bytes(private)
    (tmp_path / "key.pub").write_bytes(public)
    key = public_key_of(read_signing_key(tmp_path / "key").key)
    (tmp_path / "key.txt").write_text(f"{key.text}\n")
    assert [read_public_key(str(name)) for name in (tmp_path / "key.pub", tmp_path / "key.txt", key.text)] == [key] * 3


OTHER_KEY = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda file: file, "No such file or directory; make one with `ops keys make`"),
    "folder": (lambda file: file.mkdir(), "it is not a plain file"),
    "pipe": (os.mkfifo, "it is not a plain file"),
    "text": (lambda file: file.write_text("secret"), "is not a private key as PEM; make one with `ops keys make`"),
    "public key": (lambda file: file.write_bytes(make_keys()[1]), "it is a public key; name the file without .pub"),
    "other key": (lambda file: file.write_bytes(OTHER_KEY), "is not an Ed25519 key"),
    "password": (lambda file: file.write_bytes(pem(SIGNER.key, b"word")), "is protected by a password"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_private_key_that_cannot_be_used_is_refused_in_a_sentence(tmp_path: Path, kind: str) -> None:
    make, reason = UNUSABLE[kind]
    make(tmp_path / "key")
    with pytest.raises(ConfigurationError, match=reason):
        read_signing_key(tmp_path / "key")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pem(SIGNER.key), "it is a private key, so keep it secret, and pass .*key.pub"),
        (b"what", "is not an Ed25519 public key, as PEM"),
    ],
)
def test_key_to_trust_that_is_none_is_refused_in_a_sentence(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigurationError, match=reason):
        read_public_key(str(tmp_path / "key"))
    with pytest.raises(ConfigurationError, match="No such file"):
        read_public_key(base64.b64encode(b"too short").decode())


def test_private_key_that_others_can_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(pem(SIGNER.key))
    (tmp_path / "key").chmod(0o640)
    assert "chmod 600" in str(why_exposed(tmp_path / "key"))
    (tmp_path / "key").chmod(0o600)
    assert why_exposed(tmp_path / "key") is None


async def test_service_with_a_key_signs_its_runs_and_warns_of_one_that_others_can_read(
    start_service: StartService, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_bytes(pem(SIGNER.key))
    file.chmod(0o644)
    with capture_logs() as logged:
        async with start_service(ScriptedModule(), signing_key=file) as service:
            run = (await service.post("/plan_and_execute", json={"scenario_id": "demo", "modules": ["alpha"]})).json()
    assert verify_run(FolderRun(tmp_path / "runs", run["run_id"]), [KEY]).is_intact
    assert [entry["event"] for entry in logged] == ["signing_key.exposed"]


async def test_service_does_not_start_with_a_key_that_cannot_be_used(start_service: StartService, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"OPS_SIGNING_KEY: cannot read .*/none: No such file or directory"):
        async with start_service(ScriptedModule(), signing_key=tmp_path / "none"):
            pass
