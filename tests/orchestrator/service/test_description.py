"""What the service says of itself: the OpenAPI document."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import openapi_spec_validator
import pytest
from api_keys import bearer, make_key
from local_service import ROOT
from scripted_module import ScriptedModule, StartService


@pytest.fixture
async def client(start_service: StartService) -> AsyncIterator[httpx2.AsyncClient]:
    async with start_service(ScriptedModule()) as started:
        yield started


@pytest.fixture
async def document(client: httpx2.AsyncClient) -> dict[str, Any]:
    return dict((await client.get("/openapi.json")).json())


async def test_document_is_valid_and_its_references_resolve(document: dict[str, Any]) -> None:
    openapi_spec_validator.validate(document)
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    assert "$defs" not in json.dumps(document)


async def test_document_names_every_path(document: dict[str, Any]) -> None:
    assert set(document["paths"]) == {
        "/plan_and_execute",
        "/runs",
        "/runs/{run_id}",
        "/runs/{run_id}/results",
        "/runs/{run_id}/logs",
        "/runs/{run_id}/events",
        "/runs/{run_id}/archive",
        "/runs/{run_id}/artifacts",
        "/runs/{run_id}/evidence",
        "/runs/{run_id}/artifacts/{step}/{name}",
        "/runs/{run_id}/report.html",
        "/runs/{run_id}/ro-crate-metadata.json",
        "/runs/{run_id}/verification",
        "/runs/{run_id}/cancel",
        "/runs/{run_id}/reproduce",
        "/runs/{run_id}/resume",
        "/runs/{a}/diff/{b}",
        "/compare",
        "/compare/{name}",
        "/sweeps",
        "/sweeps/{sweep_id}",
        "/sweeps/{sweep_id}/points",
        "/sweeps/{sweep_id}/cancel",
        "/sweeps/{sweep_id}/resume",
        "/sweeps/{sweep_id}/{name}.{ending}",
        "/modules",
        "/modules/reload",
        "/modules/{name}",
        "/modules/{name}/compliance.html",
        "/health",
        "/ready",
        "/metrics",
    }


async def test_example_of_the_request_is_the_shipped_one(document: dict[str, Any]) -> None:
    content = document["paths"]["/plan_and_execute"]["post"]["requestBody"]["content"]["application/json"]
    assert content["example"] == json.loads((ROOT / "examples" / "plan_and_execute.request.json").read_bytes())
    assert content["schema"] == {"$ref": "#/components/schemas/Scenario"}


async def test_every_error_is_described_as_a_problem_document(document: dict[str, Any]) -> None:
    errors = {
        (path, status): response["content"]
        for path, methods in document["paths"].items()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        if status >= "400"
    }
    of_runs = {("/plan_and_execute", "502"), ("/runs/{run_id}/resume", "502"), ("/runs/{run_id}/reproduce", "502")}
    runs_and_readiness = of_runs | {("/ready", "503")}
    assert {where for where, content in errors.items() if "application/problem+json" not in content} == runs_and_readiness


async def test_every_answer_of_json_is_typed(document: dict[str, Any]) -> None:
    answers = {
        (path, status): response["content"]["application/json"]["schema"]
        for path, methods in document["paths"].items()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        if "application/json" in response.get("content", {})
    }
    assert all("$ref" in schema for schema in answers.values())


async def test_headers_are_described(document: dict[str, Any]) -> None:
    post = document["paths"]["/plan_and_execute"]["post"]
    artifact = document["paths"]["/runs/{run_id}/artifacts/{step}/{name}"]["get"]
    assert {"traceparent", "Prefer", "Idempotency-Key"} == {parameter["name"] for parameter in post["parameters"]}
    assert {"Location", "Preference-Applied", "traceresponse"} == set(post["responses"]["202"]["headers"])
    assert {"Retry-After"} == set(post["responses"]["503"]["headers"])
    assert {"Range", "If-Range", "If-None-Match"} <= {parameter["name"] for parameter in artifact["parameters"]}
    assert "ETag" in artifact["responses"]["200"]["headers"]


async def test_service_that_asks_for_keys_names_the_scheme_and_the_scope_of_each_operation(
    start_service: StartService, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    key = bearer(make_key(keys, "anna", "read"))
    async with start_service(ScriptedModule(), api_keys_file=keys) as service:
        document = (await service.get("/openapi.json", headers=key)).json()
    openapi_spec_validator.validate(document)
    ((name, scheme),) = document["components"]["securitySchemes"].items()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    needed = {
        f"{method} {path}": [requirement[name] for requirement in operation.get("security", [])]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert {what for what, scopes in needed.items() if not scopes} == {"get /health", "get /ready"}
    assert needed["get /runs/{run_id}"] == [["read"]]
    assert needed["post /runs/{run_id}/cancel"] == [["run"]]
    assert needed["post /modules/reload"] == [["admin"]]
    assert {"401", "403", "429"} <= set(document["paths"]["/runs"]["get"]["responses"])


async def test_service_that_asks_for_no_keys_names_no_scheme(document: dict[str, Any]) -> None:
    assert "securitySchemes" not in document["components"]
    assert "security" not in document["paths"]["/runs"]["get"]
