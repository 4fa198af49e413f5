"""Who watches a run, and what waits for them. Lines come from another thread, as from a store's writer."""

import asyncio

import pytest

from ops_orchestrator.runs.event_stream import EventStream, Watcher
from ops_orchestrator.runs.feed import Line


def line(seq: int, size: int = 3, run_id: str = "run_1") -> Line:
    return Line(run_id, seq, b"x" * size, is_last=False)


async def taken(watcher: Watcher) -> list[int]:
    return [line.seq for line in await watcher.take(within_s=600)]


async def test_watcher_gets_the_lines_of_its_run_that_come_while_it_watches() -> None:
    events = EventStream()
    await asyncio.to_thread(events.take, [line(1)])
    with events.follow("run_1") as watcher:
        await asyncio.to_thread(events.take, [line(2), line(7, run_id="run_2"), line(3)])
        assert await taken(watcher) == [2, 3]
    await asyncio.to_thread(events.take, [line(4)])
    assert not watcher.has_lines


async def test_line_wakes_all_who_wait_for_one() -> None:
    events = EventStream()
    with events.follow("run_1") as first, events.follow("run_1") as second:
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(taken(watcher)) for watcher in (first, second)]
            await asyncio.sleep(0)
            await asyncio.to_thread(events.take, [line(1)])
    assert [task.result() for task in waiting] == [[1], [1]]


@pytest.mark.parametrize(("lines", "size"), [(4, 1), (2, 600)])
async def test_watcher_for_whom_too_much_waits_is_dropped_alone(lines: int, size: int) -> None:
    events = EventStream(most_waiting_lines=3, most_waiting_bytes=1000)
    with events.follow("run_1") as slow, events.follow("run_1") as quick:
        for seq in range(1, lines + 1):
            await asyncio.to_thread(events.take, [line(seq, size)])
            assert await taken(quick) == [seq]
        assert (slow.ended, slow.has_lines) == ("too slow", False)
        assert quick.ended is None


async def test_line_larger_than_the_queue_is_given_when_nothing_else_waits() -> None:
    events = EventStream(most_waiting_bytes=1000)
    with events.follow("run_1") as watcher:
        await asyncio.to_thread(events.take, [line(1, size=2000)])
        assert await taken(watcher) == [1]


async def test_closed_stream_ends_watchers_after_their_lines_and_later_ones_at_once() -> None:
    events = EventStream()
    with events.follow("run_1") as watcher:
        await asyncio.to_thread(events.take, [line(1)])
        events.close()
        assert await taken(watcher) == [1]
        assert await taken(watcher) == []
    with events.follow("run_1") as late:
        assert (await taken(late), late.ended) == ([], "stopping")


def test_lines_that_nobody_watches_do_not_reach_the_event_loop() -> None:
    events = EventStream()

    async def watch() -> None:
        with events.follow("run_1"):
            pass

    asyncio.run(watch())
    # The loop is closed: it would raise.
    events.take([line(1)])


async def test_nothing_within_the_time_is_a_timeout() -> None:
    with EventStream().follow("run_1") as watcher, pytest.raises(TimeoutError):
        await watcher.take(within_s=0)
