"""What a violation is: an id, two sentences, and the hook that breaks the requirement.

A hook goes either around an exchange, where it sees the HTTP request and answer, or around an execution, where it sees the
result before it becomes an envelope. Most change a success or an error envelope only; `on_success` and `on_error` make hooks
of such changes.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ops_contract import ExecuteRequest, fingerprint
from ops_stubs.faults.activity import Activity
from ops_stubs.faults.exchange import Forward, Received, Reply
from ops_stubs.module import Action, Result

__all__ = ["Envelope", "Exchange", "ExchangeHook", "Execution", "ExecutionHook", "Violation", "on_error", "on_success"]

Envelope = dict[str, Any]
"""An envelope as parsed JSON; changes are made in place."""


class Exchange:
    """One request and its answer; remembers whether a hook changed or delayed anything."""

    def __init__(
        self,
        received: Received,
        activity: Activity,
        forward: Forward,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """`forward` leads to the stub, or to the next hook."""
        self.received = received
        self.activity = activity
        self._forward = forward
        self._sleep = sleep
        self._passed: list[tuple[Received, Reply]] = []
        self._waited = False

    async def forward(self, received: Received | None = None) -> Reply:
        """Send the request on, or another one in its place."""
        sent = self.received if received is None else received
        reply = await self._forward(sent)
        self._passed.append((sent, reply))
        return reply

    async def pause(self, seconds: float) -> None:
        """Let time pass."""
        self._waited = True
        await self._sleep(seconds)

    async def until_idle(self) -> None:
        """Wait until no execute is running."""
        self._waited = self._waited or not self.activity.idle.is_set()
        await self.activity.idle.wait()

    def acted(self, reply: Reply) -> bool:
        """Whether `reply`, or the time that it took, differs from what the stub itself would have answered."""
        return self._waited or self._passed != [(self.received, reply)]


@dataclass(frozen=True)
class Execution:
    """One execution of an action, in a thread of its own; `body` tells requests apart that differ in more than their ids."""

    call: ExecuteRequest
    action: Action
    activity: Activity
    received: Received | None

    @property
    def body(self) -> str:
        """A fingerprint of everything in the body but the ids of run, step and scenario, unknown fields included."""
        fields = self.call.model_dump(mode="json") if self.received is None else dict(self.received.body)
        return fingerprint({name: value for name, value in fields.items() if name not in {"run_id", "step_id", "scenario_id"}})


ExchangeHook = Callable[[Exchange], Awaitable[Reply]]
"""Answers a request, with or without calling the stub."""

ExecutionHook = Callable[[Execution], Result]
"""Executes an action, and may change its call or its result."""


@dataclass(frozen=True)
class Violation:
    """One requirement and the way to break it. Those without a hook are broken by the serving process (`container`)."""

    id: str
    broken: str
    seen: str
    exchange: ExchangeHook | None = None
    execution: ExecutionHook | None = None

    @property
    def of_process(self) -> bool:
        """Whether this can only be staged before the stub is served."""
        return self.exchange is None and self.execution is None


def on_success(change: Callable[[Envelope], object]) -> ExchangeHook:
    """A hook that applies `change` to the envelope of every execute that succeeds."""

    async def hook(exchange: Exchange) -> Reply:
        reply = await exchange.forward()
        if not reply.is_success:
            return reply
        envelope = reply.json
        change(envelope)
        return reply.with_json(envelope)

    return hook


def on_error(change: Callable[[Envelope], object], *codes: str) -> ExchangeHook:
    """A hook that applies `change` to every error envelope, or to those with one of `codes`."""

    async def hook(exchange: Exchange) -> Reply:
        reply = await exchange.forward()
        code = reply.error_code
        if code is None or (codes and code not in codes):
            return reply
        envelope = reply.json
        change(envelope)
        return reply.with_json(envelope)

    return hook
