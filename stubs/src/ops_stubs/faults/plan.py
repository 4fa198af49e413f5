"""When a transport fault acts: which requests, by their number on one path."""

from dataclasses import dataclass

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """Requests to `path` are counted from 1; the first `skip` are left alone.

    Of the others, a fault acts on all; with `first`, on that many; with `every`, on each one whose number is a multiple of it.
    """

    path: str = "/execute"
    skip: int = 0
    first: int | None = None
    every: int | None = None

    def is_due(self, number: int) -> bool:
        """Whether the fault acts on request `number`."""
        counted = number - self.skip
        if counted < 1 or (self.first is not None and counted > self.first):
            return False
        return self.every is None or counted % self.every == 0
