"""The store of answers: what is kept, for how long, and whose key it is."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ops_contract import RefusalError
from ops_stubs.answers import Answer, AnswerStore
from ops_stubs.execution import Executed
from ops_stubs.module import File

pytestmark = pytest.mark.anyio

FOREVER = float("inf")


def answer(text: str = "done", size_bytes: int = 1) -> Executed:
    return Executed({"outputs": text}, {"a.txt": File("a.txt", "text/plain", text.encode())}, size_bytes, 1.0)


def computing(given: Answer) -> Callable[[], Awaitable[Answer]]:
    """A computation that is done at once."""

    async def compute() -> Answer:
        return given

    return compute


class Gate:
    """A computation that waits for its gate to open."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.begun = asyncio.Event()
        self.times = 0

    async def __call__(self) -> Answer:
        self.times += 1
        self.begun.set()
        await self.open.wait()
        return answer(f"time {self.times}")


async def test_once_for_a_kept_key_gives_the_first_answer() -> None:
    store = AnswerStore()
    first = await store.once(("r", "s"), "f", computing(answer("first")), wait_s=FOREVER)
    second = await store.once(("r", "s"), "f", computing(answer("second")), wait_s=FOREVER)
    assert first is second


async def test_once_for_other_runs_and_steps_computes_anew() -> None:
    store = AnswerStore()
    for key in (("r", "s"), ("r", "t"), ("q", "s")):
        await store.once(key, "f", computing(answer()), wait_s=FOREVER)
    assert len(store) == 3


async def test_once_over_the_number_forgets_what_was_used_longest_ago() -> None:
    store = AnswerStore(max_answers=2)
    for run in ("a", "b", "a", "c"):
        await store.once((run, "s"), "f", computing(answer(run)), wait_s=FOREVER)
    assert [store.file((run, "s"), "a.txt") is not None for run in ("a", "b", "c")] == [True, False, True]


async def test_once_over_the_bytes_forgets_until_it_fits() -> None:
    store = AnswerStore(max_bytes=100)
    for run, size in (("a", 40), ("b", 40), ("c", 90)):
        await store.once((run, "s"), "f", computing(answer(run, size)), wait_s=FOREVER)
    assert [store.file((run, "s"), "a.txt") is not None for run in ("a", "b", "c")] == [False, False, True]


async def test_once_for_an_answer_over_all_bytes_keeps_it_alone() -> None:
    """Its files still have to be fetched."""
    store = AnswerStore(max_bytes=10)
    await store.once(("r", "s"), "f", computing(answer(size_bytes=1000)), wait_s=FOREVER)
    assert store.file(("r", "s"), "a.txt") is not None


@pytest.mark.parametrize(("key", "name"), [(("r", "s"), "b.txt"), (("r", "t"), "a.txt"), (("r", "s"), "../s/a.txt")])
async def test_file_that_no_answer_has_is_none(key: tuple[str, str], name: str) -> None:
    store = AnswerStore()
    await store.once(("r", "s"), "f", computing(answer()), wait_s=FOREVER)
    assert store.file(key, name) is None


async def test_once_out_of_time_leaves_the_key_free() -> None:
    """OPS-LIM-002: and what comes of the abandoned computation is not kept."""
    store, gate = AnswerStore(), Gate()
    with pytest.raises(RefusalError, match="deadline") as raised:
        await store.once(("r", "s"), "f", gate, wait_s=0)
    retried = asyncio.create_task(store.once(("r", "s"), "other", gate, wait_s=FOREVER))
    await asyncio.sleep(0)
    gate.open.set()
    assert await retried == answer("time 2")
    assert (raised.value.status, raised.value.retryable) == (503, True)


async def test_once_out_of_time_leaves_duplicates_their_answer() -> None:
    """OPS-IDM-003: each caller has its own clock."""
    store, gate = AnswerStore(), Gate()
    patient = asyncio.create_task(store.once(("r", "s"), "f", gate, wait_s=FOREVER))
    await gate.begun.wait()
    with pytest.raises(RefusalError):
        await store.once(("r", "s"), "f", gate, wait_s=-1)
    gate.open.set()
    assert await patient == answer("time 1")
    assert gate.times == 1


async def test_once_that_fails_fails_for_all_who_wait_and_is_not_kept() -> None:
    store, begun = AnswerStore(), asyncio.Event()

    async def fail() -> Answer:
        await begun.wait()
        raise RuntimeError("broken")

    waiting = [asyncio.create_task(store.once(("r", "s"), "f", fail, wait_s=FOREVER)) for _ in range(2)]
    await asyncio.sleep(0)
    begun.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(result) for result in results] == ["broken", "broken"]
    assert len(store) == 0


async def test_once_whose_callers_have_all_left_keeps_the_answer() -> None:
    store, gate = AnswerStore(), Gate()
    only = asyncio.create_task(store.once(("r", "s"), "f", gate, wait_s=FOREVER))
    await gate.begun.wait()
    only.cancel()
    await asyncio.wait({only})
    duplicate = asyncio.create_task(store.once(("r", "s"), "f", gate, wait_s=FOREVER))
    gate.open.set()
    assert await duplicate == answer("time 1")
    assert len(store) == 1


async def test_once_with_another_fingerprint_is_refused() -> None:
    """OPS-IDM-002."""
    store = AnswerStore()
    await store.once(("r", "s"), "f", computing(answer()), wait_s=FOREVER)
    with pytest.raises(RefusalError, match="another body") as raised:
        await store.once(("r", "s"), "g", computing(answer()), wait_s=FOREVER)
    assert (raised.value.status, raised.value.retryable) == (422, False)
