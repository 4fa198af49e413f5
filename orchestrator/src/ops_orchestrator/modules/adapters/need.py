"""What an action needs of earlier steps, by role: `assessment: strategy-agent/assess`."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, InstanceOf, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from ops_contract import suggestion

NEEDS: Final = "needs"
"""The name under which expressions see the answers of the steps that meet the needs, by role."""

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_FORM: Final = re.compile(rf"({_NAME})(?:/({_NAME}))?")


@dataclass(frozen=True)
class Need:
    """A step of `module`, for `action` where one is named."""

    module: str
    action: str | None = None

    def __str__(self) -> str:
        return f"{self.module}/{self.action}" if self.action else self.module

    def is_met_by(self, module: str, action: str | None) -> bool:
        """Does a step of `module` for `action` meet it? An action that is not known may be any."""
        return module == self.module and (self.action is None or action is None or action == self.action)

    def latest_of(self, steps: Iterable[tuple[str, str, str | None]]) -> str | None:
        """The last of the `steps` that meets it, each with its id, module and action; None when none does."""
        return next((step for step, module, action in reversed([*steps]) if self.is_met_by(module, action)), None)


def latest_by_role(needs: Mapping[str, Need], steps: Iterable[tuple[str, str, str | None]]) -> dict[str, str]:
    """By role, the last of the `steps` that meets the need, each given as in `latest_of`; without those that none meets."""
    listed = [*steps]
    found = {role: need.latest_of(listed) for role, need in needs.items()}
    return {role: step for role, step in found.items() if step is not None}


def _need(value: Any) -> Any:
    if isinstance(value, Need):
        return value
    found = _FORM.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise PydanticCustomError("complete", "must name a module, or a module and its action as in strategy-agent/assess")
    return Need(found[1], found[2])


DeclaredNeed = Annotated[
    InstanceOf[Need], BeforeValidator(_need), PlainSerializer(str, return_type=str), WithJsonSchema({"type": "string"})
]
"""A need as it is declared: `MODULE` or `MODULE/ACTION`."""


def roles_read(reads: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """The roles that expressions name as `needs.ROLE`."""
    return (path[1] for path in reads if path[0:1] == (NEEDS,) and len(path) > 1)


def refuse_unknown_roles(needs: Mapping[str, Need] | None, reads: Iterable[tuple[str, ...]]) -> None:
    """Raise the error of an action whose expressions name a role that it does not declare."""
    for role in sorted({*roles_read(reads)} - (needs or {}).keys()):
        known = f"declared are: {', '.join(needs)}" if needs else f"declare it: needs: {{ {role}: MODULE/ACTION }}"
        reason = f"uses {NEEDS}.{role}, which it does not declare; {suggestion(role, needs or ()) or known}"
        raise PydanticCustomError("complete", "{reason}", {"reason": reason})
