"""What a check observed for one requirement, before it becomes a verdict."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from ops_contract import JsonError, Problem, ShapeError, TooManyValuesError, parse_json, validate
from ops_contract.compliance.result import Exchange

# More than the contract allows, and less than what recursive reading, comparing and hashing can handle.
_MOST_LEVELS: Final = 400

_MOST_CHARACTERS: Final = 200


@dataclass(frozen=True)
class Observation:
    """`met` is None when the requirement could not be tested, or does not apply to the module; `actual` then says why.

    `see` is the requirement that the module breaks instead, when that is the reason why this one could not be tested.
    """

    requirement: str
    met: bool | None
    expected: str = ""
    actual: str = ""
    exchanges: tuple[Exchange, ...] = ()
    applies: bool = True
    see: str = ""


@dataclass(frozen=True)
class Seen:
    """An answer, read as leniently as possible: a check must not fail because of a fault that another check looks for."""

    exchange: Exchange

    @cached_property
    def value(self) -> Any:
        """The body as JSON, even with a byte order mark, duplicate keys or NaN.

        None when it is not JSON, too deep, or holds more values than a caller reads.
        """
        try:
            return parse_json(self.exchange.body)
        except TooManyValuesError:
            return None
        except JsonError:
            return self._lenient_value()

    def _lenient_value(self) -> Any:
        try:
            value = json.loads(self.exchange.body.decode("utf-8-sig", errors="replace"))
        except (ValueError, RecursionError):
            return None
        return value if _is_walkable(value) else None

    @property
    def fields(self) -> dict[str, Any]:
        """The body when it is an object, else an empty one."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def error(self) -> dict[str, Any]:
        """The error of an error envelope, else an empty object."""
        found = self.fields.get("error")
        return found if isinstance(found, dict) else {}

    @property
    def is_refusal(self) -> bool:
        """Whether it is a 4xx."""
        return self.exchange.status is not None and 400 <= self.exchange.status < 500

    @property
    def is_redirect(self) -> bool:
        """Whether it is a 3xx, which no caller follows."""
        return self.exchange.status is not None and 300 <= self.exchange.status < 400

    @property
    def is_failure(self) -> bool:
        """Whether it is a 5xx."""
        return self.exchange.status is not None and self.exchange.status >= 500

    @property
    def is_done(self) -> bool:
        """Whether the call succeeded as far as HTTP is concerned: 200, with a complete answer."""
        return self.exchange.status == 200 and self.exchange.error is None

    def summary(self) -> str:
        """The status and error code that came back, or why none did."""
        if self.exchange.status is None:
            return self.exchange.error or "no answer"
        code = self.error.get("code")
        after = f", then {self.exchange.error}" if self.exchange.error else ""
        return f"{self.exchange.status}{f' {code}' if isinstance(code, str) else ''}{after}"

    def explained(self) -> str:
        """The summary, and what the answer says: the message of an error, or that it is none."""
        message = self.error.get("message")
        if isinstance(message, str):
            return f"{self.summary()}: {message[:_MOST_CHARACTERS]}"
        if self.fields.get("status") == "success":
            return f"{self.summary()} with a success envelope"
        return self.summary() if self.exchange.status is None else f"{self.summary()} without error.message"


def problems_in(model: Any, value: Any) -> tuple[Problem, ...]:
    """Why the schema of `model` refuses `value`; empty when it accepts it."""
    try:
        validate(model, value, "answer")
    except ShapeError as error:
        return error.problems
    return ()


def _is_walkable(value: Any) -> bool:
    """Whether it nests at most `_MOST_LEVELS` deep. It is walked level by level, because depth would exhaust recursion."""
    level = [value]
    for _ in range(_MOST_LEVELS):
        inside = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [child for children in inside for child in children]
        if not level:
            return True
    return False


def met(requirement: str, *seen: Seen) -> Observation:
    """The requirement is met."""
    return Observation(requirement, met=True, exchanges=tuple(one.exchange for one in seen))


def broken(requirement: str, expected: str, actual: str, *seen: Seen) -> Observation:
    """The requirement is not met, as `seen` shows."""
    return Observation(requirement, False, expected, actual, tuple(one.exchange for one in seen))


def untested(requirement: str, why: str, *seen: Seen, see: str = "") -> Observation:
    """The requirement could not be tested, because the module breaks the requirement `see` if one is given."""
    reason = f"{why}; see {see}" if see else why
    return Observation(requirement, None, "", reason, tuple(one.exchange for one in seen), see=see)


def not_applicable(requirement: str, why: str, *seen: Seen) -> Observation:
    """The requirement is about something that the module does not have, or need not do."""
    return Observation(requirement, None, "", why, tuple(one.exchange for one in seen), applies=False)


def judged(requirement: str, is_met: bool, expected: str, actual: str, *seen: Seen) -> Observation:
    """Met or broken, by `is_met`."""
    return met(requirement, *seen) if is_met else broken(requirement, expected, actual, *seen)
