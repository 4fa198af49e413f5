"""`ops runs cite`."""

import subprocess
from pathlib import Path

import pytest
import recorded_run
import yaml
from command_line import ops
from local_service import command

pytestmark = pytest.mark.slow


def test_run_is_cited_as_a_sentence_and_the_author_is_asked_for(example_run: Path) -> None:
    ran = ops(example_run.parents[1], "runs", "cite", "latest")
    assert ran.returncode == 0
    assert ran.stdout.startswith(
        f"Author not stated ({example_run.name[4:8]}). Run {example_run.name} of the scenario demo-scenario-001. "
    )
    assert "--author" in ran.stderr


def test_run_is_cited_for_bibtex_from_its_folder_anywhere(example_run: Path, tmp_path: Path) -> None:
    ran = ops(tmp_path, "runs", "cite", str(example_run), "--format", "bibtex", "--author", "A. Analyst")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"@misc{{{example_run.name},\n  author = {{{{A. Analyst}}}},\n")


@pytest.mark.parametrize("author", ["A. Analyst", "no", 'Ministry: "Finance" # \u202e\n- x'])
def test_citation_file_is_valid(example_run: Path, tmp_path: Path, author: str) -> None:
    file = tmp_path / "CITATION.cff"
    file.write_text(ops(example_run.parents[1], "runs", "cite", "latest", "--format", "cff", "--author", author).stdout)
    words = ["--no-cache", "--builtin-schema", "vendor.citation-file-format", str(file)]
    checked = subprocess.run([command("check-jsonschema"), *words], capture_output=True, text=True, check=False)
    assert (checked.returncode, "ok" in checked.stdout) == (0, True), checked.stdout
    fingerprint = recorded_run.document(example_run)["fingerprints"]["recipe"]
    document = yaml.safe_load(file.read_text())
    assert f"sha256:{fingerprint}" in {identifier["value"] for identifier in document["identifiers"]}


def test_form_that_does_not_exist_is_refused(example_run: Path) -> None:
    ran = ops(example_run.parents[1], "runs", "cite", "latest", "--format", "apa")
    assert (ran.returncode, "'text', 'bibtex', 'cff'" in ran.stderr) == (2, True)
