"""What the published schema of CycloneDX says of a bill of materials."""

import json
from importlib.resources import files
from typing import Any, Final

import jsonschema_rs

_SCHEMAS: Final = files("cyclonedx.schema._res")


def _schema(name: str) -> Any:
    return json.loads(_SCHEMAS.joinpath(name).read_text())


def wrong_in(document: Any) -> list[str]:
    """What the schema of CycloneDX 1.6 finds."""
    names = ("spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json")
    registry = jsonschema_rs.Registry([(f"http://cyclonedx.org/schema/{name}", _schema(name)) for name in names])
    validator = jsonschema_rs.validator_for(_schema("bom-1.6.SNAPSHOT.schema.json"), registry=registry)
    return [error.message for error in validator.iter_errors(document)]
