"""Two versions of a module compared by their answers to the same requests.

Each side answers each request twice: what differs between its own two answers is the module's own doing, not the version's.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ops_contract import ABSENT, Difference, differences, join_pointer
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Seen
from ops_contract.compliance.orchestrator import refuse_orchestrator
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.progress import Progress
from ops_contract.compliance.targets.errors import TargetError

What = Literal["output", "artifact", "evidence"]
Sides = Literal["old", "new", "both"]

_TIMES: Final = 2
_SHOWN_DIGITS: Final = 12
_POINTERS: Final[Mapping[What, str]] = {"output": "/outputs", "artifact": "/artifacts", "evidence": "/evidence"}


@dataclass(frozen=True)
class Place:
    """Something in the answers to an action: an output by its pointer, an artifact by its name, evidence by its id."""

    action: str
    what: What
    name: str

    def label(self) -> str:
        """What it is called in a line for people."""
        return f"{_POINTERS['output']}{self.name}" if self.what == "output" else f"{self.what} {self.name}"


@dataclass(frozen=True)
class Change(Place):
    """One difference between two answers; None stands for absent."""

    old: Any
    new: Any

    def sentence(self) -> str:
        """The place and both values, as in `/outputs/kpis/gdp: 1.2 became 1.3`; artifacts by the beginnings of their hashes."""
        if self.what == "artifact" and self.old is not None and self.new is not None:
            return f"{self.label()}: sha256 {str(self.old)[:_SHOWN_DIGITS]} became {str(self.new)[:_SHOWN_DIGITS]}"
        if self.what == "artifact":
            return f"{self.label()} is {'new' if self.old is None else 'gone'}"
        old, new = (ABSENT if value is None else value for value in (self.old, self.new))
        return Difference(self.label(), old, new).change()


@dataclass(frozen=True)
class LeftOut(Place):
    """What is not compared, since the module of a side, or of both, gives it differently to two equal requests."""

    sides: Sides


@dataclass(frozen=True)
class Comparison:
    """The changes from one module to another, and the actions that could not be compared, with the reason.

    `equal` is what has the same value in both.
    """

    old_version: str | None
    new_version: str | None
    changes: tuple[Change, ...]
    failed: Mapping[str, str]
    left_out: tuple[LeftOut, ...] = ()
    equal: tuple[Place, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The comparison for programs."""
        versions = {"old_version": self.old_version, "new_version": self.new_version}
        changes, left_out = ([vars(one) for one in part] for part in (self.changes, self.left_out))
        counts = {what: sum(one.what == what for one in self.equal) for what in _POINTERS}
        return versions | {"changes": changes, "failed": dict(self.failed), "left_out": left_out, "equal": counts}


async def compare(
    old_url: str,
    new_url: str,
    inputs: Mapping[str, Any] | None,
    seed: int = 42,
    *,
    progress: Progress = lambda _action, _done, _total: None,
) -> Comparison:
    """Send both modules the same request for every action of the old one, twice; `progress` is called before each action.

    Raises TargetError when one does not answer.
    """
    old, new = [await _connected(url, inputs) for url in (old_url, new_url)]
    parts: list[_Part] = []
    for done, action in enumerate(old.actions):
        progress(action, done, len(old.actions))
        parts.append(await _compared(action, old, new, seed))
    return Comparison(
        old.version,
        new.version,
        changes=tuple(one for part in parts for one in part.changes),
        failed={part.action: part.failure for part in parts if part.failure},
        left_out=tuple(one for part in parts for one in part.left_out),
        equal=tuple(one for part in parts for one in part.equal),
    )


