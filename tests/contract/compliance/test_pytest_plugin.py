"""`pytest --ops-module URL`, as a module team runs it: pytest in a process of its own, against a stub in another."""

import asyncio
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from keyed_module import KeyedModule
from local_service import command, environment, service

from ops_contract.compliance import Verdict

pytestmark = [pytest.mark.slow]

BROKEN = ("OPS-ART-003", "OPS-EXE-007")
CHOSEN = ("OPS-VER-*", "OPS-EXE-00[1234679]", "OPS-ART-*", "OPS-CTR-001")

# One requirement for each verdict, as if a module had been checked.
EVERY_VERDICT = """
from ops_contract.compliance import Finding, Verdict, load_requirements
from pytest_ops_contract.item import RequirementItem
from pytest_ops_contract.module_check import ModuleCheck

def pytest_collection_modifyitems(session, items):
    requirements = [one for one in load_requirements().values() if one.level == "MUST"]
    pairs = dict(zip(Verdict, requirements))
    findings = {one.id: Finding(one, verdict, "this", "that\\nand more") for verdict, one in pairs.items()}
    made = ModuleCheck("http://unused", {}, findings=findings)
    for verdict, one in pairs.items():
        items.append(RequirementItem.from_parent(session, name=str(verdict), requirement=one, made=made))
"""


# The plugins of this environment take a second to load; ours is found by its entry point where it matters.
OURS_ALONE = ("--disable-plugin-autoload", "-p", "pytest_ops_contract")


def run(folder: Path, *words: str, plugins: tuple[str, ...] = OURS_ALONE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [command("pytest"), *plugins, "-p", "no:cacheprovider", *words],
        cwd=folder,
        env=environment(PYTEST_ADDOPTS="", COLUMNS="300"),
        capture_output=True,
        text=True,
        check=False,
    )


def outcomes(shown: str) -> dict[str, str]:
    """What -v says of each test, by the last part of its node id."""
    lines = [line.partition("::")[2].split()[:2] for line in shown.splitlines() if "%]" in line]
    return {line[0]: line[1] for line in lines}


def journal(stub: str) -> list[dict[str, Any]]:
    """What a stub was asked, in order."""
    requests: list[dict[str, Any]] = httpx2.get(f"{stub}/__stub/requests").json()["requests"]
    return requests


@pytest.fixture(scope="module")
def broken_stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    words = ("ops-stubs", "serve", "monitor", "--admin", "--violate", ",".join(BROKEN), "--port", "0")
    with service(tmp_path_factory.mktemp("stub"), *words) as (_, url):
        yield url


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A team's folder, with a test of its own."""
    made = tmp_path_factory.mktemp("team")
    (made / "test_own.py").write_text("def test_own():\n    pass\n")
    return made


@pytest.fixture(scope="module")
def checked(broken_stub: str, folder: Path) -> subprocess.CompletedProcess[str]:
    selection = [word for identifier in CHOSEN for word in ("--ops-select", identifier)]
    return run(folder, "--ops-module", broken_stub, "-v", "-rs", "--junitxml=junit.xml", *selection, plugins=())


def test_requirements_are_tests_beside_those_of_the_team(checked: subprocess.CompletedProcess[str]) -> None:
    found = outcomes(checked.stdout)
    assert len(found) == 2 + 6 + 7 + 1 + 1
    assert {name for name, outcome in found.items() if outcome == "FAILED"} == {"OPS-ART-003"}
    assert {name for name, outcome in found.items() if outcome == "SKIPPED"} == {"OPS-CTR-001"}
    assert found["test_own"] == "PASSED"
    assert checked.returncode == pytest.ExitCode.TESTS_FAILED


def test_failure_is_told_in_the_words_of_the_kit_without_a_traceback(checked: subprocess.CompletedProcess[str]) -> None:
    told = checked.stdout.partition("= FAILURES =")[2].partition("= warnings summary =")[0]
    for expected in ("OPS-ART-003 the bytes have", "expected: status.md", "actual: the bytes", "remedy: Hash", "curl -sS -i"):
        assert expected in told
    assert ".py" not in told
    assert "Error" not in told


def test_requirement_that_does_not_apply_says_why(checked: subprocess.CompletedProcess[str]) -> None:
    assert "SKIPPED [1] ops-module:1: not applicable: checked only when the kit is given an image" in checked.stdout


def test_should_that_is_not_met_is_a_warning(checked: subprocess.CompletedProcess[str]) -> None:
    assert "RequirementWarning: OPS-EXE-007 warning: the envelope lacks version, contract_version" in checked.stdout
    assert outcomes(checked.stdout)["OPS-EXE-007"] == "PASSED"


