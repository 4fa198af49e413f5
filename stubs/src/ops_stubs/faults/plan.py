"""When a transport fault acts: which requests, by their number on one path."""

from dataclasses import dataclass

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """Requests to `path` are counted from 1; the first `skip` are left alone.

    Of those that follow, a fault acts on the `first` so many, on `every` so-many-th, or on all.
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
