"""What GitHub reads of this repository, checked as far as it can be without GitHub."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from local_service import ROOT, command

WORKFLOWS: Final = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTIONS: Final = (ROOT / "contract/action.yml", ROOT / "harness/action.yml")
RELEASE: Final = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
every_workflow = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)

SCHEMAS: Final = (
    *(("github-workflows", str(file.relative_to(ROOT))) for file in WORKFLOWS),
    *(("github-actions", str(file.relative_to(ROOT))) for file in ACTIONS),
    ("github-issue-forms", ".github/ISSUE_TEMPLATE/bug.yml"),
    ("github-issue-forms", ".github/ISSUE_TEMPLATE/idea.yml"),
    ("github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
    ("dependabot", ".github/dependabot.yml"),
    ("citation-file-format", "CITATION.cff"),
)


def scripts(file: Path) -> list[str]:
    """What the steps of a workflow run."""
    jobs = yaml.safe_load(file.read_text())["jobs"].values()
    return [step["run"] for job in jobs for step in job.get("steps", []) if "run" in step]


def script(name: str) -> str:
    """What one step of a release runs."""
    steps: list[Any] = [step for job in RELEASE["jobs"].values() for step in job.get("steps", [])]
    (found,) = (step["run"] for step in steps if step.get("name") == name)
    return str(found)


@pytest.mark.parametrize(("schema", "name"), SCHEMAS, ids=[name for _, name in SCHEMAS])
def test_file_is_valid_by_its_published_schema(schema: str, name: str) -> None:
    words = [command("check-jsonschema"), "--builtin-schema", f"vendor.{schema}", str(ROOT / name)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_workflows_give_nobody_more_than_they_need() -> None:
    """Injection, unpinned actions, broad permissions, kept credentials, and what else zizmor knows."""
    words = [command("zizmor"), "--offline", "--no-progress", "--min-severity", "medium", ".github", *map(str, ACTIONS)]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@every_workflow
def test_scripts_of_the_workflow_parse_and_hold_no_expression(file: Path) -> None:
    for text in scripts(file):
        assert "${{" not in text
        assert subprocess.run(["bash", "-n", "-c", text], check=False).returncode == 0, text


@every_workflow
def test_workflow_calls_targets_and_scripts_that_there_are(file: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for text in scripts(file):
        for line in re.findall(r"^ *(?:version=\$\()?make((?: --?[a-z]+| [a-z][a-z-]*)+)", text, re.MULTILINE):
            assert {word for word in line.split() if not word.startswith("-")} <= targets
        for name in re.findall(r"(?:^|[\s(])((?:release|\.ci)/[\w-]+)", text):
            assert os.access(ROOT / name, os.X_OK), name


@pytest.mark.slow
@pytest.mark.parametrize(("ahead", "code"), [("", 0), ("9", 1)], ids=["the version", "another"])
def test_release_ends_at_a_tag_that_is_not_the_version(ahead: str, code: int) -> None:
    version = subprocess.run(
        ["make", "--silent", "version"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    variables = os.environ | {"GITHUB_REF_NAME": f"v{ahead}{version}"}
    words = ["bash", "-e", "-o", "pipefail", "-c", script("Compare the tag with the version")]
    ran = subprocess.run(words, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert ran.returncode == code, ran.stderr
    assert (f"run make version V={ahead}{version}" in ran.stdout) is bool(code)


def test_everything_of_a_release_waits_for_ci_and_for_the_tag() -> None:
    """Only what is needed before may publish: each job is behind the one that compares the tag, and that one behind CI."""
    jobs = RELEASE["jobs"]
    assert jobs["packages"]["needs"] == "ci"
    assert jobs["packages"]["steps"][2]["name"] == "Compare the tag with the version"
    assert {name for name, job in jobs.items() if "packages" in job.get("needs", "")} == {"images", "publish", "release"}


def test_form_for_bugs_asks_for_what_it_takes_to_find_them() -> None:
    form = (ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text()
    for asked in ("ops doctor", "ops --version", "run.json"):
        assert asked in form
