"""SPEC.md and README.md: every requirement has its anchor, and every example works."""

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

import ops_contract
from ops_contract import (
    CONTRACT_VERSION,
    MAX_DEPTH,
    ContractModel,
    ErrorDetail,
    ErrorEnvelope,
    Evidence,
    ExecuteRequest,
    Health,
    Options,
    SuccessEnvelope,
    UpstreamStep,
    content_violation,
    key_figure_problems,
    parse_envelope,
    parse_json,
    sha256_hex,
    validate,
    violations,
)

CONTRACT: Final = Path(__file__).parents[2] / "contract"
SPEC: Final = (CONTRACT / "SPEC.md").read_text()
README: Final = (CONTRACT / "README.md").read_text()
REQUIREMENT: Final = re.compile(r"OPS-[A-Z]{3}-[0-9]{3}")
ROW: Final = re.compile(
    r'^\| <a id="(ops-[a-z]{3}-\d{3})"></a>(OPS-[A-Z]{3}-\d{3}) \| (\w+) \| (\w+) \| (.+) \|$', re.MULTILINE
)
ROWS: Final = ROW.findall(SPEC)
EXAMPLES: Final = re.findall(r"^```json\n(.*?)^```$", SPEC, re.MULTILINE | re.DOTALL)


def _source() -> str:
    return "".join(path.read_text() for path in sorted(Path(inspect.getfile(ops_contract)).parent.rglob("*.py")))


def _example(*keys: str) -> Any:
    """The one example of SPEC.md that has all of `keys`."""
    (found,) = [value for value in (parse_json(text.encode()) for text in EXAMPLES) if set(keys) <= set(value)]
    return found


def _slug(heading: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def test_requirements_are_numbered_from_one_in_every_area() -> None:
    numbers: dict[str, list[int]] = {}
    for _, requirement, *_ in ROWS:
        numbers.setdefault(requirement[4:7], []).append(int(requirement[8:]))
    assert len(numbers) == 14
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())


def test_requirements_are_unique() -> None:
    ids = [requirement for _, requirement, *_ in ROWS]
    assert len(ids) == len(set(ids)) == 54


def test_anchors_occur_once_and_are_the_ids_in_lower_case() -> None:
    assert all(anchor == requirement.lower() for anchor, requirement, *_ in ROWS)
    anchors = re.findall(r'<a id="([^"]+)"></a>', SPEC)
    assert sorted(anchors) == sorted(requirement.lower() for _, requirement, *_ in ROWS)
    assert len(anchors) == len(set(anchors))


def test_requirements_have_level_profile_and_statement() -> None:
    assert {level for _, _, level, *_ in ROWS} == {"MUST", "SHOULD"}
    assert {row[3] for row in ROWS} == {"core", "artifacts", "deterministic", "idempotent", "container"}
    assert all(len(statement) > 10 for *_, statement in ROWS)


def test_every_requirement_that_is_mentioned_exists() -> None:
    mentioned = set(REQUIREMENT.findall(SPEC + README + _source()))
    assert mentioned <= {requirement for _, requirement, *_ in ROWS}


def test_every_requirement_that_the_tests_cite_exists() -> None:
    cited = {found for path in Path(__file__).parent.glob("*.py") for found in REQUIREMENT.findall(path.read_text())}
    assert cited
    assert cited <= {requirement for _, requirement, *_ in ROWS}


def test_links_inside_the_spec_lead_somewhere() -> None:
    targets = {_slug(heading) for heading in re.findall(r"^#+ (.+)$", SPEC, re.MULTILINE)} | {anchor for anchor, *_ in ROWS}
    assert set(re.findall(r"\]\(#([^)]+)\)", SPEC)) <= targets


def test_links_of_the_readme_lead_to_files() -> None:
    links = re.findall(r"^\[[^\]]+\]: \S+/blob/main/([^\s#]+)", README, re.MULTILINE)
    assert links
    assert all((CONTRACT.parent / link).exists() for link in links)


@pytest.mark.parametrize(
    ("model", "heading"),
    [
        (Health, "GET /health"),
        (ExecuteRequest, "POST /execute"),
        (UpstreamStep, "POST /execute"),
        (Options, "POST /execute"),
        (SuccessEnvelope, "The success envelope"),
        (ops_contract.Artifact, "Artifacts"),
        (Evidence, "Evidence"),
        (ErrorEnvelope, "Errors"),
        (ErrorDetail, "Errors"),
    ],
)
def test_every_field_of_a_model_is_in_the_table_of_its_section(model: type[ContractModel], heading: str) -> None:
    section = SPEC.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    first_cells = " ".join(re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE))
    named = {name.rpartition(".")[2] for name in re.findall(r"`([^`]+)`", first_cells)}
    assert set(model.model_fields) <= named | ({"error"} if model is ErrorEnvelope else set())


def test_every_example_is_used() -> None:
    assert len(EXAMPLES) == 5


def test_health_example_is_valid() -> None:
    validate(Health, _example("profiles"), "health")


def test_request_example_is_valid() -> None:
    request = validate(ExecuteRequest, _example("inputs"), "request")
    assert request.contract_version == CONTRACT_VERSION


def test_success_example_follows_the_contract() -> None:
    envelope = parse_envelope(_example("outputs"))
    assert isinstance(envelope, SuccessEnvelope)
    assert violations(envelope, module=_example("profiles")["module"]) == ()


def test_key_figures_example_follows_the_convention() -> None:
    assert key_figure_problems(_example("kpis")) == ()
    assert set(_example("kpis")) == {"kpis", "units", "labels", "baseline", "change", "path"}


def test_success_example_has_the_bytes_that_it_says() -> None:
    envelope = validate(SuccessEnvelope, _example("outputs"), "envelope")
    contents = [(artifact, artifact.inline_content) for artifact in envelope.artifacts]
    inline = [(artifact, content) for artifact, content in contents if content is not None]
    assert len(inline) == 2
    assert all(content_violation(artifact, len(content), sha256_hex(content)) is None for artifact, content in inline)


def test_success_example_shows_each_delivery() -> None:
    deliveries = [{"data", "text", "href"} & set(artifact) for artifact in _example("outputs")["artifacts"]]
    assert sorted(map(sorted, deliveries)) == [["data"], ["href"], ["text"]]


def test_error_example_is_valid() -> None:
    assert isinstance(parse_envelope(_example("error")), ErrorEnvelope)


def test_examples_use_fields_of_the_contract_only() -> None:
    request = validate(ExecuteRequest, _example("inputs"), "request")
    assert json.loads(request.model_dump_json(exclude_unset=True)) == _example("inputs")
    for keys in ("outputs", "error"):
        envelope = parse_envelope(_example(keys))
        assert json.loads(envelope.model_dump_json(exclude_unset=True)) == _example(keys)


def test_spec_states_the_limits_of_the_code() -> None:
    assert f"nest at most {MAX_DEPTH} levels deep" in SPEC
    assert SPEC.startswith(f"# The module contract, version {CONTRACT_VERSION}\n")


def test_example_of_the_readme_runs() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (example,) = (block for block in blocks if "SuccessEnvelope" in block)
    ran = subprocess.run([sys.executable, "-W", "error", "-c", example], capture_output=True, text=True, check=True)
    assert ran.stdout == "follows the contract\n"
