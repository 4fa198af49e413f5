"""The types of fields in run.json and results.json: what a reader relies on, since a document may be damaged or foreign."""

import re
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")
_MOST_ENTRIES: Final = 1000

Item = TypeVar("Item")


def _check_time(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise ValueError("must be a time such as 2026-01-09T12:34:56.789Z")
    datetime.fromisoformat(text)
    return text


def _check_error(error: dict[str, Any]) -> dict[str, Any]:
    if not {"code", "message"} <= {name for name, value in error.items() if isinstance(value, str)}:
        raise ValueError("must have code and message")
    return error


def _check_request(request: dict[str, Any]) -> dict[str, Any]:
    kinds = {"scenario_id": str, "inputs": dict, "run_options": dict}
    if wrong := [name for name, kind in kinds.items() if not isinstance(request.get(name), kind)]:
        raise ValueError(f"must have {wrong[0]} as in a scenario")
    return request


def _check_flat_results(results: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    for step, flat in results.items():
        names = flat.get("artifacts")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"must have the names of the artifacts of {step:.60}")
    return results


def _check_length(value: object) -> object:
    # Pydantic reports every entry that is wrong, and a hostile object has many.
    if isinstance(value, dict) and len(value) > _MOST_ENTRIES:
        raise ValueError(f"has more than {_MOST_ENTRIES} entries")
    return value


FewEntries: Final = BeforeValidator(_check_length)
"""For an object in a document: it has at most 1,000 entries."""

Time = Annotated[str, AfterValidator(_check_time)]
"""A time (RFC 3339), as text."""

Error = Annotated[dict[str, Any], AfterValidator(_check_error)]
"""An error, with its code, its message and more."""

TraceParent = Annotated[str, Field(pattern=r"^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]$")]
"""A span (W3C Trace Context), as this project writes it."""

Array = Annotated[tuple[Item, ...], Field(fail_fast=True)]
"""An array in a document; the first item that is wrong ends the search for problems."""

Objects = Annotated[list[dict[str, Any]], Field(fail_fast=True)]
"""An array of objects in a document."""

RequestObject = Annotated[dict[str, Any], AfterValidator(_check_request)]
"""A scenario, as far as a record is read without planning it again."""

FlatResults = Annotated[dict[str, dict[str, Any]], AfterValidator(_check_flat_results)]
"""By step, its outputs and the names of its artifacts under `artifacts`."""
