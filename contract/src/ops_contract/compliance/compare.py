"""Two versions of a module compared by their answers to the same requests."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops_contract import ABSENT, differences
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Seen
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.targets.errors import TargetError


@dataclass(frozen=True)
class Change:
    """One difference between two answers. `what` is output, artifact or evidence; None stands for absent."""

    action: str
    what: str
    name: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Comparison:
    """The changes from one module to another, and the actions that could not be compared, with the reason."""

    old_version: str | None
    new_version: str | None
    changes: tuple[Change, ...]
    failed: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """The comparison for programs."""
        versions = {"old_version": self.old_version, "new_version": self.new_version}
        return versions | {"changes": [vars(change) for change in self.changes], "failed": dict(self.failed)}


async def compare(old_url: str, new_url: str, inputs: Mapping[str, Any] | None, seed: int = 42) -> Comparison:
    """Send both modules the same request for every action of the old one.

    Raises TargetError when one does not answer.
    """
    old, new = [await _connected(url, inputs) for url in (old_url, new_url)]
    changes: list[Change] = []
    failed: dict[str, str] = {}
    for action in old.actions:
        request = old.request(action=action, options={"seed": seed})
        answers = [Seen(await module.execute(request)) for module in (old, new)]
        sides = zip(("old", "new"), answers, strict=True)
        wrong = [f"{side}: {_summary(seen)}" for side, seen in sides if not _has_outputs(seen)]
        if wrong:
            failed[action] = ", ".join(wrong)
        else:
            changes += _changes(action, *(seen.fields for seen in answers))
    return Comparison(old.version, new.version, tuple(changes), failed)


async def _connected(url: str, inputs: Mapping[str, Any] | None) -> ModuleUnderTest:
    module = ModuleUnderTest(Probe(url), inputs)
    first = await module.probe.send("GET", "/health")
    if first.status is None:
        raise TargetError(f"{url} cannot be reached: {first.error}; try: ops-contract doctor {url}")
    module.health = Seen(first).fields
    return module


def _has_outputs(seen: Seen) -> bool:
    return seen.is_done and isinstance(seen.fields.get("outputs"), dict)


def _summary(seen: Seen) -> str:
    return f"{seen.summary()} without outputs" if seen.is_done else seen.summary()


def _changes(action: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    for found in differences(old["outputs"], new["outputs"]):
        before, after = (None if value is ABSENT else value for value in (found.first, found.second))
        if before is not None or after is not None:  # null says as little as leaving it out
            yield Change(action, "output", found.pointer, before, after)
    for what, part, value in (("artifact", "artifacts", "sha256"), ("evidence", "evidence", "title")):
        key = "name" if what == "artifact" else "id"
        sides = [{str(item.get(key)): item.get(value) for item in _objects(one.get(part))} for one in (old, new)]
        yield from _by_name(action, what, *sides)


def _by_name(action: str, what: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield Change(action, what, name, old.get(name), new.get(name))


def _objects(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
