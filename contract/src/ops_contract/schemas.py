"""The contract for other languages: JSON Schema 2020-12 files and an OpenAPI 3.1 document, generated from the models.

python -m ops_contract.schemas DIR           write them
python -m ops_contract.schemas DIR --check   exit 1 and name the files that differ from the models
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from ops_contract._envelope import EnvelopeAdapter
from ops_contract._execute import ExecuteRequest
from ops_contract._health import Health
from ops_contract._version import CONTRACT_VERSION
from ops_contract.compliance.reports.report_document import ReportAdapter

__all__ = ["documents", "main", "openapi"]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_MODELS: Final[dict[str, TypeAdapter[Any]]] = {
    "health": TypeAdapter(Health),
    "execute-request": TypeAdapter(ExecuteRequest),
    "envelope": EnvelopeAdapter,
}
# A module does not serve it, so it is not part of the OpenAPI document.
_REPORTS: Final[dict[str, TypeAdapter[Any]]] = {"compliance-report": ReportAdapter}
# The HTTP status says which envelope it is (OPS-ERR-008).
_SUCCESS_ENVELOPE: Final = {"$ref": "#/components/schemas/SuccessEnvelope"}
_ERROR_ENVELOPE: Final = {"$ref": "#/components/schemas/ErrorEnvelope"}


class _ForOthers(GenerateJsonSchema):
    """Schemas that strict validators compile, and from which code generators make one named type for each model."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # a generator makes a type of each title
        """No: only models have titles, so that no type is named after a field."""
        return False

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """Leave out `discriminator`, which is OpenAPI's and no keyword of JSON Schema."""
        return {name: value for name, value in super().tagged_union_schema(schema).items() if name != "discriminator"}


def documents() -> dict[str, dict[str, Any]]:
    """All generated documents by file name."""
    schemas = {f"{name}.schema.json": _schema(name, adapter) for name, adapter in (_MODELS | _REPORTS).items()}
    return {**schemas, "openapi.json": openapi()}


def openapi() -> dict[str, Any]:
    """The OpenAPI 3.1 document of "a module": what every service that follows the contract serves."""
    keyed, shared = TypeAdapter.json_schemas(
        [(name, "validation", adapter) for name, adapter in _MODELS.items()],
        ref_template="#/components/schemas/{model}",
        schema_generator=_ForOthers,
    )
    schemas = {name: keyed[name, "validation"] for name in _MODELS}
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": _DIALECT,
        "info": {
            "title": "An OpenPolicyStack module",
            "version": CONTRACT_VERSION,
            "summary": "What every module of the stack serves.",
            "license": {"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
        },
        "paths": {"/health": {"get": _health_operation(schemas)}, "/execute": {"post": _execute_operation(schemas)}},
        "components": {"schemas": shared["$defs"]},
    }


def _schema(name: str, adapter: TypeAdapter[Any]) -> dict[str, Any]:
    return {
        "$schema": _DIALECT,
        "$id": f"urn:openpolicystack:contract:{CONTRACT_VERSION}:{name}",
        **adapter.json_schema(schema_generator=_ForOthers),
    }


def _health_operation(schemas: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": "health",
        "summary": "Is the module ready to execute?",
        "responses": {
            "200": _response("Ready to execute.", schemas["health"]),
            "503": _response("Not ready; ask again later.", _ERROR_ENVELOPE),
        },
    }


def _execute_operation(schemas: dict[str, Any]) -> dict[str, Any]:
    problems = {
        "400": "The body is not strict JSON.",
        "409": "The first call with this run_id and step_id is still running.",
        "413": "The body is larger than the module accepts.",
        "415": "The body is not announced as application/json.",
        "422": "The body breaks the schema, or its inputs make no sense to the module.",
        "500": "The module failed.",
        "503": "The module cannot answer now or not before the deadline; the error is retryable.",
    }
    errors = {status: _response(text, _ERROR_ENVELOPE) for status, text in problems.items()}
    return {
        "operationId": "execute",
        "summary": "Execute one step of a run.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schemas["execute-request"]}}},
        "responses": {"200": _response("The step succeeded.", _SUCCESS_ENVELOPE), **errors},
    }


def _response(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def main(arguments: list[str] | None = None) -> int:
    """Write the documents into a folder, or with --check say which of its files are out of date. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ops_contract.schemas", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is out of date or missing")
    options = parser.parse_args(arguments)
    texts = {
        options.folder / name: json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        for name, document in documents().items()
    }
    if not options.check:
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [str(path) for path, text in texts.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if stale:
        sys.stderr.write(f"out of date with the models: {', '.join(stale)}; run make schemas\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
