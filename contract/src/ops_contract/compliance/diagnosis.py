"""What a look at a service that fails everything comes to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, what was seen, and what to try; `healthy` when nothing of that kind is. One harmless line each."""

    healthy: bool
    finding: str
    seen: tuple[str, ...]
    advice: tuple[str, ...]
