"""One way to break SPEC.md: a name, the requirements of which one has to catch it, and the methods that differ."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from contract.compliance.dishonest.module import Module


@dataclass(frozen=True)
class Twin:
    name: str
    caught_by: tuple[str, ...]
    module: type[Module]
    alone: bool = False
    """Whether it is so slow that the kit asks it about these requirements only."""


TWINS: Final[dict[str, Twin]] = {}


def twin(name: str, *caught_by: str, alone: bool = False, **methods: Any) -> None:
    """A twin that differs from the honest module in `methods`, which get the module and what they replace takes."""
    assert name not in TWINS, name
    remembered = {"calls": {}, "files": {}, "running": set(), "turn": Lock(), "seen": {"requests": 0, "errors": 0}}
    module = type(name or "Honest", (Module,), {**remembered, **methods})
    TWINS[name] = Twin(name, tuple(f"OPS-{one}" for one in caught_by), module, alone)


def then(method: Callable[..., Any], change: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A method that gives what `change` makes of the module and the honest method's value."""
    return lambda self, *given, **named: change(self, method(self, *given, **named))


def both(first: Any, second: Any) -> Callable[..., Any]:
    """A method that does both and gives what the second gives."""
    return lambda self, *given: (first(self, *given), second(self, *given))[1]


def without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: one for name, one in value.items() if name not in names}


def outputs(change: Any) -> Any:
    return then(Module.outputs, lambda self, value: {**value, **change(self, value)})


def piece(change: Any) -> Any:
    return then(Module.evidence, lambda _, evidence: [{**evidence[0], **change(evidence[0])}])
