"""How the modules of a run were registered when it began, as far as its modules.json can be read."""

from collections.abc import Mapping
from typing import Any

from ops_contract import JsonError, parse_json
from ops_orchestrator.errors import NotFoundError
from ops_orchestrator.modules.frozen_modules import MOST_VALUES
from ops_orchestrator.runs.record import MODULES
from ops_orchestrator.runs.store.protocols import StoredRun


def registered_modules(run: StoredRun) -> dict[str, Mapping[str, Any]]:
    """The entries of modules.json by name; none for a run of version 0.1.0, and none for one that is damaged there."""
    try:
        document = parse_json(run.document(MODULES), max_values=MOST_VALUES)
    except (NotFoundError, JsonError):
        return {}
    entries = document.get("modules") if isinstance(document, Mapping) else None
    if not isinstance(entries, Mapping):
        return {}
    return {name: entry for name, entry in entries.items() if isinstance(entry, Mapping)}


def address_of(entry: Mapping[str, Any] | None) -> str | None:
    """The base URL in a module's entry."""
    url = entry.get("url") if entry else None
    return url.rstrip("/") if isinstance(url, str) and url.startswith(("http://", "https://")) else None
