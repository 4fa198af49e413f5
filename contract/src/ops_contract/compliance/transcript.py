"""What was said between the kit and a module: every exchange of a check, as far as memory allows."""

from dataclasses import dataclass, field
from typing import Final

from ops_contract.compliance.result import Exchange

_SMALL_BYTES: Final = 64 * 1024
_MOST_LARGE_BYTES: Final = 128 * 1024 * 1024


@dataclass
class Transcript:
    """The exchanges in the order in which they ended.

    Small ones are always kept, and the kit sends no more than some hundreds; large ones as long as there is room for them.
    """

    exchanges: list[Exchange] = field(default_factory=list)
    _large_bytes: int = 0

    def add(self, exchange: Exchange) -> None:
        """Keep an exchange, unless it is large and the room for large ones is used up."""
        size = len(exchange.body) + len(exchange.request_body)
        if size > _SMALL_BYTES:
            if self._large_bytes + size > _MOST_LARGE_BYTES:
                return
            self._large_bytes += size
        self.exchanges.append(exchange)
