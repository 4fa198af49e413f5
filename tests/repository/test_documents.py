"""What the documents say is what is there."""

import re
from dataclasses import fields
from pathlib import Path
from textwrap import indent
from typing import get_args

import pytest
from local_service import ROOT

from ops_orchestrator.modules.adapters.artifact_mapping import ArtifactMapping
from ops_orchestrator.modules.adapters.declaration import Action, Adapter
from ops_orchestrator.modules.adapters.declared_values import ITEM_NAMES
from ops_orchestrator.modules.adapters.poll_mapping import PollMapping
from ops_orchestrator.modules.catalogue import load_catalogue
from ops_orchestrator.modules.module import Module
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.planning.scenario import read_scenario
from ops_orchestrator.planning.sweep import read_sweep
from ops_orchestrator.runs.events import Occurrence
from ops_orchestrator.settings import Settings

PACKAGE = ROOT / "orchestrator/src/ops_orchestrator"
DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md") if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)
# Packages of others lie below build/, with a README each; of the folders of runs only the README is ours.
DOCUMENTS = [path for path in DOCUMENTS if path.relative_to(ROOT).parts[0] not in ("build", "runs")]
DOCUMENTS.append(ROOT / "runs" / "README.md")


def anchors(text: str) -> set[str]:
    """What a link into a Markdown document can lead to."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_the_document_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        linked = document.parent / path if path else document
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked.read_text()), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_of_the_document_are_wrapped(document: Path) -> None:
    prose = re.sub(r"^ *```.*?^ *```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert [line for line in prose.splitlines() if len(line) > 100 and not cannot_be_wrapped(line)] == []


def cannot_be_wrapped(line: str) -> bool:
    """Is it a row of a table, a block of code, or a link by itself?"""
    return line.startswith(("|", "    ")) or re.fullmatch(r"\s*!?\[[^]]*\](\(\S+\)\S*|: \S+)", line) is not None


def test_every_picture_of_a_page_is_shown_and_all_of_them_are_light_to_clone() -> None:
    pictures = {file.name: file.stat().st_size for file in (ROOT / "docs/images/pages").glob("*.png")}
    assert set(pictures) == set(re.findall(r"\(images/pages/([^)]+)\)", (ROOT / "docs/pages.md").read_text()))
    assert sum(pictures.values()) < 2.5e6


def test_picture_of_the_readme_loads_nothing() -> None:
    picture = (ROOT / "docs/images/run.svg").read_text()
    assert set(re.findall(r"url\((.)|href|@font-face|@import", picture)) == {"#"}


def test_every_setting_is_documented_with_its_default_and_meaning() -> None:
    text, _, _ = (ROOT / "docs/settings.md").read_text().partition("\n## ")
    rows = re.findall(r"^\| `OPS_(\w+)` \| (?:`([^`]*)`)? ?\| (.+?) \|$", text, re.MULTILINE)
    documented = {name.lower(): (default, meaning.partition(":")[0]) for name, default, meaning in rows}
    assert documented == {
        name: ("" if field.default is None else _as_written(field.default), field.description)
        for name, field in Settings.model_fields.items()
    }


def _as_written(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_every_key_of_a_registered_module_is_documented() -> None:
    _, _, text = (ROOT / "docs/settings.md").read_text().partition("\n## modules.yaml\n")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(Module.model_fields) - {"name"}


def test_modules_that_the_documents_declare_can_be_registered(tmp_path: Path) -> None:
    (declared,) = re.findall(r"```yaml\n(modules:.*?)```", (ROOT / "docs/adapters.md").read_text(), re.DOTALL)
    (tmp_path / "modules.yaml").write_text(declared)
    assert len(load_catalogue(tmp_path / "modules.yaml", {}).modules) == 6


def test_request_bodies_that_the_document_declares_can_be_registered(tmp_path: Path) -> None:
    (actions,) = re.findall(r"```yaml\n(actions:.*?)```", (ROOT / "docs/adapters.md").read_text(), re.DOTALL)
    (tmp_path / "modules.yaml").write_text(
        "modules:\n  legacy:\n    url: http://legacy.test\n    adapter:\n" + indent(actions, " " * 6)
    )
    found = load_catalogue(tmp_path / "modules.yaml", {}).modules["legacy"]
    assert found.action_names == ("login", "note", "convert", "submit")


def test_scenario_of_the_http_api_can_be_planned() -> None:
    scenario, sweep = re.findall(r"```json\n(.*?)```", (ROOT / "docs/http-api.md").read_text(), re.DOTALL)
    planned = plan(read_scenario(scenario.encode()), load_catalogue(ROOT / "modules.yaml", {}))
    assert [step.id for step in planned.steps] == ["policy-simulator", "raised"]
    assert read_sweep(sweep.encode()).size == 100


def test_keys_and_names_of_adapters_are_documented() -> None:
    text = (ROOT / "docs/adapters.md").read_text()
    documented = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (.+?) \|", text, re.MULTILINE))))
    sources = {"each", "text", "base64", "path", "url"}  # described in a sentence
    keys = {*Adapter.model_fields, *Action.model_fields, *(set(ArtifactMapping.model_fields) - sources)}
    assert keys | set(PollMapping.model_fields) | set(ITEM_NAMES) <= documented


def test_every_event_and_its_fields_are_documented() -> None:
    rows = re.findall(r"^\| `(\w+\.\w+)` \| [^|]+ \| (.+?) \|$", (ROOT / "runs/README.md").read_text(), re.MULTILINE)
    documented = {name: set(re.findall(r"`(\w+)`", re.sub(r" \(.*?\)", "", text))) for name, text in rows}
    assert documented == {kind.name: {field.name for field in fields(kind)} for kind in get_args(Occurrence)}


def test_files_that_the_architecture_names_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`([\w./-]+\.(?:py|md|toml|yaml)|[\w.-]+/)`", text))
    assert named
    folders = (ROOT, PACKAGE, ROOT / "contract", ROOT / "tests")
    assert {name for name in named if not any((folder / name).exists() for folder in folders)} == set()


def test_architecture_draws_every_folder_of_the_orchestrator() -> None:
    (drawing,) = re.findall(r"```text\n(.*?)```", (ROOT / "ARCHITECTURE.md").read_text(), re.DOTALL)
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= set(re.findall(r"│ (\w+)", drawing))
