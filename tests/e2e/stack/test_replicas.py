"""One name for several containers, as Docker's own name server has it: the stack is scaled while runs go on."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Semaphore

import pytest
from compose_stack import Stack
from container_engine import docker
from local_service import HTTP

MODULE = "policy-simulator"
AT_ONCE = 6
_HUNG_S = 120.0
RUNS = 30
"""So many runs say where runs go now."""


@pytest.fixture
def scaled(stack: Stack) -> Iterator[Stack]:
    """The stack, which has one of each module again at the end."""
    yield stack
    scale(stack, 1)


def scale(stack: Stack, replicas: int) -> None:
    stack.compose("up", "--detach", "--wait", "--no-recreate", "--scale", f"{MODULE}={replicas}", MODULE)


@contextmanager
def runs_that_never_pause(stack: Stack, scenario: bytes) -> Iterator[Semaphore]:
    """Each run that is completed releases the semaphore."""
    completed, over = Semaphore(0), Event()
    url, headers = f"{stack.url}/plan_and_execute", {"Content-Type": "application/json"}

    def run() -> None:
        while not over.is_set():
            answer = HTTP.post(url, content=scenario, headers=headers)
            assert answer.json()["status"] == "completed", answer.text
            completed.release()

    with ThreadPoolExecutor(AT_ONCE) as callers:
        calling = [callers.submit(run) for _ in range(AT_ONCE)]
        try:
            yield completed
        finally:
            over.set()
            # What went wrong there says more than what followed from it here.
            for each in calling:
                each.result()


def received(stack: Stack) -> dict[str, int]:
    """The bytes that each replica has received from others: the engine's health checks come from inside."""
    counter = ("cat", "/sys/class/net/eth0/statistics/rx_bytes")
    return {each: int(docker("exec", each, *counter)) for each in stack.compose("ps", "--quiet", MODULE).split()}


def shares(stack: Stack, completed: Semaphore) -> list[float]:
    """Which part of the next runs comes to each replica."""
    before = received(stack)
    while completed.acquire(blocking=False):  # those that were completed before
        pass
    for _ in range(RUNS):
        assert completed.acquire(timeout=_HUNG_S), "no run is completed any more"
    grown: Mapping[str, int] = {each: total - before.get(each, 0) for each, total in received(stack).items()}
    return [each / sum(grown.values()) for each in grown.values()]


def test_new_replicas_have_their_share_of_runs_that_never_pause(scaled: Stack, example: bytes) -> None:
    with runs_that_never_pause(scaled, example) as completed:
        assert shares(scaled, completed) == [1.0]
        scale(scaled, 3)
        while min(found := shares(scaled, completed)) < 0.2:
            pass
    assert len(found) == 3