@dataclass(frozen=True)
class _Part:
    """The comparison of one action."""

    action: str
    failure: str = ""
    changes: tuple[Change, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    equal: tuple[Place, ...] = ()


async def _connected(url: str, inputs: Mapping[str, Any] | None) -> ModuleUnderTest:
    module = ModuleUnderTest(Probe(url), inputs)
    first = await module.probe.send("GET", "/health")
    if first.status is None:
        raise TargetError(f"{url} cannot be reached: {first.error}; try: ops-contract doctor {url}")
    await refuse_orchestrator(url)
    module.health = Seen(first).fields
    return module


async def _compared(action: str, old: ModuleUnderTest, new: ModuleUnderTest, seed: int) -> _Part:
    answers: dict[str, list[Seen]] = {"old": [], "new": []}
    for _ in range(_TIMES):
        for side, module in (("old", old), ("new", new)):
            # A new key each time: a module may keep the answer to the last one.
            answers[side].append(Seen(await module.execute(module.request(action=action, options={"seed": seed}))))
    wrong = {side: next((one for one in seen if not _has_outputs(one)), None) for side, seen in answers.items()}
    if any(wrong.values()):
        return _Part(action, ", ".join(f"{side}: {_summary(seen)}" for side, seen in wrong.items() if seen is not None))
    fields = {side: [one.fields for one in seen] for side, seen in answers.items()}
    unstable = {side: {(what, name) for what, name, *_ in _differences(*pair)} for side, pair in fields.items()}
    first, second = fields["old"][0], fields["new"][0]
    changes = tuple(
        Change(action, what, name, before, after)
        for what, name, before, after in _differences(first, second)
        if not any(_is_within(what, name, places) for places in unstable.values())
    )
    left_out = tuple(_left_out(action, unstable["old"], unstable["new"]))
    return _Part(action, changes=changes, left_out=left_out, equal=tuple(_equal(action, first, second, (*changes, *left_out))))


def _has_outputs(seen: Seen) -> bool:
    return seen.is_done and isinstance(seen.fields.get("outputs"), dict)


def _summary(seen: Seen) -> str:
    return f"{seen.summary()} without outputs" if seen.is_done else seen.summary()


_Found = tuple[What, str, Any, Any]
_Items = dict[str, dict[str, Any]]


def _differences(first: dict[str, Any], second: dict[str, Any]) -> Iterator[_Found]:
    """What differs between two answers: kind, name and both values."""
    for found in differences(first["outputs"], second["outputs"]):
        before, after = (None if value is ABSENT else value for value in (found.first, found.second))
        if before is not None or after is not None:  # null says as little as leaving it out
            yield "output", found.pointer, before, after
    for name, before, after in _by_name(*(_named(one.get("artifacts"), "name") for one in (first, second))):
        yield "artifact", name, before.get("sha256"), after.get("sha256")
    for name, before, after in _by_name(*(_named(one.get("evidence"), "id") for one in (first, second))):
        yield from _evidence_differences(name, before, after)


def _by_name(old: _Items, new: _Items) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """The items that differ, by name; one that a side lacks is empty."""
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield name, old.get(name, {}), new.get(name, {})


def _evidence_differences(name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[_Found]:
    """Evidence is known by its title: that of one side only is one difference."""
    if old.get("title") != new.get("title") or not (old and new):
        yield "evidence", name, old.get("title"), new.get("title")
    for found in differences(old, new) if old and new else ():
        if found.pointer != "/title":
            before, after = (None if value is ABSENT else value for value in (found.first, found.second))
            yield "evidence", f"{name}{found.pointer}", before, after


def _named(items: Any, key: Literal["name", "id"]) -> _Items:
    """Artifacts by name, of which the content counts, or evidence by id, without what may differ between equal answers."""
    found = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    if key == "name":
        return {str(item.get(key)): {"sha256": item.get("sha256")} for item in found}
    lasting = ({name: value for name, value in item.items() if name != "observed_at" and value is not None} for item in found)
    return {str(item.get(key)): item for item in lasting}


def _is_within(what: What, name: str, places: Collection[tuple[What, str]]) -> bool:
    """Whether a place is one of `places` or inside one."""
    return any((what, place) in places for place in (*_places_around(name), name))


def _places_around(name: str) -> Iterator[str]:
    """What a pointer leads through."""
    return (name[:index] for index, character in enumerate(name) if character == "/")


def _left_out(action: str, old: set[tuple[What, str]], new: set[tuple[What, str]]) -> Iterator[LeftOut]:
    for what, name in sorted(old | new):
        place = (what, name)
        yield LeftOut(action, what, name, "both" if place in old and place in new else "old" if place in old else "new")


def _equal(action: str, first: dict[str, Any], second: dict[str, Any], others: Sequence[Place]) -> Iterator[Place]:
    """What both have, with the same value: outputs by their innermost places."""
    different = {(one.what, one.name) for one in others}
    # Evidence is counted as a whole, and compared field by field.
    different |= {(one.what, place) for one in others if one.what == "evidence" for place in _places_around(one.name)}
    held = set(_places(second))
    for what, name in _places(first):
        if (what, name) in held and not _is_within(what, name, different):
            yield Place(action, what, name)


def _places(answer: dict[str, Any]) -> Iterator[tuple[What, str]]:
    yield from (("output", pointer) for pointer in _leaves(answer["outputs"]))
    yield from (("artifact", name) for name in _named(answer.get("artifacts"), "name"))
    yield from (("evidence", name) for name in _named(answer.get("evidence"), "id"))


def _leaves(outputs: Any) -> Iterator[str]:
    """Pointers to values that hold no others."""
    pending = [("", outputs)]
    while pending:
        pointer, value = pending.pop()
        inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        children = [(join_pointer(pointer, key), child) for key, child in inside]
        pending.extend(reversed(children))
        if not children and pointer:
            yield pointer
