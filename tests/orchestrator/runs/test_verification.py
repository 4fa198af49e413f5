"""A run proves itself: whatever is changed in its folder is found, also by those who make the hashes fit again."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import recorded_run
from forged_run import MANIFEST, change_json, rewrite_log, seal
from run_records import RUN_ID, begin
from scripted_module import Gate, ScriptedModule, StartService, artifact, error_envelope, success

from ops_contract import sha256_hex
from ops_orchestrator.errors import NotFoundError
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.folder_run import FolderRun
from ops_orchestrator.runs.verification import Verification, verify_run

SIMULATOR = "steps/1-policy-simulator"


def verified(folder: Path) -> Verification:
    return verify_run(FolderRun(folder.parent, folder.name))


def files_with_findings(folder: Path) -> set[str]:
    return {finding.file for finding in verified(folder).findings}


def is_found(folder: Path) -> bool:
    return not verified(folder).is_intact


@pytest.fixture
def folder(example_run: Path, tmp_path: Path) -> Path:
    """A run of two steps with artifacts, to be changed."""
    return recorded_run.copy(example_run, tmp_path)


@contextmanager
def restored(*files: Path) -> Iterator[None]:
    """Put back what the block changes in `files`."""
    before = {file: file.read_bytes() for file in files}
    yield
    for file, content in before.items():
        file.write_bytes(content)


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_run_is_intact_as_it_was_written(example_run: Path) -> None:
    verification = verified(example_run)
    assert verification.is_intact
    assert (verification.files, verification.events) == (len(files_in(example_run)), 9)
    assert verification.as_json() == {
        "run_id": example_run.name,
        "intact": True,
        "files": len(files_in(example_run)),
        "events": 9,
        "signed_by": None,
        "findings": [],
        "findings_left_out": 0,
        "notes": [],
    }


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "first byte": lambda content: flipped(content, 0),
    "a byte": lambda content: flipped(content, len(content) // 2),
    "last byte": lambda content: flipped(content, len(content) - 1),
    "a byte more": lambda content: content + b"\n",
    "a byte less": lambda content: content[:-1],
    "nothing left": lambda _: b"",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_to_any_file_is_found_and_names_that_file(folder: Path, damage: str) -> None:
    for file in files_in(folder):
        with restored(file):
            file.write_bytes(DAMAGE[damage](file.read_bytes()))
            if file.name != MANIFEST:
                assert file.relative_to(folder).as_posix() in files_with_findings(folder)
            assert is_found(folder), file


def test_byte_that_is_changed_is_found_also_when_the_manifest_was_made_again(folder: Path) -> None:
    manifest = folder / MANIFEST
    for file in files_in(folder):
        content = file.read_bytes()
        for at in range(0, len(content), len(content) // 7) if file != manifest else ():
            with restored(file, manifest):
                file.write_bytes(flipped(content, at))
                seal(folder)
                assert is_found(folder), (file, at)


def each_line_dropped(lines: list[bytes]) -> Iterator[list[bytes]]:
    for at in range(len(lines)):
        yield [*lines[:at], *lines[at + 1 :]]


def neighbours_swapped(lines: list[bytes]) -> Iterator[list[bytes]]:
    for at in range(len(lines) - 1):
        yield [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]


def each_line_changed(lines: list[bytes]) -> Iterator[list[bytes]]:
    for at, line in enumerate(lines):
        for place in range(0, len(line), 75):
            yield [*lines[:at], flipped(line, place), *lines[at + 1 :]]


@pytest.mark.parametrize("is_sealed_again", [False, True])
@pytest.mark.parametrize("change", [each_line_dropped, neighbours_swapped, each_line_changed])
def test_line_of_the_log_that_is_changed_dropped_or_moved_is_found(
    folder: Path, change: Callable[[list[bytes]], Iterator[list[bytes]]], is_sealed_again: bool
) -> None:
    log = folder / "logs.jsonl"
    for lines in change(log.read_bytes().splitlines(keepends=True)):
        log.write_bytes(b"".join(lines))
        if is_sealed_again:
            seal(folder)
        assert "logs.jsonl" in files_with_findings(folder) or "run.json" in files_with_findings(folder)


def raise_a_figure(values: dict[str, Any]) -> None:
    values["outputs"]["kpis"]["gdp_growth"] = 0.5


FORGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "artifact": (lambda folder: (folder / "artifacts/policy-simulator/kpis.json").write_text("{}"), "kpis.json"),
    "result": (lambda folder: change_json(folder, f"{SIMULATOR}/result.json", raise_a_figure), "result.json"),
    "warning": (
        lambda folder: change_json(folder, f"{SIMULATOR}/result.json", lambda values: values.update(warnings=["x"])),
        "result.json",
    ),
    "request": (lambda folder: (folder / f"{SIMULATOR}/request.json").write_text("{}"), "request.json"),
    "answer": (lambda folder: (folder / f"{SIMULATOR}/response.json").write_text("{}"), "response.json"),
    "results.json": (
        lambda folder: change_json(folder, "results.json", lambda values: raise_a_figure(values["steps"]["policy-simulator"])),
        "results.json",
    ),
    "flat results": (
        lambda folder: change_json(folder, "results.json", lambda values: values["results"]["policy-simulator"].clear()),
        "results.json",
    ),
    "step dropped from results.json": (
        lambda folder: change_json(folder, "results.json", lambda values: values["steps"].popitem()),
        "results.json",
    ),
    "run.json": (
        lambda folder: change_json(folder, "run.json", lambda values: values["request"].update(scenario_id="x")),
        "run.json",
    ),
    "member added to run.json": (lambda folder: change_json(folder, "run.json", lambda values: values.update(x=1)), "run.json"),
    "scenario of results.json": (
        lambda folder: change_json(folder, "results.json", lambda values: values.update(scenario_id="x")),
        "results.json",
    ),
    "step added to results.json": (
        lambda folder: change_json(folder, "results.json", lambda values: values["results"].update(x={"artifacts": []})),
        "results.json",
    ),
    "modules.json": (lambda folder: (folder / "modules.json").write_text('{"modules": {}}'), "modules.json"),
    "format of version 0.1.0": (
        lambda folder: change_json(folder, "run.json", lambda values: values.pop("format")),
        "run.json",
    ),
}


@pytest.mark.parametrize("forged", FORGED)
def test_forgery_is_found_also_when_log_chain_and_manifest_were_made_again(folder: Path, forged: str) -> None:
    forge, file = FORGED[forged]
    forge(folder)
    rewrite_log(folder)
    assert file in {name.rpartition("/")[2] for name in files_with_findings(folder)}


def change_text(name: str, before: str, after: str) -> Callable[[Path], object]:
    """Change `before`, a pattern that is there, to `after` in the document `name`."""

    def change(folder: Path) -> None:
        text, count = re.subn(before, after, (folder / name).read_text())
        assert count
        (folder / name).write_text(text)

    return change


SAME_MEANING: dict[str, Callable[[Path], object]] = {
    "newline after run.json": change_text("run.json", r"\Z", "\n"),
    "field of run.json that has its default": change_text("run.json", r'\n  "durability": "sync",', ""),
    "number of run.json": change_text("run.json", r'"attempt": 1', '"attempt": 1.0'),
    "pointers of run.json": change_text("run.json", r'\n  "results": "results.json",', ""),
    "results.json on one line": lambda folder: (folder / "results.json").write_text(
        json.dumps(json.loads((folder / "results.json").read_bytes()))
    ),
    "member of the last line": change_text("logs.jsonl", r"}\n\Z", ',"approved_by":"minister"}\n'),
    "blank in the last line": change_text("logs.jsonl", r"\n\Z", " \n"),
    "carriage return in the last line": change_text("logs.jsonl", r"\n\Z", "\r\n"),
}


@pytest.mark.parametrize("change", SAME_MEANING)
def test_bytes_that_are_changed_are_found_also_when_they_say_the_same(folder: Path, change: str) -> None:
    SAME_MEANING[change](folder)
    seal(folder)
    (finding,) = verified(folder).findings
    assert finding.expected == "the bytes that this version writes"


FORGED_LOG: dict[str, Callable[[list[dict[str, Any]]], object]] = {
    "request": lambda events: events[0]["request"]["inputs"].update(x=1),
    "attempts": lambda events: events[4].update(attempts=7),
    "time": lambda events: events[2].update(timestamp="2026-01-01T00:00:00.000Z"),
    "fingerprints": lambda events: events[-1]["fingerprints"].update(result="0" * 64),
    "another run": lambda events: [event.update(run_id=RUN_ID) for event in events],
    "line dropped": lambda events: events.pop(1),
    "line after the end": lambda events: events.extend(({**events[1], "seq": 10}, {**events[-1], "seq": 11})),
    "no end": lambda events: events.pop(),
}


@pytest.mark.parametrize("change", FORGED_LOG)
def test_event_that_is_changed_does_not_agree_with_the_record_also_in_a_new_chain(folder: Path, change: str) -> None:
    rewrite_log(folder, FORGED_LOG[change])
    assert {"run.json", "logs.jsonl"} & files_with_findings(folder)


@pytest.mark.parametrize("name", ["recipe", "result"])
def test_fingerprint_that_is_changed_wherever_it_stands_is_found(folder: Path, name: str) -> None:
    change_json(folder, "run.json", lambda values: values["fingerprints"].update({name: "0" * 64}))
    rewrite_log(folder, lambda events: events[-1]["fingerprints"].update({name: "0" * 64}))
    (finding,) = verified(folder).findings
    assert (finding.file, finding.found) == ("run.json", "0" * 64)
    assert finding.expected.endswith(f" as fingerprint of the {name}, computed again")


@pytest.mark.parametrize("change", [lambda lines: [*lines, lines[0]], lambda lines: lines[::-1]], ids=["twice", "order"])
def test_manifest_lists_each_file_once_and_in_order(folder: Path, change: Callable[[list[str]], list[str]]) -> None:
    lines = (folder / MANIFEST).read_text().splitlines(keepends=True)
    (folder / MANIFEST).write_text("".join(change(lines)))
    assert files_with_findings(folder) == {MANIFEST}


def test_file_that_is_missing_left_over_or_named_by_the_manifest_alone_is_found(folder: Path) -> None:
    (folder / "artifacts/policy-simulator/plot.png").unlink()
    (folder / "notes.txt").touch()
    assert files_with_findings(folder) == {"artifacts/policy-simulator/plot.png", "notes.txt"}
    seal(folder)
    found = {finding.file: finding.expected for finding in verified(folder).findings}
    assert found.keys() == {"artifacts/policy-simulator/plot.png", "notes.txt", MANIFEST}
    assert found["notes.txt"] == "a file that a line of the log names"


@pytest.mark.parametrize("name", ["run.json", "results.json", "logs.jsonl", "modules.json", MANIFEST])
def test_document_that_is_missing_is_found_also_without_its_line_in_the_manifest(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert name in files_with_findings(folder)
    if name != MANIFEST:
        seal(folder)
        assert name in files_with_findings(folder)


def test_finding_says_what_was_expected_and_what_is_there(folder: Path) -> None:
    (folder / f"{SIMULATOR}/request.json").write_bytes(b"{}")
    (finding,) = [finding for finding in verified(folder).findings if finding.file.startswith(SIMULATOR)]
    assert re.fullmatch(r"\d+ bytes, as logs.jsonl says", finding.expected)
    assert finding.found == "2 bytes"
    change_json(folder, "run.json", lambda values: values.update(status="failed"))
    findings = [finding for finding in verified(folder).findings if finding.file == "run.json"]
    assert ('"completed" at /status, as logs.jsonl says', '"failed" at /status') in {
        (finding.expected, finding.found) for finding in findings
    }


def test_link_in_the_folder_is_found_and_not_followed(folder: Path) -> None:
    (folder / "steps/linked").symlink_to("/")
    (finding,) = verified(folder).findings
    assert (finding.file, finding.found) == ("steps/linked", "it is neither a plain file nor a folder")


def test_run_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        verified(tmp_path / RUN_ID)


async def test_run_that_is_not_over_is_not_intact(tmp_path: Path) -> None:
    with closing(FolderStore.open(tmp_path)) as store:
        run = await begin(store)
        (finding,) = verify_run(store.run(RUN_ID)).findings
        await run.die()
    assert (finding.file, finding.expected, finding.found) == ("run.json", "a run that is over", "running")


class EndingRun(FolderRun):
    """A run whose last record is put into place just before its run.json is read."""

    def document(self, name: str) -> bytes:
        """See StoredRun."""
        if (last := self.location / "run.json.part").exists():
            last.rename(self.location / "run.json")
        return super().document(name)


def test_run_that_ends_while_it_is_verified_is_intact(folder: Path) -> None:
    (folder / "run.json.part").write_bytes((folder / "run.json").read_bytes())
    change_json(folder, "run.json", lambda values: values.update(status="running", finished_at=None))
    assert verify_run(EndingRun(folder.parent, folder.name)).findings == ()


def test_run_of_a_later_version_is_one_finding_that_says_so(folder: Path) -> None:
    change_json(folder, "run.json", lambda values: values.update(format=3))
    (finding,) = verified(folder).findings
    assert finding.found == "format 3, made by a later version of the orchestrator; upgrade to verify it"


def as_version_1(folder: Path) -> None:
    """Make of a run what version 0.1.0 would have left."""
    for file in (folder / "modules.json", *folder.rglob("result.json")):
        file.unlink()
    later = {"format", "modules", "attempt", "durability", "idempotency_key", "reproduces", "sweep", "traceparent"}
    change_json(folder, "run.json", lambda values: [values.pop(name) for name in later])
    log = folder / "logs.jsonl"
    events = [json.loads(line) for line in log.read_bytes().splitlines()][1:]
    for event in events:
        for name in ("seq", "files", "exchange", "previous_sha256"):
            event.pop(name, None)
    log.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    seal(folder)


def test_run_of_version_1_is_checked_as_far_as_it_can_be(folder: Path) -> None:
    as_version_1(folder)
    verification = verified(folder)
    assert verification.is_intact
    assert verification.notes == ("version 0.1.0 made the run: its logs.jsonl has no chain and does not tell everything",)
    manifest = folder / MANIFEST
    for file in files_in(folder):
        if file.suffix not in (".jsonl", ".txt"):
            with restored(file, manifest):
                file.write_bytes(flipped(file.read_bytes(), file.stat().st_size // 2))
                assert is_found(folder)
                seal(folder)
                assert is_found(folder) or file.name == "run.json"


def test_what_is_made_from_the_folder_is_a_note(folder: Path) -> None:
    (folder / "report.html").touch()
    verification = verified(folder)
    assert verification.is_intact
    assert verification.notes == (f"report.html is made from the folder: {MANIFEST} does not cover it",)


@pytest.mark.parametrize("name", [MANIFEST, "logs.jsonl"])
def test_findings_are_bounded_and_so_is_what_is_read_for_them(folder: Path, name: str) -> None:
    (folder / name).write_text("what\n" * 2_000_000)
    verification = verified(folder)
    assert len(verification.findings) == 1_000
    assert 0 < verification.left_out < 1_000


ODD = [
    "",
    "[]",
    "null",
    '"text"',
    "{}",
    '{"a": 1, "a": 2}',
    "[" * 9_000,
    '{"steps": [], "results": null, "run_id": 3, "status": []}',
]


@pytest.mark.parametrize("content", ODD)
@pytest.mark.parametrize(
    "name", ["run.json", "results.json", "logs.jsonl", "modules.json", f"{SIMULATOR}/result.json", MANIFEST]
)
def test_documents_that_are_anything_else_are_findings(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    if name != MANIFEST:
        seal(folder)
    assert is_found(folder)
    if name.endswith("result.json"):
        rewrite_log(folder)
        assert is_found(folder)


def test_run_without_saved_artifacts_is_intact_and_says_what_cannot_be_checked(tmp_path: Path) -> None:
    folder = recorded_run.run(tmp_path, recorded_run.scenario(["policy-simulator"], save_artifacts=False))
    verification = verified(folder)
    assert verification.is_intact
    assert [note.partition(", since")[0] for note in verification.notes] == [
        "the artifacts of policy-simulator were not kept",
        f"{SIMULATOR}/response.json was kept without the bytes of artifacts",
    ]


ADAPTED = """
defaults: { ready_timeout_s: 600, backoff_s: 0 }
modules:
  alpha:
    url: http://alpha.test
    adapter:
      secret_headers: [x-key]
      actions:
        execute:
          path: /score
          headers: { X-Key: '"a secret of alpha"' }
          body: '{"iso": inputs.country}'
          outputs: response.body
          artifacts: [{ name: '"a.txt"', text: response.body.text }]
