"""Ends a test that hangs, and that test alone.

The limit is for what would never end: it is far above what any test takes on a busy machine, where tests may be slow.
pytest-timeout has one timer for a whole test. It can go off in a hook between setup, call and teardown, which ends the session.
And it goes off once: `with Popen(...)` then waits for its process for ever, as does an executor for its thread; an event loop
or the garbage collector may even swallow the failure. Here each phase has a timer that rings again until the phase is over.
"""

import faulthandler
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final

import pytest

LIMIT_S: Final = 600.0
"""Seconds for each phase of a test; `pytest.mark.timeout(seconds)` sets another limit."""

_AGAIN_S: Final = 20.0


def limit_of(item: pytest.Item) -> float:
    """Seconds that each phase of a test may take."""
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark else LIMIT_S


@contextmanager
def _ended_when_it_hangs(item: pytest.Item) -> Iterator[None]:
    limit_s = limit_of(item)

    def end(*_: object) -> None:
        faulthandler.dump_traceback(file=2)
        pytest.fail(f"hung: it was not over after {limit_s:g} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, limit_s, min(limit_s, _AGAIN_S))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# Innermost (trylast), so that the timer runs during fixtures and the test function and not in the hooks of other plug-ins.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    with _ended_when_it_hangs(item):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    with _ended_when_it_hangs(item):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    with _ended_when_it_hangs(item):
        return (yield)
