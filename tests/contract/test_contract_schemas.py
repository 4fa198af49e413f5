"""The published documents: valid by themselves, and up to date with the models."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from ops_contract import CONTRACT_VERSION
from ops_contract.schemas import documents, main, openapi

SCHEMAS = [name for name in documents() if name.endswith(".schema.json")]


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(_references, value.values()))
    return set().union(*map(_references, value)) if isinstance(value, list) else set()


def test_published_folder_holds_the_generated_documents_and_the_schema_of_junit_reports(contract_folder: Path) -> None:
    published = {path.name for path in (contract_folder / "schemas").iterdir()}
    assert published == {*documents(), "compliance-junit.xsd"}


def test_published_files_are_fresh_to_the_byte(contract_folder: Path) -> None:
    assert main([str(contract_folder / "schemas"), "--check"]) == 0


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_valid_by_its_dialect(name: str) -> None:
    schema = documents()[name]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(schema)


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_known_by_an_id_with_the_version(name: str) -> None:
    assert documents()[name]["$id"] == f"urn:openpolicystack:contract:{CONTRACT_VERSION}:{name.removesuffix('.schema.json')}"


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_refers_only_to_itself(name: str) -> None:
    schema = documents()[name]
    assert _references(schema) <= {f"#/$defs/{definition}" for definition in schema.get("$defs", {})}


def test_openapi_document_is_valid() -> None:
    OpenAPIV31SpecValidator(openapi()).validate()


def test_openapi_document_describes_the_two_endpoints() -> None:
    assert {path: list(operations) for path, operations in openapi()["paths"].items()} == {
        "/health": ["get"],
        "/execute": ["post"],
    }


def test_openapi_document_refers_only_to_its_components() -> None:
    components = openapi()["components"]["schemas"]
    assert _references(openapi()) == {f"#/components/schemas/{name}" for name in components}


@pytest.mark.parametrize(("path", "method"), [("/health", "get"), ("/execute", "post")])
def test_openapi_document_answers_errors_with_error_envelopes(path: str, method: str) -> None:
    """OPS-ERR-001, OPS-ERR-008."""
    responses = openapi()["paths"][path][method]["responses"]
    errors = [_references(response) for status, response in responses.items() if status != "200"]
    assert errors
    assert all(reference == {"#/components/schemas/ErrorEnvelope"} for reference in errors)


def test_openapi_document_answers_a_success_with_a_success_envelope() -> None:
    """OPS-EXE-001."""
    response = openapi()["paths"]["/execute"]["post"]["responses"]["200"]
    assert _references(response) == {"#/components/schemas/SuccessEnvelope"}


def test_documents_are_written(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    assert {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()} == documents()


def test_check_of_fresh_documents_succeeds(tmp_path: Path) -> None:
    main([str(tmp_path)])
    assert main([str(tmp_path), "--check"]) == 0


def test_check_of_a_stale_document_fails_and_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(tmp_path)])
    stale = tmp_path / "health.schema.json"
    stale.write_text(stale.read_text().replace("Health", "Wealth"))
    assert main([str(tmp_path), "--check"]) == 1
    assert capsys.readouterr().err == f"out of date with the models: {stale}; run make schemas\n"


def test_check_of_a_missing_document_fails_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--check"]) == 1
    message = capsys.readouterr().err
    assert all(name in message for name in documents())
    assert list(tmp_path.iterdir()) == []


def test_check_on_the_command_line_exits_1_when_stale(tmp_path: Path) -> None:
    main([str(tmp_path)])
    (tmp_path / "openapi.json").write_text("{}")
    command = [sys.executable, "-m", "ops_contract.schemas", str(tmp_path), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 1
    assert "openapi.json" in checked.stderr
    assert "health.schema.json" not in checked.stderr
