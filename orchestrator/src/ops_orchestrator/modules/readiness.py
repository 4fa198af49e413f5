"""What is known of a module that is ready to be called."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Readiness:
    """What a health check told. A module that does not speak the contract may tell nothing but that it is there."""

    version: str | None = None
    status: str = "ok"
    contract_versions: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
