"""The queue of runs in a database."""

import asyncio
from datetime import timedelta
from threading import Semaphore

import psycopg
import pytest
from run_records import GOOD, RUN_ID

from ops_orchestrator.errors import BusyError
from ops_orchestrator.runs.cluster.procrastinate_queue import ProcrastinateQueue
from ops_orchestrator.runs.cluster.queue_worker import QueueWorker
from ops_orchestrator.runs.cluster.queued_runs import QueuePlaces
from ops_orchestrator.runs.cluster.run_queue import Claim, Fate, Order

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LONG_AGO = timedelta(hours=1)


def silence(database: str, worker: int) -> None:
    """As if a worker had given no sign of life for an hour."""
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - %s WHERE id = %s", (LONG_AGO, worker))


async def test_run_that_is_submitted_twice_waits_once(queue: ProcrastinateQueue) -> None:
    await queue.submit([RUN_ID, GOOD])
    await queue.submit([RUN_ID])
    assert await queue.depth() == {"waiting": 2, "claimed": 0}
    assert await queue.missing([RUN_ID, GOOD, "run_other"]) == {"run_other"}


async def test_each_run_is_fetched_by_one_worker_and_gone_when_it_is_over(queue: ProcrastinateQueue) -> None:
    await queue.submit([RUN_ID])
    first, second = await queue.register(), await queue.register()
    taken = await queue.fetch(first)
    assert taken is not None
    assert (taken[1].run_id, taken[1].lost, await queue.fetch(second)) == (RUN_ID, 0, None)
    assert await queue.missing([RUN_ID]) == set()
    await queue.settle(*taken, "over")
    assert await queue.missing([RUN_ID]) == {RUN_ID}


async def test_run_that_was_submitted_again_meanwhile_is_not_executed_twice_at_once(queue: ProcrastinateQueue) -> None:
    await queue.submit([RUN_ID])
    first, second = await queue.register(), await queue.register()
    taken = await queue.fetch(first)
    await queue.submit([RUN_ID])
    assert taken is not None
    assert await queue.fetch(second) is None
    await queue.settle(*taken, "over")
    again = await queue.fetch(second)
    assert again is not None
    assert again[1].run_id == RUN_ID


async def test_run_of_a_silent_worker_is_given_to_another_and_counted(queue: ProcrastinateQueue, database: str) -> None:
    await queue.submit([RUN_ID])
    dead, other = await queue.register(), await queue.register()
    await queue.fetch(dead)
    assert await queue.requeue_stalled(30.0) == 0
    silence(database, dead)
    assert await queue.requeue_stalled(30.0) == 1
    taken = await queue.fetch(other)
    assert taken is not None
    assert taken[1] == (RUN_ID, 1)


async def test_runs_of_a_silent_worker_are_given_to_another_though_some_wait_again_already(
    queue: ProcrastinateQueue, database: str
) -> None:
    await queue.submit([RUN_ID, GOOD])
    dead, other = await queue.register(), await queue.register()
    assert [await queue.fetch(dead) is not None for _ in range(2)] == [True, True]
    await queue.submit([RUN_ID])  # as a worker does that puts a run off, before it lets go of it
    silence(database, dead)
    assert await queue.requeue_stalled(30.0) == 2
    taken = [await queue.fetch(other) for _ in range(3)]
    assert {each[1].run_id for each in taken if each is not None} == {RUN_ID, GOOD}
    assert await queue.depth() == {"waiting": 0, "claimed": 2}


async def test_worker_that_was_away_counts_as_alive_when_it_takes_a_run(queue: ProcrastinateQueue, database: str) -> None:
    stalled_s, taken, released = 2.0, asyncio.Event(), asyncio.Event()

    async def execute(_: Claim) -> Fate:
        taken.set()
        await released.wait()
        return "over"

    # Its signs of life are as rare as if it could give none.
    worker = QueueWorker(queue, execute, concurrency=1, heartbeat_s=3600, stalled_s=stalled_s)
    await worker.start()
    with psycopg.connect(database, autocommit=True) as connection:
        is_silent = "SELECT 1 FROM procrastinate_workers WHERE last_heartbeat < now() - make_interval(secs => %s)"
        while not connection.execute(is_silent, (stalled_s,)).fetchall():
            pass
    await queue.submit([RUN_ID])
    await taken.wait()
    assert await queue.requeue_stalled(stalled_s) == 0
    released.set()
    await worker.stop()


