"""The faults and answers that are staged in one stub, and their effect on a request."""

from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio

from ops_contract import ExecuteRequest
from ops_stubs.errors import FaultError, InputError
from ops_stubs.faults.activity import Activity
from ops_stubs.faults.doubles.answer import Answer
from ops_stubs.faults.doubles.answers import Answers, StagedAnswers
from ops_stubs.faults.doubles.template import values_of
from ops_stubs.faults.exchange import Forward, Key, Received, Reply
from ops_stubs.faults.journal import Entry, Journal
from ops_stubs.faults.syntax import parse_fault
from ops_stubs.faults.transport import TransportFault
from ops_stubs.faults.violation import Exchange, Execution, Violation
from ops_stubs.faults.violations import violations_of
from ops_stubs.module import Action, Result, Stub

__all__ = ["Faults"]


@dataclass(frozen=True)
class _Current:
    """A request under way, and the staged answer that its execution gives in the place of the action's own."""

    received: Received
    entry: Entry
    answer: Answer | None


# From the exchange to the execution in its thread, which otherwise sees only the contract's fields of the request.
_CURRENT: Final[ContextVar[_Current | None]] = ContextVar("ops_stubs.faults.request", default=None)


class Faults:
    """The faults and answers staged in one stub, its journal, and the number of requests that each transport fault counted."""

    def __init__(
        self,
        violate: Iterable[str] = (),
        transport: Iterable[str | TransportFault] = (),
        *,
        executes: bool = True,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """Stage the violations of the ids in `violate` and the faults in `transport`. Raises FaultError.

        A recorded module never `executes` anything, so that violations that change an execution cannot be staged in it.
        """
        self._executes = executes
        self.journal = Journal()
        self.activity = Activity()
        self.answers = Answers(executes=executes)
        self.file: Path | None = None
        self.sleep = sleep
        self.violations: tuple[Violation, ...] = ()
        self.transport: tuple[TransportFault, ...] = ()
        self._counted: list[int] = []
        self.stage(violations_of(violate), transport)

    def stage(self, violations: Iterable[Violation], transport: Iterable[str | TransportFault]) -> None:
        """Replace the staged faults; plans count from 1 again. Changes nothing when it raises FaultError."""
        faults = tuple(parse_fault(fault) if isinstance(fault, str) else fault for fault in transport)
        violations = tuple(violations)
        if not self._executes and (inner := [violation.id for violation in violations if violation.execution is not None]):
            raise FaultError(
                f"{inner[0]} is broken while an action is executed, and a recording executes none; serve the stub itself"
            )
        self.violations = violations
        self.transport = faults
        self._counted = [0] * len(faults)
        self.activity.forget()

    def stage_running(self, ids: Iterable[str], transport: Iterable[TransportFault]) -> None:
        """As `stage`, for a stub that is already served. Raises FaultError for violations that have to be staged before."""
        violations = violations_of(ids)
        if late := [violation.id for violation in violations if violation.of_process]:
            raise FaultError(f"{late[0]} can only be staged when the stub is started: ops-stubs serve --violate {late[0]}")
        self.stage(violations, transport)

    def reset(self) -> None:
        """Stage nothing, and forget the journal."""
        self.stage((), ())
        self.answers.stage(StagedAnswers())
        self.journal.clear()

    def as_json(self) -> dict[str, Any]:
        """The staged faults, in the form that the admin API also accepts."""
        return {
            "violate": [violation.id for violation in self.violations],
            "faults": [fault.as_json() for fault in self.transport],
        }

    def due(self, path: str) -> list[tuple[int, TransportFault]]:
        """Count a request to `path`, and give the faults that act on it with the number it has for them."""
        found = []
        for index, fault in enumerate(self.transport):
            if fault.plan.path == path:
                self._counted[index] += 1
                if fault.plan.is_due(self._counted[index]):
                    found.append((self._counted[index], fault))
        return found

    async def answer(
        self, received: Received, entry: Entry, forward: Forward, is_kept: Callable[[Key | None], bool] = lambda _: False
    ) -> Reply:
        """The answer to a request: a staged one or that of `forward`, with the hook of every staged violation around it.

        `entry` lists what acted. A call whose answer `is_kept` gets that one again, and moves no scenario on.
        """
        answer = self._chosen(received, entry, is_kept)
        _CURRENT.set(_Current(received, entry, answer))
        if answer is not None and not answer.is_envelope:
            forward = partial(_reply, answer)
        for violation in reversed(self.violations):
            if violation.exchange is not None:
                forward = partial(self._around, violation, entry, forward)
        if not received.is_execute:
            return await forward(received)
        with self.activity.executing():
            return await forward(received)

    def around_actions(self, stub: Stub) -> Stub:
        """The same stub, whose actions run inside the hooks of the violations staged at that time."""
        return replace(stub, actions={name: partial(self._execute, action) for name, action in stub.actions.items()})

    def _chosen(self, received: Received, entry: Entry, is_kept: Callable[[Key | None], bool]) -> Answer | None:
        choice = self.answers.choose(received)
        if choice.answer is None:
            entry.nearest_answer = choice.nearest_as_json()
        elif not (choice.answer.is_envelope and is_kept(received.key)):
            entry.answer = choice.label
            self.answers.take(choice.answer)
            return choice.answer
        return None

    async def _around(self, violation: Violation, entry: Entry, forward: Forward, received: Received) -> Reply:
        assert violation.exchange is not None  # noqa: S101 - for the type checker
        exchange = Exchange(received, self.activity, forward, self.sleep)
        reply = await violation.exchange(exchange)
        if exchange.acted(reply):
            entry.acted.append(violation.id)
        return reply

    def _execute(self, action: Action, call: ExecuteRequest) -> Result:
        current = _CURRENT.get()
        if current is not None and current.answer is not None and current.answer.is_envelope:
            action = partial(_result, current.answer, current.received)
        for violation in reversed(self.violations):
            if violation.execution is not None:
                action = partial(self._around_action, violation, current, action)
        return action(call)

    def _around_action(self, violation: Violation, current: _Current | None, action: Action, call: ExecuteRequest) -> Result:
        assert violation.execution is not None  # noqa: S101 - for the type checker
        received, entry = (None, None) if current is None else (current.received, current.entry)
        executed_calls: list[ExecuteRequest] = []
        unchanged: list[Result] = []

        def executed(call: ExecuteRequest) -> Result:
            executed_calls.append(call)
            unchanged.append(action(call))
            return unchanged[-1]

        try:
            result = violation.execution(Execution(call, executed, self.activity, received))
        except InputError:
            _note(entry, violation, acted=not executed_calls)
            raise
        _note(entry, violation, acted=result not in unchanged)
        return result


async def _reply(answer: Answer, received: Received) -> Reply:
    return answer.reply(values_of(received))


def _result(answer: Answer, received: Received, _: ExecuteRequest) -> Result:
    return answer.result(values_of(received))


def _note(entry: Entry | None, violation: Violation, *, acted: bool) -> None:
    if entry is not None and acted:
        entry.acted.append(violation.id)
