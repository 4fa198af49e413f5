"""The modules that are registered now: modules.yaml may be read again while runs go on, each of which keeps its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.module import Module


@dataclass(frozen=True)
class Changes:
    """What another registration changes: the names of modules, and of those that are changed the keys of their entries."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unchanged: int = 0

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The changes that `as_json` told."""
        changed = {entry["name"]: tuple(entry["keys"]) for entry in document["changed"]}
        return cls(tuple(document["added"]), tuple(document["removed"]), changed, document["unchanged"])

    def as_json(self) -> dict[str, Any]:
        """What programs are told of it."""
        changed = [{"name": name, "keys": list(keys)} for name, keys in self.changed.items()]
        return {
            "added": list(self.added),
            "removed": list(self.removed),
            "changed": changed,
            "unchanged": self.unchanged,
        }

    def in_words(self) -> str:
        """For a log or a terminal: `added x; changed alpha (url); 4 as before`."""
        changed = [f"{name} ({', '.join(keys)})" for name, keys in self.changed.items()]
        parts = (("added", self.added), ("removed", self.removed), ("changed", changed))
        told = [f"{word} {', '.join(names)}" for word, names in parts if names]
        return "; ".join([*told, f"{self.unchanged} as before"])


class Registration:
    """Holds the catalogue in effect. Whoever plans takes it once, and keeps it for the whole run or sweep."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    @property
    def catalogue(self) -> Catalogue:
        """The modules that are registered now."""
        return self._catalogue

    def replace(self, catalogue: Catalogue) -> Changes:
        """Register the modules of `catalogue` alone; returns what that changes."""
        before, self._catalogue = self._catalogue.modules, catalogue
        after = catalogue.modules
        both = {name: _changed_keys(before[name], after[name]) for name in after if name in before}
        return Changes(
            added=tuple(name for name in after if name not in before),
            removed=tuple(name for name in before if name not in after),
            changed={name: keys for name, keys in both.items() if keys},
            unchanged=sum(not keys for keys in both.values()),
        )


def _changed_keys(before: Module, after: Module) -> tuple[str, ...]:
    """The keys of the entry whose values differ, secrets included."""
    return tuple(name for name in Module.model_fields if getattr(before, name) != getattr(after, name))
