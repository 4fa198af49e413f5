import asyncio

import pytest

from ops_orchestrator.modules.uninterrupted import to_its_end


async def test_caller_who_is_cancelled_learns_it_when_the_work_has_ended() -> None:
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await go_on.wait()
        ended.set()

    waiting = asyncio.create_task(to_its_end(work()))
    await begun.wait()
    waiting.cancel()
    asyncio.get_running_loop().call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()
