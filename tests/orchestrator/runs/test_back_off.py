"""How long a run waits before it calls a module again. A run says so in an event before it waits, and is left there."""

import re
import time
from collections.abc import Sequence
from email.utils import formatdate

import httpx2
import pytest
from scripted_module import ClientFor, ScriptedModule, demo, error_envelope

from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.module import Module
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.runs.events import AttemptFailed, Occurrence, StepFailed
from ops_orchestrator.runs.record import StepResults
from ops_orchestrator.runs.run_file import RunFile
from ops_orchestrator.runs.runner import Runner

LONGEST_S = 30.0


class _LeftError(Exception):
    """The run is left, since it is about to wait."""


class _Emitted(list[Occurrence]):
    """What a run emits; with `until` it is left at an event of that kind."""

    def __init__(self, until: type[Occurrence] | None = None) -> None:
        self._until = until

    async def take(self, what: Occurrence, _files: Sequence[RunFile] = (), _results: StepResults | None = None) -> None:
        self.append(what)
        if self._until is not None and isinstance(what, self._until):
            raise _LeftError


async def announced_wait_s(client_for: ClientFor, module: Module, *retry_after: str, **headers: str) -> float:
    """Seconds until the second attempt, after a module that is busy and may say for how long."""
    fields = [("Retry-After", value) for value in retry_after] + list(headers.items())
    busy = httpx2.Response(503, json=error_envelope(retryable=True), headers=fields)
    scenario, emitted = demo("alpha"), _Emitted(until=AttemptFailed)
    runner = Runner(client_for(ScriptedModule(answers=[busy])), None, emitted.take)
    with pytest.raises(_LeftError):
        await runner.execute("run-1", scenario, plan(scenario, Catalogue({"alpha": module})))
    assert isinstance(emitted[-1], AttemptFailed)
    return emitted[-1].retry_in_s


@pytest.mark.parametrize("retry_after", [("7",), ("50",), ("3", "3", "7"), ("7, 3",), ("soon", "7")], ids=str)
async def test_retry_after_is_waited_for_as_it_says(
    client_for: ClientFor, module: Module, retry_after: tuple[str, ...]
) -> None:
    assert await announced_wait_s(client_for, module, *retry_after) == max(map(float, re.findall(r"\d+", str(retry_after))))


@pytest.mark.parametrize(
    "date", ["Wed, 21 Oct 2026 07:28:20 GMT", "Wednesday, 21-Oct-26 07:28:20 GMT", "Wed Oct 21 07:28:20 2026"]
)
async def test_retry_after_as_a_date_counts_from_the_module_s_own_clock(
    client_for: ClientFor, module: Module, date: str
) -> None:
    assert await announced_wait_s(client_for, module, date, Date="Wed, 21 Oct 2026 07:28:00 GMT") == 20.0


async def test_longest_of_several_dates_counts(client_for: ClientFor, module: Module) -> None:
    dates = [f"Wed, 21 Oct 2026 07:28:{second} GMT" for second in (20, 30, 10)]
    assert await announced_wait_s(client_for, module, "3", *dates, Date="Wed, 21 Oct 2026 07:28:00 GMT") == 30.0


async def test_retry_after_as_a_date_counts_from_now_when_the_module_tells_no_time(
    client_for: ClientFor, module: Module
) -> None:
    patient = module.model_copy(update={"step_timeout_s": 1e6})
    later = formatdate(time.time() + 3600, usegmt=True)
    assert 3000 < await announced_wait_s(client_for, patient, later) <= 3600


@pytest.mark.parametrize("retry_after", ["soon", "-1", "1.5", "", "Wed, 99 Foo 2026", "Sun, 06 Nov 1994 08:49:37 GMT"])
async def test_retry_after_that_is_past_or_names_no_time_is_ignored(
    client_for: ClientFor, module: Module, retry_after: str
) -> None:
    assert await announced_wait_s(client_for, module, retry_after) == 0.0


async def test_back_off_is_at_most_half_a_minute(client_for: ClientFor, module: Module) -> None:
    assert await announced_wait_s(client_for, module.model_copy(update={"backoff_s": 3600.0}), "1") == LONGEST_S


async def test_retry_after_shorter_than_the_back_off_does_not_shorten_it(client_for: ClientFor, module: Module) -> None:
    assert await announced_wait_s(client_for, module.model_copy(update={"backoff_s": 20.0}), "1") > 1.0


@pytest.mark.parametrize(("retry_after", "seconds"), [("86400", "86400"), ("9" * 400, "1000000000")])
async def test_retry_after_longer_than_the_step_ends_it_at_once_and_says_what_to_change(
    client_for: ClientFor, module: Module, retry_after: str, seconds: str
) -> None:
    busy = httpx2.Response(503, json=error_envelope(message="busy", retryable=True), headers={"Retry-After": retry_after})
    alpha, scenario, emitted = ScriptedModule(answers=[busy]), demo("alpha"), _Emitted()
    limited = module.model_copy(update={"step_timeout_s": 600.0})
    runner = Runner(client_for(alpha), None, emitted.take)
    await runner.execute("run-1", scenario, plan(scenario, Catalogue({"alpha": limited})))
    (failed,) = [what for what in emitted if isinstance(what, StepFailed)]
    assert (len(alpha.executed), failed.exchange and failed.exchange.status) == (1, 503)
    assert f"busy; the next attempt would follow after {seconds} s, for which Retry-After asks, but " in failed.error["message"]
    assert "of the 600 s for the step" in failed.error["message"]
    assert "step_timeout_s in modules.yaml" in failed.error["message"]
