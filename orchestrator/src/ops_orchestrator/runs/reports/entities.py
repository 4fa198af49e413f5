"""The parts that every entity of an RO-Crate is made of: identifiers, references, times, named values."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from ops_orchestrator.runs.scale import shortened

Entity = dict[str, Any]
"""One object of the crate's graph."""

_LONGEST_TEXT: Final = 1000
_STATUS: Final = "http://schema.org/{}ActionStatus"
_NOT_IN_IRI: Final = re.compile(r"[^!#-;=?-Z_a-z~\[\]]")


def entity(id_: str, types: str | list[str], properties: Mapping[str, Any]) -> Entity:
    """An entity without the properties that are None or an empty list; a list of one is its item, as RO-Crate wants it."""
    found: Entity = {"@id": id_, "@type": types}
    for name, value in properties.items():
        if value is None or value == []:
            continue
        found[name] = value[0] if isinstance(value, list) and len(value) == 1 else value
    return found


def ref(id_: str) -> dict[str, str]:
    """A reference to the entity `id_`."""
    return {"@id": id_}


def refs(ids: Iterable[str]) -> list[dict[str, str]]:
    """References to entities, in their order."""
    return [ref(id_) for id_ in ids]


def local_id(*parts: str) -> str:
    """The identifier of an entity that is not a file, made of names that may hold any character."""
    return "#" + "/".join(quote(part, safe="") for part in parts)


def file_id(name: str) -> str:
    """The identifier of a file of the run: its path, percent-encoded."""
    return quote(name, safe="/")


def web_id(uri: str | None) -> str | None:
    """`uri` if it can stand as an identifier of something on the web, else None."""
    return uri if uri and uri.startswith("https://") and len(uri) > len("https://") and not _NOT_IN_IRI.search(uri) else None


def crate_time(time: str | None) -> str | None:
    """A time of the record in the only form that the profiles take: UTC as +00:00, milliseconds unless there are none."""
    if time is None:
        return None
    moment = datetime.fromisoformat(time).astimezone(UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond // 1000 else "seconds")


def action_status(status: str) -> str:
    """How a run or a step with `status` stands, in the terms of schema.org. What never began is a potential action."""
    return _STATUS.format({"completed": "Completed", "pending": "Potential"}.get(status, "Failed"))


def plain_value(value: Any) -> tuple[str, Any]:
    """The type of a parameter and the value that a PropertyValue can have: objects and arrays as JSON text, long text cut."""
    match value:
        case bool():
            return "Boolean", value
        case int():
            return "Integer", value
        case float():
            return "Float", value
        case str():
            return "Text", shortened(value, _LONGEST_TEXT)
        case _:
            return "Text", shortened(json.dumps(value, ensure_ascii=False, sort_keys=True), _LONGEST_TEXT)
