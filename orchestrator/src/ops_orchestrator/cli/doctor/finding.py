"""What one look at the machine or the configuration found."""

from dataclasses import dataclass
from typing import Final, Literal

Sign = Literal["ok", "warning", "wrong"]

SIGNS: Final[dict[Sign, tuple[str, str]]] = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "wrong": ("✗", "red")}
"""How each is shown on a terminal: a character and its colour."""


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found, and what to do when that is not as it should be."""

    sign: Sign
    check: str
    message: str
    remedy: str = ""
