"""Randomness that a seed decides, and nothing else."""

import hashlib
import random

__all__ = ["generator", "rounded"]


def generator(*parts: str | int) -> random.Random:
    """A generator decided by `parts` alone, such as module name, country code and seed."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return random.Random(digest)  # noqa: S311 - made-up figures, not secrets


def rounded(value: float) -> float:
    """Six digits: enough for every figure here, and too few to show how a processor rounds."""
    return round(value, 6) + 0.0
