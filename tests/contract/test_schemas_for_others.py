"""The published schemas in the tools of others: a strict validator, code generators for TypeScript and for Python."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from npm_packages import npm_packages

from ops_contract.schemas import documents

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = Path(__file__).parent / "tools"
PUBLISHED: Final = ROOT / "contract" / "schemas"
# The command of the generator, once for each pair of a schema and a target: to load its libraries takes most of its time.
GENERATE: Final = """
import sys
from datamodel_code_generator.__main__ import main

pairs = iter(sys.argv[1:])
for schema, target in zip(pairs, pairs):
    code = main(["--input", schema, "--input-file-type", "jsonschema", "--output", target,
                 "--output-model-type", "pydantic_v2.BaseModel"])
    assert code == 0, schema
"""
SCHEMAS: Final = [name for name in documents() if name.endswith(".schema.json")]


def _run(*words: str | Path, **options: Any) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    printed: str = done.stdout
    return printed


@pytest.fixture(scope="session")
def packages() -> Path:
    """The folder of the npm packages that tests/contract/tools/package-lock.json names."""
    return npm_packages(TOOLS)


def _judged(packages: Path, schemas: Path, pairs: list[tuple[str, Any]]) -> list[bool]:
    environment = {**os.environ, "NODE_PATH": str(packages)}
    printed = _run("node", TOOLS / "judge.cjs", schemas, input=json.dumps(pairs), env=environment)
    verdicts: list[bool] = json.loads(printed)
    return verdicts


def test_strict_validator_compiles_every_schema_and_judges_as_the_contract_does(
    packages: Path,
    health: dict[str, Any],
    execute_request: dict[str, Any],
    success: dict[str, Any],
    failure: dict[str, Any],
) -> None:
    described = {key: value for key, value in success["artifacts"][0].items() if key not in {"data", "text", "href"}}
    deliveries: list[dict[str, str]] = [{"data": "YQ=="}, {"text": "a"}, {"href": "a.csv"}]
    several = [{**one, **other} for one in deliveries for other in deliveries if one != other]
    pairs = [
        ("health.schema.json", health),
        ("execute-request.schema.json", execute_request),
        *(("envelope.schema.json", envelope) for envelope in (success, failure)),
        *(("envelope.schema.json", {**success, "artifacts": [{**described, **delivery}]}) for delivery in deliveries),
    ]
    refused = [
        ("health.schema.json", {**health, "status": ""}),
        ("execute-request.schema.json", {**execute_request, "options": {"seed": -1}}),
        ("envelope.schema.json", {**success, "status": "done"}),
        *(("envelope.schema.json", {**success, "artifacts": [{**described, **delivery}]}) for delivery in [{}, *several]),
    ]
    verdicts = _judged(packages, PUBLISHED, [*pairs, *refused])
    assert verdicts == [True] * len(pairs) + [False] * len(refused)


def test_caller_in_typescript_compiles_with_the_generated_types(packages: Path, tmp_path: Path) -> None:
    for name in SCHEMAS:
        target = tmp_path / f"{name.removesuffix('.schema.json')}.ts"
        _run(packages / ".bin" / "json2ts", PUBLISHED / name, target)
        _assert_named_after_models(name, re.findall(r"^export (?:interface|type) (\w+)", target.read_text(), re.MULTILINE))
    shutil.copy(TOOLS / "caller.ts", tmp_path)
    _run(packages / ".bin" / "tsc", "--strict", "--target", "es2022", "--noEmit", "caller.ts", cwd=tmp_path)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the Python that is generated of each schema."""
    folder = tmp_path_factory.mktemp("generated")
    words = [word for name in SCHEMAS for word in (PUBLISHED / name, folder / _python_name(name))]
    _run(sys.executable, "-c", GENERATE, *words)
    return folder


@pytest.mark.parametrize("name", SCHEMAS)
def test_generated_python_has_a_class_for_each_model(name: str, generated: Path) -> None:
    target = generated / _python_name(name)
    classes = re.findall(r"^class (\w+)\((?!Enum)", target.read_text(), re.MULTILINE)
    _assert_named_after_models(name, classes)


def test_generated_python_reads_an_envelope(generated: Path, success: dict[str, Any]) -> None:
    program = (
        "import sys; from envelope import Artifact, Envelope\n"
        "artifact = Envelope.model_validate_json(sys.stdin.read()).root.artifacts[0]\n"
        "assert isinstance(artifact, Artifact); print(artifact.name)"
    )
    printed = _run(sys.executable, "-c", program, cwd=generated, input=json.dumps(success))
    assert printed.strip() == success["artifacts"][0]["name"]


def _python_name(schema: str) -> str:
    return f"{schema.removesuffix('.schema.json').replace('-', '_')}.py"


def _assert_named_after_models(name: str, types: list[str]) -> None:
    """Nothing is named after a field, and no model falls apart into numbered ones."""
    schema = documents()[name]
    assert sorted(types) == sorted({*schema.get("$defs", {}), schema["title"]})
