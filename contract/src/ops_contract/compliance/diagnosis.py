"""Why a service fails everything."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, what was seen, and what to try; `healthy` when nothing is. Each text is one harmless line."""

    healthy: bool
    finding: str
    seen: tuple[str, ...]
    advice: tuple[str, ...]