"""


@pytest.mark.parametrize("save_artifacts", [False, True])
async def test_adapted_run_with_secrets_in_its_answer_is_intact(
    start_service: StartService, tmp_path: Path, save_artifacts: bool
) -> None:
    answer = httpx2.Response(200, json={"text": "what a secret of alpha says"})
    asked = {
        "scenario_id": "demo",
        "modules": ["alpha"],
        "run_options": {"save_artifacts": save_artifacts},
        "inputs": {"country": "DO"},
    }
    async with start_service(ScriptedModule(files={"/score": answer}), registered=ADAPTED) as service:
        run = (await service.post("/plan_and_execute", json=asked)).json()
    verification = verified(tmp_path / "runs" / run["run_id"])
    assert (run["status"], verification.findings) == ("completed", ())
    assert any("holds artifacts and was not kept" in note for note in verification.notes) is not save_artifacts


async def test_run_that_failed_was_cancelled_and_resumed_is_intact_each_time(
    start_service: StartService, tmp_path: Path
) -> None:
    gate = Gate()
    refusals = [
        httpx2.Response(503, json=error_envelope("beta", retryable=True)),
        httpx2.Response(400, json=error_envelope("beta")),
    ]
    alpha = ScriptedModule(answers=[success(artifacts=[artifact("a.txt")])])
    beta = ScriptedModule("beta", answers=[*refusals, gate, success("beta")])
    options = {"retries": 1, "backoff_s": 0}
    outcomes = []
    async with start_service(alpha, beta, options=options) as service:
        run = (await service.post("/plan_and_execute", json={"scenario_id": "demo", "modules": ["alpha", "beta"]})).json()
        folder = tmp_path / "runs" / run["run_id"]
        outcomes.append((run["status"], verified(folder).findings))
        await service.post(f"/runs/{run['run_id']}/resume", headers={"Prefer": "respond-async"})
        await gate.asked.wait()
        await service.post(f"/runs/{run['run_id']}/cancel")
        outcomes.append(("cancelled", verified(folder).findings))
        run = (await service.post(f"/runs/{run['run_id']}/resume")).json()
    outcomes.append((run["status"], verified(folder).findings))
    assert outcomes == [("failed", ()), ("cancelled", ()), ("completed", ())]
    (folder / "steps/2-beta/attempts/2/response.json").write_bytes(b"{}")
    hashed = {"sha256": sha256_hex(b"{}"), "size": 2}
    rewrite_log(folder, lambda events: replace_file(events, "steps/2-beta/attempts/2/response.json", hashed), hashes=False)
    assert files_with_findings(folder) == {"steps/2-beta/attempts/2/response.json"}


def replace_file(events: list[dict[str, Any]], path: str, hashed: dict[str, object]) -> None:
    """Make all events say that the file at `path` is another."""
    for event in events:
        event["files"] = [{**file, **hashed} if file["path"] == path else file for file in event.get("files", ())]


async def test_run_that_was_recovered_is_intact(tmp_path: Path) -> None:
    with closing(FolderStore.open(tmp_path)) as store:
        run = await begin(store, "alpha", "beta")
        await run.complete()
        await run.start_step(2)
        await run.die()
        with (store.location(RUN_ID) / "logs.jsonl").open("ab") as log:
            log.write(b'{"seq": 6, "time')
        store.recover()
        assert verify_run(store.run(RUN_ID)).findings == ()
        assert store.record(RUN_ID).status == "interrupted"
