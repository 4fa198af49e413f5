"""Whether a module works after an error: the valid request that follows each one (OPS-ERR-009)."""

from dataclasses import dataclass, field
from typing import Final

from ops_contract.compliance.observation import Seen
from ops_contract.compliance.result import Exchange

_QUICK_S: Final = 0.5


@dataclass(frozen=True)
class Recovery:
    """An answer that was an error, and the answer to the valid request right after it."""

    cause: Exchange
    after: Exchange

    @property
    def succeeded(self) -> bool:
        """Whether the valid request was answered with 200."""
        return Seen(self.after).is_done


@dataclass
class Recoveries:
    """What followed the errors; of a module that takes its time, what followed the first of each kind."""

    asked: list[Recovery] = field(default_factory=list)
    _kinds: set[str] = field(default_factory=set)

    def is_worth_asking(self, cause: Exchange) -> bool:
        """Whether to send a valid request after this error."""
        is_quick = not self.asked or self.asked[-1].after.seconds < _QUICK_S
        kind = f"{cause.method} {Seen(cause).summary()}"
        is_new = kind not in self._kinds
        self._kinds.add(kind)
        return is_quick or is_new

    @property
    def first_failed(self) -> Recovery | None:
        """The first error after which a valid request failed."""
        return next((one for one in self.asked if not one.succeeded), None)
