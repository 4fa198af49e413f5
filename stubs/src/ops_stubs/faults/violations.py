"""Every requirement of the contract that a stub can break, by id."""

from collections.abc import Iterable
from typing import Final

from ops_contract import suggestion
from ops_stubs.errors import FaultError
from ops_stubs.faults.container import CONTAINER
from ops_stubs.faults.execute import EXECUTE
from ops_stubs.faults.health import HEALTH
from ops_stubs.faults.refusals import REFUSALS
from ops_stubs.faults.repeats import REPEATS
from ops_stubs.faults.results import RESULTS
from ops_stubs.faults.variants import VARIANTS
from ops_stubs.faults.violation import Violation

__all__ = ["VARIANTS", "VIOLATIONS", "violations_of"]

VIOLATIONS: Final[dict[str, Violation]] = {
    violation.id: violation for violation in (*HEALTH, *EXECUTE, *REFUSALS, *RESULTS, *REPEATS, *CONTAINER)
}
"""Ordered as the hooks of several violations wrap an exchange, the outermost first."""


_KNOWN: Final = VIOLATIONS | VARIANTS


def violations_of(ids: Iterable[str]) -> tuple[Violation, ...]:
    """The violations called `ids`, each once. Raises FaultError for an unknown id, with the nearest one."""
    requested = {_violation(name.strip().upper()).id for name in ids}
    return tuple(violation for name, violation in _KNOWN.items() if name in requested)


def _violation(name: str) -> Violation:
    if name in _KNOWN:
        return _KNOWN[name]
    hint = suggestion(name, VIOLATIONS) or "`ops-stubs faults` lists them"
    raise FaultError(f"no requirement is called {name!r}; {hint}")
