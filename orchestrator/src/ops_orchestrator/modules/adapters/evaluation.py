"""Evaluates the expressions of one action and says whose fault it is when one does not work out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ops_contract import is_secret
from ops_orchestrator.errors import ExpressionError, StepError
from ops_orchestrator.modules.adapters.expression import Expression, Room

_LONGEST_SHOWN: Final = 100


@dataclass(frozen=True)
class Evaluation:
    """The context in which the expressions of `action` are evaluated. Everything that fails is a StepError of `module`.

    `where` names an expression as the declaration does, for example `query.iso`. All expressions together yield as much as
    there is `room` for. `url` is the module's address.
    """

    module: str
    action: str
    context: Mapping[str, Any]
    room: Room = field(default_factory=Room)
    secret_headers: Sequence[str] = ()
    url: str = ""

    def value(self, where: str, expression: Expression | None) -> Any:
        """The JSON value, None for nothing, null, and an expression that is not declared."""
        if expression is None:
            return None
        try:
            return expression.evaluate(self.context, room=self.room)
        except ExpressionError as error:
            reason = (
                "cannot be evaluated; it is not shown, since it may hold a secret" if self._is_hidden(where) else str(error)
            )
            raise self.failure(where, reason) from error

    def required(self, where: str, expression: Expression) -> Any:
        """The JSON value, which must be something."""
        value = self.value(where, expression)
        if value is None:
            raise self.failure(where, f"{'it' if self._is_hidden(where) else _shortened(expression.text)} yields nothing")
        return value

    def text(self, where: str, expression: Expression | None) -> str | None:
        """The value of a text, number or boolean as text, None for nothing."""
        value = self.value(where, expression)
        return None if value is None else self.as_text(where, value)

    def as_text(self, where: str, value: Any) -> str:
        """`value` as text, when it is a text, a number or a boolean."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
            return str(int(value)) if whole else str(value)
        if not isinstance(value, str):
            raise self.failure(where, f"must yield text, not {kind_of(value)}")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise self.failure(where, "yields text that is not Unicode: half of a surrogate pair") from error
        return value

    def with_item(self, item: Any) -> "Evaluation":
        """The same, with `item` in the context."""
        return replace(self, context={**self.context, "item": item})

    def failure(self, where: str, reason: str) -> StepError:
        """The error that the expression `where` of this action is to blame for."""
        message = f"is not mapped as it should be: {where} of its action {self.action!r}: {reason}"
        return StepError.of(self.module, "MAPPING_FAILED", message)

    def _is_hidden(self, where: str) -> bool:
        part, name, *_ = (*where.split("."), "")
        declared = part == "headers" and name.lower() in map(str.lower, self.secret_headers)
        return declared or (part in ("headers", "query", "form", "multipart") and is_secret(name))


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}..."


def kind_of(value: Any) -> str:
    """A JSON value as a message shows it: what it is, or itself when it is small."""
    return "an object" if isinstance(value, dict) else "an array" if isinstance(value, list) else json.dumps(value)


def is_true(value: Any) -> bool:
    """A value as JSONata's `$boolean` takes it: of a list, whether something in it is true."""
    return any(map(is_true, value)) if isinstance(value, list) else bool(value)
