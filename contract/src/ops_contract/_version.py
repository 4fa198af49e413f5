"""The contract's version, and the versions that are compatible with it."""

from typing import Final

__all__ = ["CONTRACT_VERSION", "UNKNOWN_VERSION", "is_supported"]

CONTRACT_VERSION: Final = "1.0"
"""The version that this package describes, MAJOR.MINOR."""

UNKNOWN_VERSION: Final = "(version unknown)"
"""The version of a module that states none, where one has to be given in its place; for people."""


def is_supported(version: str) -> bool:
    """Whether a request or answer in contract `version` can be handled: the major must match (OPS-VER-001, OPS-VER-002)."""
    return version.partition(".")[0] == CONTRACT_VERSION.partition(".")[0]
