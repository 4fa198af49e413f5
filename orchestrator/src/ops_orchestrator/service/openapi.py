"""What the OpenAPI document says beyond parameters and models: problem documents, headers, the request's body, links."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import Response
from pydantic.json_schema import models_json_schema

from ops_orchestrator.planning.scenario import Scenario
from ops_orchestrator.planning.sweep_spec import SweepScenario
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.service.access.needed_scope import needed_scope
from ops_orchestrator.service.answers import ProblemDocument, RunAnswer
from ops_orchestrator.service.reproduction_request import ReproductionRequest

Responses = dict[int | str, dict[str, Any]]
"""Responses by status, as a route takes them."""

EXAMPLE_SCENARIO: Final = {
    "scenario_id": "demo-scenario-001",
    "modules": ["policy-simulator", "strategy-agent"],
    "inputs": {"country": "DR", "time_horizon_years": 5, "policy_parameters": {"vat_rate": 0.18}},
    "run_options": {"seed": 42, "save_artifacts": True},
}
"""The request of `examples/plan_and_execute.request.json`, which is not installed with the package."""

_SCHEMAS: Final = "#/components/schemas/{model}"
PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": _SCHEMAS.format(model=ProblemDocument.__name__)}}}
"""The content of a response that is a problem document."""

_BECAUSE: Final = {
    400: "The body is not JSON.",
    401: "No key was sent, or it is wrong, revoked or expired.",
    403: "The key may not do this; the answer names the scope that may.",
    404: "There is no such run, module, document or artifact.",
    409: "The status of the run, or of the file, does not allow this.",
    412: "What is stored is another version than the conditions name.",
    413: "The body is larger than OPS_MAX_REQUEST_BYTES or holds more values than OPS_MAX_REQUEST_VALUES allow.",
    415: "The body is not application/json.",
    416: "The range begins after the end.",
    422: "The scenario or a parameter is not valid, or names what does not exist.",
    429: "Too many invalid keys came from this address.",
    500: "The orchestrator failed; its log has the details.",
    503: "The run store cannot be used.",
    507: "The disk has less room than OPS_MIN_FREE_BYTES, or runs take as much as OPS_MAX_STORE_BYTES.",
}
_KEY: Final = "key"
_SECURITY_SCHEMES: Final = {
    _KEY: {
        "type": "http",
        "scheme": "bearer",
        "description": "A key that `ops keys add` made. An operation names the scope that it needs; a higher one will do.",
    }
}
_TEXT: Final = {"schema": {"type": "string"}}
_VALIDATORS: Final = {
    "ETag": {"description": "SHA-256 of the content, in quotes", **_TEXT},
    "Cache-Control": {"description": "no-cache: a cache asks whether what it has is current", **_TEXT},
}
_CONDITIONS: Final = {
    "If-Match": "answer 412 unless the ETag is one of these",
    "If-None-Match": "answer 304 when the ETag is one of these",
    "If-Modified-Since": "answer 304 unless the file changed after this date",
    "If-Unmodified-Since": "answer 412 when the file changed after this date",
    "Range": "one range of bytes, such as bytes=0-1023 or bytes=-1024; any other value is ignored",
    "If-Range": "an ETag or a date: ignore Range when the file is another version",
}


def problems(*statuses: int) -> Responses:
    """The problem documents that a route can answer with."""
    return {status: {"description": _BECAUSE[status], "content": PROBLEM} for status in statuses}


def header(name: str, description: str) -> dict[str, Any]:
    """A request header, as an operation's parameter."""
    return {"name": name, "in": "header", "required": False, "description": description, **_TEXT}


def response_header(description: str) -> dict[str, Any]:
    """A response header."""
    return {"description": description, **_TEXT}


def stored(content: dict[str, Any], description: str) -> dict[str, Any]:
    """The arguments of a route that answers with a stored file: its answers, and the conditions and ranges that it takes."""
    part = {"Content-Range": response_header("which bytes of how many")}
    answers: Responses = {
        200: {"description": description, "headers": _VALIDATORS, "content": content},
        206: {"description": "The bytes of the range.", "headers": _VALIDATORS | part, "content": {"*/*": {}}},
        304: {"description": "The caller has the current version.", "headers": _VALIDATORS},
    }
    beyond = {416: problems(416)[416] | {"headers": {"Content-Range": response_header("bytes */SIZE")}}}
    return {
        # The media types are those in `answers`, and not JSON besides.
        "response_class": Response,
        "responses": answers | problems(404, 412, 500, 503) | beyond,
        "openapi_extra": {"parameters": [header(name, description) for name, description in _CONDITIONS.items()]},
    }


def json_of(model: type) -> dict[str, Any]:
    """The content of a response or a request that is JSON of `model`."""
    return {"application/json": {"schema": {"$ref": _SCHEMAS.format(model=model.__name__)}}}


def document_of(app: FastAPI, *, asks_for_keys: bool) -> dict[str, Any]:
    """The OpenAPI document of `app`; with `asks_for_keys`, also the scheme of its keys and what each operation needs."""
    document = app.openapi()
    document["components"]["schemas"] |= _shared_schemas()
    if asks_for_keys:
        document["components"]["securitySchemes"] = _SECURITY_SCHEMES
    for path, method, operation in _operations(document):
        if asks_for_keys and (scope := needed_scope(method.upper(), path)) is not None:
            operation["security"] = [{_KEY: [scope]}]
            operation["responses"] |= {str(status): answer for status, answer in problems(401, 403, 429).items()}
        responses = operation["responses"]
        # The framework adds its own idea of a 422 to each operation that has a parameter.
        if "422" in responses and "application/problem+json" not in responses["422"]["content"]:
            del responses["422"]
        operation["responses"] = dict(sorted(responses.items()))
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    return document


@cache
def _shared_schemas() -> dict[str, Any]:
    answers = [(model, "serialization") for model in (RunAnswer, RunRecord, Results, ProblemDocument)]
    models: list[Any] = [(Scenario, "validation"), (SweepScenario, "validation"), (ReproductionRequest, "validation"), *answers]
    return dict(models_json_schema(models, ref_template=_SCHEMAS)[1]["$defs"])


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of each operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation
