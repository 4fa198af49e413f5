"""Does a live module still answer as it did in a run?"""

import json
import secrets
from dataclasses import dataclass
from typing import Any, Final

from ops_contract import Difference, JsonError, differences, parse_json
from ops_stubs.live_module import LiveModule
from ops_stubs.recording import RecordedStep, Recording

__all__ = ["Drift", "StepDrift", "drift_of", "lasting"]

_WAIT_S: Final = 300.0
"""How long to wait for an answer when the recorded request has no deadline."""
_AFTER_DEADLINE_S: Final = 5.0
_VALUES: Final = ("status", "module", "outputs", "error")
_CONTENT: Final = frozenset({"media_type", "size_bytes", "sha256"})


@dataclass(frozen=True)
class StepDrift:
    """How a step's answer differs from the recorded one. The versions are for information: a new one is not drift."""

    id: str
    action: str
    recorded_version: str | None
    version: str | None
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Drift:
    """The result of sending the requests again; `unanswered` steps had no answer in the run to compare with."""

    run_id: str
    module: str
    url: str
    steps: tuple[StepDrift, ...]
    unanswered: tuple[str, ...]

    @property
    def is_none(self) -> bool:
        """Whether every step got the recorded answer again."""
        return not any(step.differences for step in self.steps)


async def drift_of(recording: Recording, url: str, module: str | None = None) -> Drift:
    """Send the recorded requests of `module` to the module at `url`; by default, of the module that `/health` there names.

    Raises RecordingError, and LiveError when an answer does not come.
    """
    run_id = f"drift_{secrets.token_hex(8)}"
    async with LiveModule.at(url) as live:
        name = module or (await live.health()).module
        steps = recording.steps(name)
        compared = [await _compared(live, step, run_id) for step in steps]
    unanswered = tuple(record.id for record in recording.records(name) if record.exchange is None)
    return Drift(recording.run_id, name, url, tuple(compared), unanswered)


def lasting(status: int, content: bytes) -> dict[str, Any]:
    """The parts of an answer that must not change: all but versions and what the contract calls volatile.

    They are the HTTP status and, of an envelope, everything except `version`, `contract_version`, `meta`, `observed_at` of the
    evidence and the way in which artifacts are delivered. Artifacts are keyed by name and evidence by id, because their order
    has no meaning. A body that is not an envelope is kept whole.
    """
    try:
        answer = parse_json(content)
    except JsonError:
        answer = None
    if not isinstance(answer, dict) or answer.get("status") not in ("success", "error"):
        return {"http_status": status, "body": content.decode(errors="replace") if answer is None else answer}
    kept = {"http_status": status, **{name: answer[name] for name in _VALUES if name in answer}}
    if answer["status"] == "error":
        return kept
    artifacts = _by("name", [_only(_CONTENT | {"name"}, item) for item in _items(answer, "artifacts")])
    evidence = _by("id", [_without({"observed_at"}, item) for item in _items(answer, "evidence")])
    return kept | {"artifacts": artifacts, "evidence": evidence, "warnings": _items(answer, "warnings")}


async def _compared(live: LiveModule, step: RecordedStep, run_id: str) -> StepDrift:
    body = parse_json(step.request) | {"run_id": run_id}
    deadline_s = body.get("options", {}).get("deadline_s")
    wait_s = _WAIT_S if deadline_s is None else deadline_s + _AFTER_DEADLINE_S
    status, content = await live.execute(json.dumps(body, ensure_ascii=False).encode(), wait_s)
    found = differences(lasting(step.status, step.response), lasting(status, content))
    versions = _version(step.response) or step.record.module_version, _version(content)
    return StepDrift(step.record.id, step.record.action, *versions, tuple(found))


def _version(content: bytes) -> str | None:
    try:
        answer = parse_json(content)
    except JsonError:
        return None
    version = answer.get("version") if isinstance(answer, dict) else None
    return version if isinstance(version, str) else None


def _items(answer: dict[str, Any], name: str) -> list[Any]:
    """A list of the envelope, empty when it is left out; a value that is not a list becomes the only item, so that it shows."""
    items = answer.get(name) or []
    return items if isinstance(items, list) else [items]


def _by(key: str, items: list[Any]) -> Any:
    """The items by their `key`, or as they are when it does not identify them."""
    keyed = {item[key]: _without({key}, item) for item in items if isinstance(item, dict) and isinstance(item.get(key), str)}
    return keyed if len(keyed) == len(items) else items


def _only(names: frozenset[str], item: Any) -> Any:
    return {name: value for name, value in item.items() if name in names} if isinstance(item, dict) else item


def _without(names: set[str], item: Any) -> Any:
    # Null says as little as leaving a field out.
    if not isinstance(item, dict):
        return item
    return {name: value for name, value in item.items() if name not in names and value is not None}
