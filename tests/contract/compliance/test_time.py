"""What the kit says of time: a late answer counts when an idle request is not as late, and slow modules can be checked."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from keyed_module import KeyedModule

from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.patience import longest_s, too_slow
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.result import Exchange, ExitCode, Verdict
from ops_contract.compliance.targets.errors import TargetError
from ops_contract.compliance.timing import Timed, timed

pytestmark = pytest.mark.anyio


def taking(*seconds: float) -> Callable[[], Awaitable[Exchange]]:
    """Answers that take so long, one after the other."""
    answers = iter(seconds)

    async def send() -> Exchange:
        return Exchange(method="GET", url="http://x/health", request_headers={}, status=200, seconds=next(answers))

    return send


def idle(*seconds: float) -> Callable[[], Awaitable[float]]:
    figures = iter(seconds)

    async def measure() -> float:
        return next(figures)

    return measure


def within_1_s(found: Timed) -> bool:
    return found.is_within(1)


async def test_answer_in_time_needs_no_idle_request() -> None:
    assert (await timed(taking(0.9), idle(), within_1_s)).idle_s == 0


async def test_late_answer_is_repeated_until_one_is_in_time() -> None:
    found = await timed(taking(1.5, 1.4, 0.2), idle(0.0, 0.0), within_1_s)
    assert (found.seconds, within_1_s(found)) == (0.2, True)


async def test_answer_that_is_late_by_what_an_idle_request_takes_is_in_time() -> None:
    found = await timed(taking(3.5), idle(2.6), within_1_s)
    assert (found.seconds, within_1_s(found)) == (3.5, True)


async def test_answer_that_is_late_three_times_beside_quick_idle_requests_is_late_and_both_figures_are_said() -> None:
    found = await timed(taking(1.7, 1.6, 1.5), idle(0.1, 0.2, 0.1), within_1_s)
    assert not within_1_s(found)
    assert found.took("GET /health") == "1.50 s, when GET /health takes 0.20 s"


def module_that_takes(good_s: float, **fields: Any) -> ModuleUnderTest:
    return ModuleUnderTest(Probe("http://127.0.0.1:9"), good_s=good_s, **fields)


def test_whole_check_of_a_slow_module_asks_for_the_option_that_it_needs() -> None:
    message = "answers take 10 s; give --timeout 20, and the check waits for them, which takes about 11 minutes"
    assert too_slow(module_that_takes(10), checks=11) == message


@pytest.mark.parametrize(("good_s", "checks"), [(4, 11), (10, 1)])
def test_check_of_some_minutes_is_made_without_asking(good_s: float, checks: int) -> None:
    assert too_slow(module_that_takes(good_s), checks) is None


def test_time_for_a_check_grows_with_the_answers_and_with_the_option() -> None:
    usual = longest_s("seeds", module_that_takes(0.01))
    assert longest_s("seeds", module_that_takes(10)) == 10 * usual
    assert longest_s("seeds", module_that_takes(0.01, timeout_s=90)) == 3 * usual


@pytest.mark.slow
async def test_module_that_is_too_slow_for_a_check_without_the_option_is_told_so_at_once() -> None:
    with pytest.raises(TargetError, match=r"answers take 5 s; give --timeout 10") as raised:
        await KeyedModule(execute_s=5.1).report()
    assert raised.value.exit_code == ExitCode.USAGE


@pytest.mark.slow
async def test_answer_that_takes_longer_than_the_option_says_which_to_give() -> None:
    found = await KeyedModule(execute_s=4).unmet("OPS-EXE-001", timeout_s=1)
    assert "the first request had none within 1 s either; if it takes longer, give --timeout 3" in found["OPS-EXE-001"].actual


@pytest.mark.slow
async def test_calls_at_once_are_waited_for_by_a_module_that_works_on_one_at_a_time() -> None:
    assert await KeyedModule(execute_s=0.3, one_at_a_time=True).unmet("OPS-DET-003", "OPS-HLT-003", timeout_s=1) == {}


@pytest.mark.slow
async def test_first_health_that_hangs_is_tried_again() -> None:
    assert await KeyedModule(hung_healths=1).unmet("OPS-HLT-001") == {}


@pytest.mark.slow
async def test_health_that_waits_for_executes_to_end_is_found() -> None:
    found = await KeyedModule(execute_s=1.8, waits=True).unmet("OPS-HLT-003", "OPS-HLT-004")
    assert [*found] == ["OPS-HLT-003"]
    assert "when no execute is running and GET /health takes 0.0" in found["OPS-HLT-003"].actual


@pytest.mark.slow
async def test_health_that_waits_for_many_short_executes_is_found() -> None:
    """Each takes a third of a second, and the module works on one at a time."""
    found = await KeyedModule(execute_s=0.33, one_at_a_time=True, waits=True).unmet("OPS-HLT-003")
    assert [*found] == ["OPS-HLT-003"]


@pytest.mark.slow
async def test_health_that_is_slow_only_while_an_execute_is_running_is_a_warning() -> None:
    found = await KeyedModule(execute_s=2.5, busy_s=1.3).unmet("OPS-HLT-003", "OPS-HLT-004")
    assert {name: one.verdict for name, one in found.items()} == {"OPS-HLT-004": Verdict.WARN}
    assert "while an execute is running, 1.3" in found["OPS-HLT-004"].actual
    assert "when it is idle and GET /health takes 0.0" in found["OPS-HLT-004"].actual


@pytest.mark.slow
@pytest.mark.parametrize(("late_s", "unmet"), [(1.2, []), (0, ["OPS-LIM-002"])])
async def test_lateness_of_every_answer_is_no_lateness_of_the_deadline(late_s: float, unmet: list[str]) -> None:
    """The first keeps the deadline, but all its answers are late; the second computes for as long, and is late alone."""
    honest = late_s > 0
    module = KeyedModule(execute_s=1.7, late_s=late_s, ignores_deadline=not honest)
    assert [*await module.unmet("OPS-LIM-002")] == unmet


@pytest.mark.slow
async def test_large_request_may_take_five_seconds_more_than_a_good_one() -> None:
    assert await KeyedModule(execute_s=5.3).unmet("OPS-LIM-001") == {}


@pytest.mark.slow
@pytest.mark.parametrize("opening", [b"[[[[", b'"key_9": '])
async def test_large_request_that_closes_the_connection_is_found(opening: bytes) -> None:
    assert [*await KeyedModule(crashes=lambda raw: opening in raw).unmet("OPS-LIM-001")] == ["OPS-LIM-001"]
