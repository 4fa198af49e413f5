"""Verdicts of the compliance kit beside the runs: whole, small, and never taken for a run."""

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from zipfile import ZipFile

import pytest
from command_line import ops
from kit_verdicts import finding, keep, kit_report

from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.masking import Secrets
from ops_orchestrator.modules.module import Module
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.sqlite_index import FILE_NAME
from ops_orchestrator.runs.store.verdicts import VerdictStore
from ops_orchestrator.runs.verdict import KitReport, Verdict


def test_verdict_is_read_as_it_was_kept(tmp_path: Path, module: Module) -> None:
    kept = keep(tmp_path, kit_report(compliant=False, findings=[finding(), finding(verdict="pass")]))
    compliance = VerdictStore(tmp_path).compliance(module, "1.2.3")
    assert (compliance.state, compliance.stale) == ("not compliant", "")
    assert compliance.verdict == kept.model_copy(update={"report": "reports/alpha.html"})
    assert [found.id for found in kept.findings] == ["OPS-ART-003"]
    assert VerdictStore(tmp_path).report("alpha") == b"<p>whole"


def test_module_that_was_never_checked_has_no_verdict_and_no_report(tmp_path: Path, module: Module) -> None:
    assert VerdictStore(tmp_path).compliance(module).state == "never checked"
    with pytest.raises(NotFoundError, match="`ops modules check alpha` makes one"):
        VerdictStore(tmp_path).report("alpha")


def test_verdict_on_a_module_that_fails_at_length_stays_small(tmp_path: Path, module: Module) -> None:
    long = "\x1b é" * 100_000
    findings = [finding(verdict="warn", breach=False)] * 300 + [finding(actual=long, expected=long, remedy=long)] * 90
    kept = keep(tmp_path, kit_report(compliant=False, version=long, findings=findings))
    assert (tmp_path / ".compliance/alpha.json").stat().st_size < 1024 * 1024
    assert VerdictStore(tmp_path).compliance(module, long).stale == ""
    # What makes it not compliant is not what is left out.
    assert sum(found.breach for found in kept.findings) == 90
    assert kept.findings_left_out == 290


@pytest.mark.parametrize(
    ("entry", "version", "reason"),
    [
        ({}, "1.2.3", ""),
        ({}, None, ""),
        ({}, "1.3.0", "Version 1.2.3 was checked, and the module has version 1.3.0 now."),
        ({"image_digest": "sha256:b"}, "1.2.3", "The image sha256:a was checked, and sha256:b is registered now."),
        ({"adapter": {"actions": {"a": {"path": "/a"}}}}, "1.2.3", "The adapter in modules.yaml is another one now."),
    ],
)
def test_verdict_on_another_module_is_stale(tmp_path: Path, entry: dict[str, object], version: str | None, reason: str) -> None:
    keep(tmp_path, kit_report(), image_digest="sha256:a")
    registered = Module.model_validate({"name": "alpha", "url": "http://alpha.test", **entry})
    assert VerdictStore(tmp_path).compliance(registered, version).stale == reason


def test_secrets_of_a_module_are_not_kept() -> None:
    secret = Module(name="alpha", url="http://alpha.test/t0ken-value").with_secrets(Secrets.of(["t0ken-value"]))
    verdict = Verdict.of(kit_report(findings=[finding(actual="GET /t0ken-value/health")]), secret)
    assert "t0ken-value" not in verdict.model_dump_json()


def changed(**fields: object) -> Callable[[Path], object]:
    """Damage that sets fields of the document."""
    return lambda file: file.write_text(json.dumps(json.loads(file.read_bytes()) | fields))


def instead(make: Callable[[Path], object]) -> Callable[[Path], object]:
    """Damage that puts something else in the place of the file."""

    def damage(file: Path) -> None:
        file.unlink()
        make(file)

    return damage