async def test_worker_that_cannot_execute_leaves_runs_to_others_until_it_can(queue: ProcrastinateQueue) -> None:
    is_gone, taken, looks = True, [], Semaphore(0)

    async def execute(claim: Claim) -> Fate:
        taken.append(claim.run_id)
        return "busy" if is_gone else "over"

    def hindrance() -> str | None:
        looks.release()
        return "the bucket is gone" if is_gone else None

    await queue.submit([RUN_ID])
    worker = QueueWorker(queue, execute, hindrance, concurrency=8, heartbeat_s=1, stalled_s=10)
    await worker.start()
    await asyncio.to_thread(looks.acquire)
    await queue.submit([GOOD])
    for _ in range(2):
        await asyncio.to_thread(looks.acquire)
    assert taken == [RUN_ID]
    is_gone = False
    while await queue.missing([RUN_ID, GOOD]) != {RUN_ID, GOOD}:
        pass
    await worker.stop()
    assert set(taken) == {RUN_ID, GOOD}


async def test_worker_that_executes_as_much_as_it_may_is_drained_at_once(queue: ProcrastinateQueue) -> None:
    taken, released = asyncio.Event(), asyncio.Event()

    async def execute(_: Claim) -> Fate:
        taken.set()
        await released.wait()
        return "over"

    await queue.submit([RUN_ID, GOOD])
    worker = QueueWorker(queue, execute, concurrency=1, heartbeat_s=1, stalled_s=10)
    await worker.start()
    await taken.wait()
    async with asyncio.timeout(60):
        await worker.drain()
    released.set()
    await worker.stop()
    assert await queue.depth() == {"waiting": 1, "claimed": 0}


async def test_worker_that_was_taken_for_dead_does_not_end_the_claim_of_the_next(
    queue: ProcrastinateQueue, database: str
) -> None:
    await queue.submit([RUN_ID])
    paused, other = await queue.register(), await queue.register()
    before = await queue.fetch(paused)
    silence(database, paused)
    await queue.requeue_stalled(30.0)
    assert await queue.fetch(other) is not None
    assert before is not None
    await queue.settle(*before, "left")
    assert await queue.depth() == {"waiting": 0, "claimed": 1}


async def test_claim_that_is_put_off_keeps_how_many_workers_were_lost(queue: ProcrastinateQueue, database: str) -> None:
    await queue.submit([RUN_ID])
    dead, other = await queue.register(), await queue.register()
    await queue.fetch(dead)
    silence(database, dead)
    await queue.requeue_stalled(30.0)
    taken = await queue.fetch(other)
    assert taken is not None
    await queue.settle(*taken, "left")
    again = await queue.fetch(other)
    assert again is not None
    assert again[1].lost == 1


async def test_only_a_run_that_waits_is_withdrawn(queue: ProcrastinateQueue) -> None:
    await queue.submit([RUN_ID, GOOD])
    await queue.fetch(await queue.register())
    assert [await queue.withdraw(run_id) for run_id in (RUN_ID, GOOD, "run_other")] == [False, True, False]
    assert await queue.depth() == {"waiting": 0, "claimed": 1}


async def test_order_to_cancel_stands_until_it_is_forgotten(queue: ProcrastinateQueue) -> None:
    await queue.cancel(RUN_ID, Order("somebody", None))
    await queue.cancel(RUN_ID, Order("somebody else", "key"))
    assert await queue.order(RUN_ID) == Order("somebody else", "key")
    await queue.forget(RUN_ID)
    assert await queue.order(RUN_ID) is None


async def test_run_is_refused_when_more_wait_than_may(queue: ProcrastinateQueue) -> None:
    await queue.submit([RUN_ID, GOOD])
    assert await QueuePlaces(queue, 2).take_now() is False
    with pytest.raises(BusyError, match="0 runs are under way and 2 wait"):
        await QueuePlaces(queue, 1).take_now()
