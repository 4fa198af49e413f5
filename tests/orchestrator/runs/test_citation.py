"""How a run is cited."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import recorded_run

from ops_orchestrator.errors import ConflictError
from ops_orchestrator.runs.citation import Citation
from ops_orchestrator.runs.store.folder_run import FolderRun
from ops_stubs import __version__

HOSTILE = 'Åsa {x} 50% of $1 & "two" #3 _a_ ~b ^c \\d <e>'
LETTERS = {
    "textbackslash": "\\",
    "textbraceleft": "{",
    "textbraceright": "}",
    "textasciitilde": "~",
    "textasciicircum": "^",
    "textless": "<",
    "textgreater": ">",
    "textbar": "|",
}


def citation(**fields: object) -> Citation:
    """A citation of a completed run, or of one with other `fields`."""
    known = {
        "author": "Ministry of Finance",
        "run_id": "run_2026-01-09T12-34-56Z_ab12cd",
        "scenario_id": "vat-raised",
        "status": "completed",
        "date": datetime(2026, 1, 9, 12, 34, tzinfo=UTC),
        "orchestrator": "the OpenPolicyStack orchestrator 0.2.0 (contract 1.0)",
        "modules": ("policy-simulator 0.1.0", "strategy-agent in an unknown version"),
        "recipe": "a" * 64,
        "result": "b" * 64,
        "is_synthetic": True,
    }
    return Citation(**{**known, **fields})  # type: ignore[arg-type]  # each field by name


def test_text_names_all_that_finds_and_repeats_a_run() -> None:
    assert citation().as_text() == (
        "Ministry of Finance (2026). Run run_2026-01-09T12-34-56Z_ab12cd of the scenario vat-raised. "
        "Made on 2026-01-09 by the OpenPolicyStack orchestrator 0.2.0 (contract 1.0) with policy-simulator 0.1.0, "
        "strategy-agent in an unknown version. "
        "SHA-256 fingerprints: recipe aaaaaaaaaaaa, result bbbbbbbbbbbb. The figures are synthetic, at least in part."
    )


def test_text_says_when_a_run_did_not_complete() -> None:
    text = citation(status="failed", recipe=None, result=None, is_synthetic=False).as_text()
    assert text.endswith("The run did not complete: it is failed.")


def test_bibtex_is_one_entry_that_means_what_the_text_says() -> None:
    entry = citation(author=HOSTILE).as_bibtex()
    assert entry.startswith("@misc{run_2026-01-09T12-34-56Z_ab12cd,\n")
    assert entry.count("{") == entry.count("}")
    (author,) = re.findall(r"^  author = \{\{(.*)\}\},$", entry, re.MULTILINE)
    assert not re.search(r"(?<!\\)[&%$#_]|[~^<>|]", author)
    assert re.sub(r"\\(\w+)\{\}", lambda found: LETTERS[found[1]], author).replace("\\&", "&") == HOSTILE.translate(
        {ord(character): f"\\{character}" for character in "%$#_"}
    )
    assert "a" * 64 in entry


def test_citation_is_read_from_the_run(example_run: Path) -> None:
    found = Citation.of(FolderRun(example_run.parent, example_run.name), "  A\nB\u202e\x1b[31m ")
    record = recorded_run.document(example_run)
    assert found.author == "A B [31m"
    assert (found.recipe, found.result) == (record["fingerprints"]["recipe"], record["fingerprints"]["result"])
    assert found.modules == (f"policy-simulator {__version__}", f"strategy-agent {__version__}")
    assert found.is_synthetic


def test_run_that_goes_on_is_not_cited(example_run: Path, tmp_path: Path) -> None:
    copy = recorded_run.copy(example_run, tmp_path)
    record = recorded_run.document(copy)
    (copy / "run.json").write_text(json.dumps(record | {"status": "running", "finished_at": None}))
    with pytest.raises(ConflictError, match="a citation is made of a run that is over"):
        Citation.of(FolderRun(copy.parent, copy.name))