def test_junit_of_pytest_carries_the_ids_as_properties(checked: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert checked.returncode
    cases = {case.get("name"): case for case in ET.parse(folder / "junit.xml").iter("testcase")}  # noqa: S314  # pytest's
    told = {one.get("name"): one.get("value") for one in cases["OPS-ART-003"].iter("property")}
    assert told == {
        "id": "OPS-ART-003",
        "level": "MUST",
        "profile": "artifacts",
        "spec": "contract/SPEC.md#ops-art-003",
        "verdict": "fail",
    }


@pytest.mark.anyio
async def test_module_that_is_too_slow_without_the_option_is_told_so_once(tmp_path: Path) -> None:
    async with KeyedModule(execute_s=5.1).served() as url:
        ran = await asyncio.to_thread(run, tmp_path, "--ops-module", url)
    assert "answers take 5 s; give --ops-timeout 10" in ran.stdout
    assert "1 error" in ran.stdout.splitlines()[-1]


@pytest.mark.anyio
async def test_time_for_each_answer_is_an_option(tmp_path: Path) -> None:
    async with KeyedModule(execute_s=2).served() as url:
        ran = await asyncio.to_thread(run, tmp_path, "--ops-module", url, "--ops-timeout", "1", "-k", "OPS-EXE-001")
    assert "the first request had none within 1 s either" in ran.stdout


def test_strict_lets_a_should_fail(broken_stub: str, tmp_path: Path) -> None:
    ran = run(tmp_path, "--ops-module", broken_stub, "--ops-strict", "-v", "-k", "OPS-EXE-007")
    assert outcomes(ran.stdout) == {"OPS-EXE-007": "FAILED"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-m", "OPS-ART-003"), {"OPS-ART-003"}),
        (("-m", "ops_should and ops_artifacts"), {"OPS-ART-007"}),
        (("-m", "ops_requirement", "--ops-select", "OPS-VER-*"), {"OPS-VER-001", "OPS-VER-002"}),
    ],
)
def test_ids_and_markers_choose(words: tuple[str, ...], expected: set[str], folder: Path) -> None:
    ran = run(folder, "--ops-module", "http://127.0.0.1:9", "--collect-only", "-q", "--strict-markers", *words)
    assert {line.partition("::")[2] for line in ran.stdout.splitlines() if "::" in line} == expected


def test_module_is_asked_only_for_what_was_chosen(broken_stub: str, tmp_path: Path) -> None:
    """Once to see whether it works at all, and once for the artifacts."""
    httpx2.get(f"{broken_stub}/from-here-on")
    run(tmp_path, "--ops-module", broken_stub, "-k", "OPS-ART-001 or OPS-ART-002")
    # The journal keeps the last requests only.
    paths = [one["path"] for one in journal(broken_stub)]
    assert paths[paths.index("/from-here-on") :].count("/execute") == 2


def test_module_that_is_not_there_is_one_error(folder: Path) -> None:
    ran = run(folder, "--ops-module", "http://127.0.0.1:9", "-q")
    assert "1 passed, 53 skipped, 1 error" in ran.stdout
    assert "the module at http://127.0.0.1:9 cannot be reached: Connection refused\ntry: ops-contract doctor" in ran.stdout
    assert "Traceback" not in ran.stdout + ran.stderr
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict.PASS, "PASSED"),
        (Verdict.FAIL, "FAILED"),
        (Verdict.WARN, "PASSED"),
        (Verdict.NOT_APPLICABLE, "SKIPPED"),
        (Verdict.NOT_TESTABLE, "FAILED"),
        (Verdict.EXPECTED_FAIL, "XFAIL"),
        (Verdict.UNEXPECTED_PASS, "FAILED"),
        (Verdict.KIT_ERROR, "ERROR"),
    ],
)
def test_verdict_has_an_outcome(verdict: Verdict, expected: str, every_verdict: dict[str, str]) -> None:
    assert every_verdict[verdict] == expected


@pytest.fixture(scope="module")
def every_verdict(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    made = tmp_path_factory.mktemp("verdicts")
    (made / "conftest.py").write_text(EVERY_VERDICT)
    return outcomes(run(made, "-v", "-W", "ignore").stdout)


def test_known_failure_is_expected_and_a_stale_one_fails(broken_stub: str, tmp_path: Path) -> None:
    (tmp_path / "known.txt").write_text("OPS-ART-003  # due in March\nOPS-ART-004  # fixed long ago\n")
    ran = run(tmp_path, "--ops-module", broken_stub, "--ops-baseline", "known.txt", "-v", "-k", "ART-003 or ART-004")
    assert outcomes(ran.stdout) == {"OPS-ART-003": "XFAIL", "OPS-ART-004": "FAILED"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--ops-module", "localhost:8080"), "is not a base URL; write one like http://localhost:8080"),
        (("--ops-module", "http://x", "--ops-baseline", "known.txt"), "known.txt, line 1: 'OPS-ART-03'"),
    ],
)
def test_options_that_make_no_sense_are_one_sentence(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    (tmp_path / "known.txt").write_text("OPS-ART-03  # a slip\n")
    ran = run(tmp_path, *words)
    assert told in ran.stderr
    assert ran.stderr.startswith("ERROR: ")
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR


def test_module_is_not_checked_by_several_processes(tmp_path: Path) -> None:
    ran = run(tmp_path, "--ops-module", "http://x", "-n", "2", plugins=(*OURS_ALONE, "-p", "xdist"))
    assert (ran.stderr.strip(), ran.returncode) == (
        "ERROR: --ops-module checks one module once; run it in one process: add -n 0",
        pytest.ExitCode.USAGE_ERROR,
    )


def test_without_a_module_nothing_is_added_and_nothing_loaded(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        "import sys\n\ndef test_own(pytestconfig):\n"
        "    assert not {'ops_contract', 'pydantic', 'h11', 'rich'} & set(sys.modules)\n"
        "    assert not [line for line in pytestconfig.getini('markers') if line.startswith('ops_')]\n"
    )
    # Other plugins of this environment load what they like; ours is the only one here.
    words = ("-P", "-m", "pytest", "--disable-plugin-autoload", "-p", "pytest_ops_contract", "-q", "-W", "error")
    ran = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in ran.stdout, ran.stdout
