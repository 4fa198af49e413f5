"""Many who watch one run cost little more than one: they share its page, and the look that says whether the page is new."""

import asyncio
from threading import Event
from typing import Any

from ops_orchestrator.service.pages.shared_pages import SharedPages, State

RUN = "run_2026-01-09T12-34-56Z_ab12cd"
FIRST = State((1, 1), is_over=False)


async def watched() -> SharedPages:
    """Pages of which one is kept."""

    async def make() -> bytes:
        return b"first"

    pages = SharedPages()
    await pages.page(RUN, FIRST.version, make)
    return pages


async def test_all_who_ask_at_once_share_one_look_at_the_run() -> None:
    looks = 0

    def look() -> State:
        nonlocal looks
        looks += 1
        return FIRST

    pages = await watched()
    assert await asyncio.gather(*(pages.state(RUN, look) for _ in range(50))) == [FIRST] * 50
    assert looks == 1


async def test_who_asks_after_a_look_has_begun_is_given_what_a_later_one_says() -> None:
    begun, go_on = Event(), Event()
    states = iter([FIRST, State((2, 1), is_over=False)])

    def look() -> State:
        state = next(states)
        begun.set()
        go_on.wait()
        return state

    pages = await watched()
    early = asyncio.create_task(pages.state(RUN, look))
    await asyncio.to_thread(begun.wait)
    late = asyncio.create_task(pages.state(RUN, look))
    go_on.set()
    assert (await early, await late) == (FIRST, State((2, 1), is_over=False))


async def test_who_hangs_up_takes_the_answer_from_nobody_else() -> None:
    pages = await watched()
    first = asyncio.create_task(pages.state(RUN, lambda: FIRST))
    second = asyncio.create_task(pages.state(RUN, lambda: FIRST))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == FIRST


async def test_page_is_made_once_for_all_who_ask_and_again_when_something_happened() -> None:
    shared, made = SharedPages(), list[int]()

    async def make() -> bytes:
        made.append(number := len(made))
        await asyncio.sleep(0)
        return b"%d" % number

    async def asked(version: int, run_id: str = "one") -> bytes:
        return await shared.page(run_id, (version, 0), make)

    assert set(await asyncio.gather(*[asked(1) for _ in range(50)])) == {b"0"}
    later = await asyncio.gather(asked(2), asked(1), asked(2, "two"))
    assert list(later) == [b"1", b"1", b"2"]


async def test_shared_pages_keep_only_the_last_ones() -> None:
    shared, made = SharedPages(), list[Any]()

    async def make() -> bytes:
        made.append(None)
        return b""

    for number in (*range(100), 0, 99):
        await shared.page(f"{number}", (1, 0), make)
    assert len(made) == 101
