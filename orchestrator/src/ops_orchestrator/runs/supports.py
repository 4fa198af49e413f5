"""The values in a step's outputs, and which pieces of evidence support each (OPS-EVD-002). Figures are those that are numbers.

A piece of evidence supports what its pointers name, and everything below. Outputs may be large, and pointers are made only of
what is listed: their length has no limit but that of an answer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Final, Protocol

from ops_contract import Evidence, pointer_to, resolve_pointer, split_pointer
from ops_orchestrator.runs.scale import is_number

NO_EVIDENCE: Final = "no evidence: nothing says what its figures rest on"
"""The warning of a step whose outputs have figures, and whose module gives no evidence at all."""

MOST_ITEMS: Final = 100
"""So many pieces of evidence are named of those that support one value."""

# A place and the pieces of evidence that support it, each as what is above and what is added, so that nothing is copied.
_Path = tuple[Any, str | int] | None
_Items = tuple[Any, Sequence[Evidence]] | None


@dataclass(frozen=True)
class Leaf:
    """A value in outputs that holds no other value."""

    value: Any
    path: _Path
    items: _Items

    @property
    def is_figure(self) -> bool:
        """Is it a number?"""
        return is_number(self.value)

    @property
    def is_supported(self) -> bool:
        """Does any evidence support it?"""
        return self.items is not None

    @property
    def tokens(self) -> list[str | int]:
        """The reference tokens of the place."""
        tokens, path = list[str | int](), self.path
        while path is not None:
            path, token = path
            tokens.append(token)
        return tokens[::-1]

    @property
    def pointer(self) -> str:
        """The place as a JSON pointer, cut where a long key makes it longer than 1,000 characters."""
        return pointer_to(self.tokens)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The first `MOST_ITEMS` pieces of evidence that support it."""
        parts, items = list[Sequence[Evidence]](), self.items
        while items is not None:
            items, own = items
            parts.append(own)
        by_id = {item.id: item for item in islice(chain.from_iterable(parts[::-1]), MOST_ITEMS)}
        return tuple(by_id.values())


class Warned(Protocol):
    """What a step answered, as an envelope or as its results."""

    @property
    def outputs(self) -> Mapping[str, Any]:
        """Its outputs."""
        ...

    @property
    def evidence(self) -> Sequence[Evidence]:
        """Its evidence."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """The warnings of its module."""
        ...


@dataclass
class _Node:
    """The pieces of evidence that name a place, and the places below it that any of them names."""

    items: list[Evidence] = field(default_factory=list)
    below: dict[str, "_Node"] = field(default_factory=dict)


def warnings_of(answer: Warned) -> tuple[str, ...]:
    """The warnings of a step: those of its module, and that no evidence says what its figures rest on."""
    lacks_evidence = not answer.evidence and _has_figures(answer.outputs)
    return (*answer.warnings, *((NO_EVIDENCE,) if lacks_evidence else ()))


def leaves(outputs: Mapping[str, Any], evidence: Iterable[Evidence] = (), pointer: str = "") -> Iterator[Leaf]:
    """The values at and below `pointer`, in the order of the outputs. Raises LookupError where it leads nowhere."""
    resolve_pointer(outputs, pointer)
    node: _Node | None = _named_places(evidence)
    value: Any = outputs
    path: _Path = None
    items = _with(None, node)
    for token in split_pointer(pointer):
        value = value[int(token)] if isinstance(value, list) else value[token]
        node, path = _below(node, token), (path, token)
        items = _with(items, node)
    yield from _leaves_in(value, path, node, items)


def _has_figures(outputs: Mapping[str, Any]) -> bool:
    """As `leaves` would find them, in a third of the time: every step without evidence is looked through."""
    pending: list[Any] = [outputs]
    while pending:
        value = pending.pop()
        for child in value.values() if isinstance(value, dict) else value:
            if is_number(child):
                return True
            if _is_filled(child):
                pending.append(child)
    return False


def _leaves_in(value: Any, path: _Path, node: _Node | None, items: _Items) -> Iterator[Leaf]:
    if not _is_filled(value):
        yield Leaf(value, path, items)
        return
    # The entries that are still to come, at each level: no list of all of them is made.
    open_levels = [(_entries(value), path, node, items)]
    while open_levels:
        entries, path, node, items = open_levels[-1]
        for key, child in entries:
            place = _below(node, str(key)) if node else None
            supporting = _with(items, place)
            if _is_filled(child):
                open_levels.append((_entries(child), (path, key), place, supporting))
                break
            yield Leaf(child, (path, key), supporting)
        else:
            open_levels.pop()


def _is_filled(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _entries(value: Any) -> Iterator[tuple[str | int, Any]]:
    return iter(value.items()) if isinstance(value, dict) else enumerate(value)


def _named_places(evidence: Iterable[Evidence]) -> _Node:
    root = _Node()
    for item in evidence:
        for pointer in item.supports:
            node = root
            for token in split_pointer(pointer):
                node = node.below.setdefault(token, _Node())
            node.items.append(item)
    return root


def _below(node: _Node | None, token: str) -> _Node | None:
    return node.below.get(token) if node else None


def _with(items: _Items, node: _Node | None) -> _Items:
    return (items, node.items) if node and node.items else items
