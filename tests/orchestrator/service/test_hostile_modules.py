"""Modules that answer what no good module does: the service lives, says what is wrong, and the next run is fine.

How the run with each of them ends stands in docs/reliability.md, which `make reliability` writes again.
"""

import json
import os
import sys
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from subprocess import PIPE, Popen, run
from typing import Any

import pytest
from hostile_answers import GOOD_NAME, MIB, Hostile, hostile_answers
from local_service import HTTP, ROOT, service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PAGE = ROOT / "docs/reliability.md"
MARK = "<!-- From here on written by `make reliability`. -->\n"
MOST_MEMORY = 300 * MIB
# Of the service's processor time, so that a busy machine does not turn this red; it needs less than a tenth of it.
MOST_BEFORE_HEALTH_MS = 1000


@dataclass(frozen=True)
class Ordeal:
    """What came of all of them: how each run ended, how the run after it ended, and what it cost the service."""

    outcomes: dict[str, dict[str, Any]]
    afterwards: dict[str, dict[str, Any]]
    health: dict[str, float]
    peak_bytes: int
    home: Path


@pytest.fixture(scope="module")
def ordeal(tmp_path_factory: pytest.TempPathFactory) -> Ordeal:
    home = tmp_path_factory.mktemp("ordeal") / "home"
    home.mkdir()
    with service(ROOT / "tests", "python", "hostile_server.py") as (_, modules):
        (home / "modules.yaml").write_text(modules_yaml(modules))
        with (
            service(home, "ops", "serve", "--port", "0", OPS_MODULES_FILE="modules.yaml") as (process, url),
            Popen(
                [sys.executable, ROOT / "tests/health_probe.py", url, str(process.pid)],
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                text=True,
            ) as probe,
        ):
            endured = [(ran(url, module.slug), ran(url, GOOD_NAME)) for module in hostile_answers()]
            health, complaint = probe.communicate()
            assert probe.returncode == 0, complaint
            peak = peak_bytes(process.pid)
    slugs = [module.slug for module in hostile_answers()]
    outcomes = dict(zip(slugs, (outcome for outcome, _ in endured), strict=True))
    afterwards = dict(zip(slugs, (after for _, after in endured), strict=True))
    return Ordeal(outcomes, afterwards, json.loads(health), peak, home)


def modules_yaml(address: str) -> str:
    """Registers all hostile modules, and the good one, which is waited for on a busy machine."""
    good = f"  {GOOD_NAME}: {{url: {address}/{GOOD_NAME}, ready_timeout_s: 60}}"
    hostile = [
        f"  {module.slug}: {{url: {address}/{module.slug}, timeout_s: {module.timeout_s}}}" for module in hostile_answers()
    ]
    return "\n".join(["defaults: {retries: 0, ready_timeout_s: 0}", "modules:", good, *hostile, ""])


def ran(url: str, module: str) -> dict[str, Any]:
    """How a run of one module ended; its results are left out, they may be large."""
    answer = HTTP.post(f"{url}/plan_and_execute", json={"scenario_id": "hostile", "modules": [module]})
    assert answer.status_code in (200, 502), answer.text[:1000]
    body = answer.json()
    return {
        "status": body["status"],
        "error": body.get("error"),
        "outputs": body["results"].get(module) if module == GOOD_NAME else None,
    }


def peak_bytes(pid: int) -> int:
    """The most memory that a process has used so far."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def outcome(answer: dict[str, Any]) -> str:
    """How a run ended, for the table."""
    if answer["status"] == "completed":
        return "completed"
    error = answer["error"]
    return ", ".join([answer["status"], f"`{error['code']}`", *([error["requirement"]] if "requirement" in error else [])])


def tables(outcomes: dict[str, dict[str, Any]]) -> str:
    """All answers, a table a group."""
    lines = []
    for group, modules in groupby(hostile_answers(), key=lambda module: module.group):
        lines += [f"### {group}", "", "| the module | the run |", "|---|---|"]
        lines += [f"| {cell(module)} | {outcome(outcomes[module.slug])} |" for module in modules]
        lines.append("")
    return "\n".join(lines)


def cell(module: Hostile) -> str:
    return module.name.replace("\\", "\\\\").replace("<", "&lt;").replace("_", "\\_").replace("~", "\\~")


def figures(ordeal: Ordeal) -> str:
    """What it cost the service, in a sentence."""
    health = ordeal.health
    return (
        f"At the last writing, {len(ordeal.outcomes)} such modules were called one after another. `/health` was asked\n"
        f"{health['answers']:,} times meanwhile: half of its answers took at most {health['median']:.0f} ms, the slowest took\n"
        f"{health['longest']:.0f} ms. The service used at most {ordeal.peak_bytes / MIB:.0f} MiB of memory.\n"
    )


def test_there_are_enough_of_them_and_each_has_a_name_of_its_own() -> None:
    assert len({module.slug for module in hostile_answers()}) == len(hostile_answers()) >= 156


def test_every_run_says_how_it_ended(ordeal: Ordeal) -> None:
    failed = [answer["error"] for answer in ordeal.outcomes.values() if answer["status"] != "completed"]
    assert [error for error in failed if not 0 < len(error["message"]) < 2000] == []


def test_next_run_of_a_good_module_is_fine(ordeal: Ordeal) -> None:
    assert {slug: after for slug, after in ordeal.afterwards.items() if after["outputs"] != {"a": 1, "artifacts": []}} == {}


def test_service_stays_alive_and_answers(ordeal: Ordeal) -> None:
    assert ordeal.health["busy"] < MOST_BEFORE_HEALTH_MS


def test_memory_stays_bounded(ordeal: Ordeal) -> None:
    assert ordeal.peak_bytes < MOST_MEMORY


def test_nothing_is_written_outside_the_run_folders(ordeal: Ordeal) -> None:
    assert {path.name for path in ordeal.home.parent.iterdir()} == {"home"}
    assert {path.name for path in ordeal.home.iterdir()} == {"modules.yaml", "runs"}
    inside = [path for path in (ordeal.home / "runs").iterdir() if not path.name.startswith(".")]
    assert len(inside) == 2 * len(ordeal.outcomes)
    assert [path for path in ordeal.home.rglob("*") if path.is_symlink()] == []


def test_manifest_of_every_run_is_right(ordeal: Ordeal) -> None:
    # One process for all: a line of a manifest is a digest, two spaces and a file of its run.
    lines = [
        line.replace("  ", f"  {manifest.parent.name}/", 1)
        for manifest in (ordeal.home / "runs").glob("run_*/manifest-sha256.txt")
        for line in manifest.read_text().splitlines(keepends=True)
    ]
    words = ["sha256sum", "--check", "--quiet", "--strict"]
    run(words, cwd=ordeal.home / "runs", input="".join(lines), text=True, check=True)


def test_outcomes_are_documented(ordeal: Ordeal) -> None:
    if os.environ.get("OPS_WRITE_PAGES"):
        prose, _, _ = PAGE.read_text().partition(MARK)
        PAGE.write_text(f"{prose}{MARK}\n{figures(ordeal)}\n{tables(ordeal.outcomes)}")
    _, _, documented = PAGE.read_text().partition(MARK)
    assert documented[documented.index("###") :] == tables(ordeal.outcomes)