DAMAGE: dict[str, Callable[[Path], object]] = {
    "10 MB": lambda file: file.write_bytes(b" " * 10_000_000),
    "empty": lambda file: file.write_bytes(b""),
    "many values": lambda file: file.write_bytes(b"[" + b"0," * 100_000 + b"0]"),
    "deep": lambda file: file.write_bytes(b"[" * 100_000),
    "link": instead(lambda file: file.symlink_to("/etc/passwd")),
    "pipe": instead(os.mkfifo),
    "folder": instead(Path.mkdir),
    "another module": changed(module="beta"),
    "word for a truth value": changed(compliant="yes"),
    "less than nothing": changed(counts={"pass": -1}),
    "no such day": changed(checked_at="9999-99-99T00:00:00Z"),
    "time that no zone has": changed(checked_at="0001-01-01T00:00:00+23:59"),
    "finding": changed(findings=[{"id": 7}]),
    "long text": changed(kit_version="x" * 10_000),
    "later format": changed(format="openpolicystack-compliance-verdict/2"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_file_that_is_no_verdict_is_unreadable_with_the_reason(
    tmp_path: Path, module: Module, damage: Callable[[Path], object]
) -> None:
    keep(tmp_path, kit_report())
    damage(tmp_path / ".compliance/alpha.json")
    compliance = VerdictStore(tmp_path).compliance(module, "1.2.3")
    assert compliance.state == "unreadable"
    assert ".compliance/alpha.json cannot be read: " in compliance.unreadable
    assert len(compliance.unreadable) < 1000


def test_verdict_is_not_written_through_a_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/.compliance").symlink_to(elsewhere)
    with pytest.raises(StoreError, match=r"\.compliance is a link"):
        keep(tmp_path / "runs", kit_report())
    assert list(elsewhere.iterdir()) == []


def test_reader_sees_a_whole_verdict_while_others_write(tmp_path: Path, module: Module) -> None:
    reports = [kit_report(findings=[finding(actual="x" * size)] * 50) for size in (1, 400)]
    keep(tmp_path, reports[0])

    def write(report: KitReport) -> None:
        for _ in range(20):
            keep(tmp_path, report)

    with ThreadPoolExecutor(3) as threads:
        writing = [threads.submit(write, each) for each in reports]
        while not all(each.done() for each in writing):
            assert VerdictStore(tmp_path).compliance(module).state == "compliant"
    assert {path.name for path in (tmp_path / ".compliance").iterdir()} == {"alpha.json", "reports"}


def test_verdicts_are_never_taken_for_runs(tmp_path: Path, example_run: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(example_run, runs / example_run.name)
    keep(runs, kit_report())
    before = {path: path.read_bytes() for path in (runs / ".compliance").rglob("*") if path.is_file()}
    assert [run["run_id"] for run in json.loads(ops(tmp_path, "runs", "list").stdout)] == [example_run.name]
    verified = ops(tmp_path, "runs", "verify", "--all")
    assert (verified.returncode, "compliance" in verified.stdout) == (0, False)
    assert ops(tmp_path, "runs", "export", ".compliance", "--to", "verdicts.zip").returncode == 2
    assert ops(tmp_path, "runs", "export", example_run.name, "--to", "run.zip").returncode == 0
    with ZipFile(tmp_path / "run.zip") as archive:
        assert [name for name in archive.namelist() if "compliance" in name] == []
    (runs / FILE_NAME).unlink()
    with closing(FolderStore.open(runs)) as store:
        assert [run.run_id for run in store.page(10).runs] == [example_run.name]
        store.recover()
        with pytest.raises(NotFoundError):
            store.remove(".compliance")
    pruned = ops(tmp_path, "runs", "prune", "--older-than", "0h", "--yes")
    assert (pruned.returncode, (runs / example_run.name).exists()) == (0, False), pruned.stderr
    assert {path: path.read_bytes() for path in (runs / ".compliance").rglob("*") if path.is_file()} == before
