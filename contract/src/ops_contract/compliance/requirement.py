"""The numbered requirements of the contract, read from catalogue.toml."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, Literal

Level = Literal["MUST", "SHOULD"]
Profile = Literal["core", "artifacts", "deterministic", "idempotent", "container"]

NeedsGoodAnswer = Literal["never", "to_pass", "always"]

SPEC: Final = "contract/SPEC.md"

WRITTEN_FIELDS: Final = ("id", "level", "profile", "since", "statement", "why", "remedy")
"""The fields of a requirement that concern readers of a report, in the order in which they are written."""


@dataclass(frozen=True)
class Requirement:
    """One observable statement with one check. `why` says what breaks without it, `remedy` what to change in a module.

    `check`, `also_in` and `needs_good_answer` are for the kit itself: which check observes it, which others may find it broken,
    and whether its result means anything of a module that answers no good request. One that was read from a report lacks them.
    """

    id: str
    level: Level
    profile: Profile
    since: str
    statement: str
    why: str
    remedy: str
    check: str = field(default="", compare=False)
    also_in: tuple[str, ...] = field(default=(), compare=False)
    needs_good_answer: NeedsGoodAnswer = field(default="to_pass", compare=False)

    @property
    def anchor(self) -> str:
        """Its place in the specification."""
        return f"{SPEC}#{self.id.lower()}"

    def as_json(self) -> dict[str, Any]:
        """The requirement as the commands and the JSON report write it."""
        return {name: getattr(self, name) for name in WRITTEN_FIELDS} | {"spec": self.anchor}


@cache
def load_requirements() -> Mapping[str, Requirement]:
    """Every requirement by id, in the order of the specification."""
    catalogue = tomllib.loads(files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8"))
    rows = {name: {**row, "also_in": tuple(row.get("also_in", ()))} for name, row in catalogue.items()}
    return MappingProxyType({identifier: Requirement(id=identifier, **row) for identifier, row in rows.items()})


def ids_of(check: str) -> tuple[str, ...]:
    """The requirements that a check observes or may find broken, in the order of the specification."""
    return tuple(one.id for one in load_requirements().values() if check in (one.check, *one.also_in))
