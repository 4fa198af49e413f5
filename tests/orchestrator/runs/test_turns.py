"""The turns of one process, and of several that share a folder."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from ops_orchestrator.errors import BusyError
from ops_orchestrator.runs.shared_turns import SharedTurns
from ops_orchestrator.runs.turns import LocalTurns, Turns

MakeTurns = Callable[[int, int], Turns]

HOLD_EVERYTHING = """
import asyncio, sys
from pathlib import Path
from ops_orchestrator.runs.shared_turns import SharedTurns

async def hold():
    turns = SharedTurns.open(Path(sys.argv[1]), 1, 2, at_once=2, most_waiting=1)
    print([await turns.take_now() for _ in range(3)], flush=True)
    sys.stdin.read()

asyncio.run(hold())
"""


@pytest.fixture(params=["one process", "several"])
async def make_turns(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MakeTurns]:
    shared: list[SharedTurns] = []

    def make(at_once: int, most_waiting: int) -> Turns:
        if request.param == "one process":
            return LocalTurns(at_once, most_waiting)
        shared.append(SharedTurns.open(tmp_path, 0, 2, at_once=at_once, most_waiting=most_waiting))
        return shared[0]

    yield make
    for turns in shared:
        turns.close()


@contextmanager
def workers(folder: Path, at_once: int, most_waiting: int) -> Iterator[tuple[SharedTurns, SharedTurns]]:
    """The turns as two processes have them."""
    one, other = (SharedTurns.open(folder, number, 2, at_once=at_once, most_waiting=most_waiting) for number in range(2))
    yield one, other
    one.close()
    other.close()


@contextmanager
def process_that_holds_everything(folder: Path) -> Iterator[Popen[str]]:
    """A process that has two turns and a place; the test kills it."""
    with Popen([sys.executable, "-c", HOLD_EVERYTHING, str(folder)], stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "[True, True, False]\n"
        yield process


async def test_turns_are_taken_at_once_then_places_and_then_none_is_left(make_turns: MakeTurns) -> None:
    turns = make_turns(2, 1)
    assert [await turns.take_now() for _ in range(3)] == [True, True, False]
    with pytest.raises(BusyError, match="2 runs are under way and 1 wait for their turn"):
        await turns.take_now()
    turns.leave(has_turn=False)
    assert await turns.take_now() is False


async def test_no_places_means_that_nobody_waits(make_turns: MakeTurns) -> None:
    turns = make_turns(1, 0)
    assert await turns.take_now()
    with pytest.raises(BusyError, match="1 runs are under way and 0 wait"):
        await turns.take_now()
    turns.leave(has_turn=True)
    assert await turns.take_now()


async def test_who_waited_first_has_the_first_free_turn(make_turns: MakeTurns) -> None:
    turns, served = make_turns(1, 3), list[int]()

    async def wait(number: int) -> None:
        await turns.wait()
        served.append(number)
        turns.leave(has_turn=True)

    assert [await turns.take_now() for _ in range(4)] == [True, False, False, False]
    async with asyncio.TaskGroup() as waiting:
        for number in range(3):
            waiting.create_task(wait(number))
        turns.leave(has_turn=True)
    assert served == [0, 1, 2]


async def test_who_stops_waiting_leaves_a_place_and_no_turn_behind(make_turns: MakeTurns) -> None:
    turns = make_turns(1, 1)
    assert [await turns.take_now() for _ in range(2)] == [True, False]
    waiting = asyncio.create_task(turns.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    turns.leave(has_turn=True)
    assert [await turns.take_now() for _ in range(2)] == [True, False]


async def test_limits_hold_for_all_processes_together(tmp_path: Path) -> None:
    with workers(tmp_path, 2, 2) as (one, other):
        assert [await turns.take_now() for turns in (one, other, other, one)] == [True, True, False, False]
        for turns in (one, other):
            with pytest.raises(BusyError):
                await turns.take_now()


async def test_free_turn_goes_to_the_process_that_waits_and_not_to_a_new_run(tmp_path: Path) -> None:
    with workers(tmp_path, 1, 3) as (one, other):
        assert (await one.take_now(), await one.take_now(), await other.take_now()) == (True, False, False)
        waiting_here, waiting_there = asyncio.create_task(one.wait()), asyncio.create_task(other.wait())
        await asyncio.sleep(0)
        one.leave(has_turn=True)
        assert await one.take_now() is False
        await waiting_there
        assert not waiting_here.done()
        other.leave(has_turn=True)
        await waiting_here


async def test_turns_and_places_of_a_killed_process_are_free_again(tmp_path: Path) -> None:
    turns = SharedTurns.open(tmp_path, 0, 2, at_once=2, most_waiting=1)
    with process_that_holds_everything(tmp_path) as process:
        with pytest.raises(BusyError):
            await turns.take_now()
        process.kill()
    assert [await turns.take_now() for _ in range(3)] == [True, True, False]
    turns.close()


async def test_who_waits_gets_the_turn_of_a_process_that_is_killed(tmp_path: Path) -> None:
    with process_that_holds_everything(tmp_path) as process:
        turns = SharedTurns.open(tmp_path, 0, 2, at_once=2, most_waiting=2)
        assert await turns.take_now() is False
        waiting = asyncio.create_task(turns.wait())
        await asyncio.sleep(0)
        process.kill()
        await waiting
    turns.close()
