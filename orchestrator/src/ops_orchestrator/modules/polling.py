"""Asks for a job that a module accepted, until it is done."""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import Final

from ops_contract import masked_url
from ops_orchestrator.errors import UNREACHABLE, Failure, StepError
from ops_orchestrator.exchange import Ask, Exchange, Job, Request
from ops_orchestrator.modules.adapted_dialect import AdaptedJob
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.retry_after import retry_after_s
from ops_orchestrator.modules.time_limit import StepTime, TimeLimit, attempt_limit
from ops_orchestrator.modules.uninterrupted import to_its_end

MOST_ASKS: Final = 20
"""So many of the last times that a job was asked for are kept one by one."""

_CANCEL_S: Final = 2.0
_LONGEST_NAMED_S: Final = 1e9
_PASSING: Final = (UNREACHABLE, "MODULE_TIMEOUT")
_TOO_MANY_REQUESTS: Final = 429


class Polling:
    """Asks for `job`, which `module` accepted in the exchange `submitted`, within what is left of the time of its `step`.

    `exchange` is the last answer about it, with all that was asked; before there is one, the submission.
    """

    def __init__(
        self, job: AdaptedJob, module: Module, client: ModuleClient, submitted: Exchange, step: StepTime | None
    ) -> None:
        self._job = job
        self._poll = job.poll
        self._module = module
        self._client = client
        self._step = step
        self._started = time.monotonic()
        self._log = Job(submitted=submitted, method=job.request.method, url=masked_url(module.at(job.request.path)))
        self._failing_since: float | None = None
        self._requested_s = retry_after_s(submitted)
        self.exchange = replace(submitted, job=self._log)

    async def until_done(self) -> Exchange:
        """The answer with the job's result. Raises StepError when it fails, or is not done in time.

        Whoever is cancelled while it waits, as by a time limit, has the job cancelled, where that is declared.
        """
        async with self._limit():
            try:
                return await self._followed()
            except asyncio.CancelledError:
                await self._cancel()
                raise

    async def _followed(self) -> Exchange:
        interval_s = self._poll.interval_s
        await self._pause(interval_s)
        while not await self._ask():
            interval_s = min(interval_s * self._poll.factor, self._poll.longest_interval_s)
            await self._pause(interval_s)
        return await self._result()

    async def _pause(self, interval_s: float) -> None:
        """Wait before it is asked for. Raises StepError when the module asks for more time than is left."""
        if self._client.is_recorded:
            if self._log.asks:
                raise self._late(self._too_slow)
            return
        if 0.0 < self._left_s <= self._requested_s:
            await self._cancel()
            waits = f"{min(self._requested_s, _LONGEST_NAMED_S):.0f} s"
            raise self._late(
                f"asks with Retry-After to be left alone for {waits}, and {self._left_s:.0f} s are left for its job"
            )
        await asyncio.sleep(max(min(interval_s, self._poll.longest_interval_s), self._requested_s))

    async def _ask(self) -> bool:
        """Ask once; whether the job is done."""
        answer = await self._answer(self._job.request)
        if answer is None:
            return False
        done = await self._job.is_done(answer)
        self._log = replace(self._log, is_done=done)
        self.exchange = replace(self.exchange, job=self._log)
        return done

    async def _answer(self, request: Request) -> Exchange | None:
        """The answer to one request; None for a failure that may pass, while it lasts no longer than a restart may take."""
        try:
            async with attempt_limit(self._module, self._step):
                answer = await self._client.send(self._module, request)
        except StepError as error:
            self._count(Ask(after_s=self._after_s, problem=error.failure.message))
            self._requested_s = 0.0
            if error.failure.code not in _PASSING or not self._may_pass():
                raise self._final(error.failure) from error
            return None
        self._count(Ask(after_s=self._after_s, status=answer.status, sha256=answer.response_sha256), answer)
        self._requested_s = retry_after_s(answer)
        if answer.status == _TOO_MANY_REQUESTS or (answer.is_retryable and self._may_pass()):
            return None
        self._failing_since = None
        return answer

    def _may_pass(self) -> bool:
        """Whether the module may still be restarting, for which it is given the time that it has to become ready."""
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        return now - self._failing_since < self._module.ready_timeout_s and not self._client.is_recorded

    def _count(self, ask: Ask, answer: Exchange | None = None) -> None:
        asks = (*self._log.last_asks, ask)[-MOST_ASKS:]
        self._log = replace(self._log, asks=self._log.asks + 1, last_asks=asks)
        self.exchange = replace(answer or self.exchange, job=self._log)

    async def _result(self) -> Exchange:
        request = await self._job.result(self.exchange)
        if request is None:
            return self.exchange
        self._log = replace(self._log, done=replace(self.exchange, job=None))
        async with attempt_limit(self._module, self._step):
            answer = await self._client.send(self._module, request)
        self.exchange = replace(answer, job=self._log)
        return self.exchange

    async def _cancel(self) -> None:
        """Ask the module to end the job; whatever comes of it, the run does not wait for long."""
        request = self._job.cancel
        if request is None or self._log.is_done:
            return

        async def ask() -> None:
            with suppress(StepError, TimeoutError):
                async with asyncio.timeout(_CANCEL_S):
                    await self._client.send(self._module, request)

        await to_its_end(ask())

    @property
    def _too_slow(self) -> str:
        return f"was not done with its job within the {self._poll.timeout_s:g} s that it has"

    @property
    def _after_s(self) -> float:
        return round(time.monotonic() - self._started, 3)

    @property
    def _left_s(self) -> float:
        left_s = self._poll.timeout_s - (time.monotonic() - self._started)
        return max(left_s if self._step is None else min(left_s, self._step.left_s), 0.0)

    def _limit(self) -> TimeLimit:
        if self._step is not None and self._step.left_s < self._poll.timeout_s:
            return self._step.limit()
        return TimeLimit(self._poll.timeout_s, lambda: self._late(self._too_slow))

    def _late(self, what: str) -> StepError:
        log = self._log
        answered = f", the last answer was {self.exchange.status}" if log.asks else ""
        message = (
            f"{what}: it was asked {log.asks} times at {log.url}{answered}; "
            "if the job needs longer, raise poll.timeout_s of the action in modules.yaml"
        )
        return StepError.of(self._module.name, "MODULE_TIMEOUT", message)

    def _final(self, failure: Failure) -> StepError:
        """The failure of a job of which nothing more can be heard: to submit it again could have it done twice."""
        message = f"{failure.message}; this was asked about a job that it accepted, which is not submitted again"
        return StepError(replace(failure, message=message, retryable=False))
