import asyncio
import threading

import pytest

from ops_orchestrator.modules.daemon_threads import DaemonThreads


@pytest.fixture
def threads() -> DaemonThreads:
    return DaemonThreads("work")


async def test_work_is_done_in_another_thread_and_its_result_comes_back(threads: DaemonThreads) -> None:
    assert await threads.run(threading.get_ident) != threading.get_ident()


async def test_error_of_the_work_comes_back(threads: DaemonThreads) -> None:
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    assert await threads.run(lambda: 7) == 7


async def test_thread_is_used_again(threads: DaemonThreads) -> None:
    assert await threads.run(threading.get_ident) == await threads.run(threading.get_ident)


async def test_work_without_an_end_is_interrupted_when_nobody_waits_any_more(threads: DaemonThreads) -> None:
    loop = asyncio.get_running_loop()
    working: asyncio.Future[threading.Thread] = loop.create_future()

    def endless() -> None:
        loop.call_soon_threadsafe(working.set_result, threading.current_thread())
        while True:
            sum(range(10))

    waiting = asyncio.create_task(threads.run(endless))
    thread = await working
    waiting.cancel()
    await asyncio.to_thread(thread.join)


async def test_work_that_must_not_be_interrupted_ends_by_itself_and_its_thread_with_it(threads: DaemonThreads) -> None:
    loop = asyncio.get_running_loop()
    working: asyncio.Future[threading.Thread] = loop.create_future()
    stop, ended = threading.Event(), threading.Event()

    def work() -> None:
        loop.call_soon_threadsafe(working.set_result, threading.current_thread())
        stop.wait()
        ended.set()

    waiting = asyncio.create_task(threads.run(work, interrupt=False))
    thread = await working
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    stop.set()
    await asyncio.to_thread(thread.join)
    assert ended.is_set()


async def test_endless_work_does_not_hold_up_other_work(threads: DaemonThreads) -> None:
    stop = threading.Event()
    endless = [asyncio.ensure_future(threads.run(stop.wait)) for _ in range(20)]
    assert await threads.run(lambda: "done") == "done"
    stop.set()
    assert await asyncio.gather(*endless) == [True] * 20


async def test_threads_do_not_keep_the_process_from_ending(threads: DaemonThreads) -> None:
    assert await threads.run(lambda: threading.current_thread().daemon)
