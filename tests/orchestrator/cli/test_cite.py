"""`ops runs cite`."""

import subprocess
from pathlib import Path

import pytest
import recorded_run
import yaml
from command_line import ops
from local_service import command


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run, in the runs folder of its home."""
    return recorded_run.run(tmp_path_factory.mktemp("cite"), recorded_run.scenario())


def test_run_is_cited_as_a_sentence_and_the_author_is_asked_for(run: Path) -> None:
    ran = ops(run.parents[1], "runs", "cite", "latest")
    assert ran.returncode == 0
    assert ran.stdout.startswith(f"Author not stated ({run.name[4:8]}). Run {run.name} of the scenario demo-scenario-001. ")
    assert "--author" in ran.stderr


def test_run_is_cited_for_bibtex_from_its_folder_anywhere(run: Path, tmp_path: Path) -> None:
    ran = ops(tmp_path, "runs", "cite", str(run), "--format", "bibtex", "--author", "A. Analyst")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"@misc{{{run.name},\n  author = {{{{A. Analyst}}}},\n")


@pytest.mark.parametrize("author", ["A. Analyst", "no", 'Ministry: "Finance" # \u202e\n- x'])
def test_citation_file_is_valid(run: Path, tmp_path: Path, author: str) -> None:
    file = tmp_path / "CITATION.cff"
    file.write_text(ops(run.parents[1], "runs", "cite", "latest", "--format", "cff", "--author", author).stdout)
    words = ["--no-cache", "--builtin-schema", "vendor.citation-file-format", str(file)]
    checked = subprocess.run([command("check-jsonschema"), *words], capture_output=True, text=True, check=False)
    assert (checked.returncode, "ok" in checked.stdout) == (0, True), checked.stdout
    fingerprint = recorded_run.document(run)["fingerprints"]["recipe"]
    document = yaml.safe_load(file.read_text())
    assert f"sha256:{fingerprint}" in {identifier["value"] for identifier in document["identifiers"]}


def test_form_that_does_not_exist_is_refused(run: Path) -> None:
    ran = ops(run.parents[1], "runs", "cite", "latest", "--format", "apa")
    assert (ran.returncode, "'text', 'bibtex', 'cff'" in ran.stderr) == (2, True)
