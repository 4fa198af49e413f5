"""The numbered requirements of the contract, read from catalogue.toml."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, Literal

Level = Literal["MUST", "SHOULD"]
Profile = Literal["core", "artifacts", "deterministic", "idempotent", "container"]

SPEC: Final = "contract/SPEC.md"


@dataclass(frozen=True)
class Requirement:
    """One observable statement with one check. `why` says what breaks without it, `remedy` what to change in a module."""

    id: str
    level: Level
    profile: Profile
    since: str
    statement: str
    why: str
    remedy: str

    @property
    def anchor(self) -> str:
        """Where it stands in the specification."""
        return f"{SPEC}#{self.id.lower()}"


@cache
def load_requirements() -> Mapping[str, Requirement]:
    """Every requirement by id, in the order of the specification."""
    catalogue = tomllib.loads(files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8"))
    return MappingProxyType({identifier: Requirement(id=identifier, **row) for identifier, row in catalogue.items()})
