"""The faults that are staged in one stub, and their effect on a request."""

from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from typing import Any, Final

import anyio

from ops_contract import ExecuteRequest
from ops_stubs.errors import FaultError, InputError
from ops_stubs.faults.activity import Activity
from ops_stubs.faults.exchange import Forward, Received, Reply
from ops_stubs.faults.journal import Entry, Journal
from ops_stubs.faults.syntax import parse_fault
from ops_stubs.faults.transport import TransportFault
from ops_stubs.faults.violation import Exchange, Execution, Violation
from ops_stubs.faults.violations import violations_of
from ops_stubs.module import Action, Result, Stub

__all__ = ["Faults"]

# From the exchange to the execution in its thread, which otherwise sees only the contract's fields of the request.
_CURRENT: Final[ContextVar[tuple[Received, Entry] | None]] = ContextVar("ops_stubs.faults.request", default=None)


class Faults:
    """The faults staged in one stub, its journal, and the number of requests that each transport fault has counted."""

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

    async def answer(self, received: Received, entry: Entry, forward: Forward) -> Reply:
        """The answer to a request, with the hook of every staged violation around `forward`; `entry` lists those that acted."""
        _CURRENT.set((received, entry))
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

    async def _around(self, violation: Violation, entry: Entry, forward: Forward, received: Received) -> Reply:
        assert violation.exchange is not None  # noqa: S101 - for the type checker
        exchange = Exchange(received, self.activity, forward, self.sleep)
        reply = await violation.exchange(exchange)
        if exchange.acted(reply):
            entry.acted.append(violation.id)
        return reply

    def _execute(self, action: Action, call: ExecuteRequest) -> Result:
        current = _CURRENT.get()
        for violation in reversed(self.violations):
            if violation.execution is not None:
                action = partial(self._around_action, violation, current, action)
        return action(call)

    def _around_action(
        self, violation: Violation, current: tuple[Received, Entry] | None, action: Action, call: ExecuteRequest
    ) -> Result:
        assert violation.execution is not None  # noqa: S101 - for the type checker
        received, entry = current or (None, None)
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


def _note(entry: Entry | None, violation: Violation, *, acted: bool) -> None:
    if entry is not None and acted:
        entry.acted.append(violation.id)
