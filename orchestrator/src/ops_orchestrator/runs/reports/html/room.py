"""How much a page still has room for, where many steps share it."""

from dataclasses import dataclass


@dataclass
class Room:
    """Room for so many more; what comes first gets it."""

    left: int

    def take(self, wanted: int) -> int:
        """How many of `wanted` have room, which they take."""
        taken = min(wanted, self.left)
        self.left -= taken
        return taken
