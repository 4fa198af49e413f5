import asyncio
import threading

import pytest

from ops_orchestrator.modules.mapping_threads import MappingThreads


@pytest.fixture
def threads() -> MappingThreads:
    return MappingThreads()


async def test_work_is_done_in_another_thread_and_its_result_comes_back(threads: MappingThreads) -> None:
    assert await threads.run(threading.get_ident) != threading.get_ident()


async def test_error_of_the_work_comes_back(threads: MappingThreads) -> None:
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    assert await threads.run(lambda: 7) == 7


async def test_thread_is_used_again(threads: MappingThreads) -> None:
    assert await threads.run(threading.get_ident) == await threads.run(threading.get_ident)


async def test_work_without_an_end_is_interrupted_when_nobody_waits_any_more(threads: MappingThreads) -> None:
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


async def test_endless_work_does_not_hold_up_other_work(threads: MappingThreads) -> None:
    stop = threading.Event()
    endless = [asyncio.ensure_future(threads.run(stop.wait)) for _ in range(20)]
    assert await threads.run(lambda: "done") == "done"
    stop.set()
    assert await asyncio.gather(*endless) == [True] * 20


async def test_threads_do_not_keep_the_process_from_ending(threads: MappingThreads) -> None:
    assert await threads.run(lambda: threading.current_thread().daemon)
