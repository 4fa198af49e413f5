"""What every RunStore does."""

import asyncio
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from run_records import GOOD, RUN_ID, OpenRun, begin, contents, first_events, keep, store_two_runs

from ops_orchestrator.errors import ConflictError, InvalidRequestError, NotFoundError, RunExistsError
from ops_orchestrator.runs.events import RunCancelling, RunEnded, RunResumed, RunStarted
from ops_orchestrator.runs.recorder import Recorder
from ops_orchestrator.runs.resumption import files_to_move
from ops_orchestrator.runs.signing import SigningKey, public_key_of
from ops_orchestrator.runs.store import opening
from ops_orchestrator.runs.store.protocols import Reopened, RunStore
from ops_orchestrator.runs.verification import verify_run
from ops_orchestrator.settings import Settings

OpenAny = Callable[[], RunStore]
RUN_IDS = [f"run_2026-01-09T12-34-{second}Z_000000" for second in (10, 11, 12, 13, 14)]


@pytest.fixture
def store(any_store: RunStore) -> RunStore:
    return any_store


def is_whole(store: RunStore, run_id: str = RUN_ID) -> bool:
    return verify_run(store.run(run_id)).findings == ()


async def test_id_that_is_taken_is_refused_and_nothing_of_the_first_run_changes(store: RunStore) -> None:
    first = await begin(store)
    before = store.document(RUN_ID, "logs.jsonl")
    with pytest.raises(RunExistsError):
        await begin(store, scenario_id="another")
    assert store.document(RUN_ID, "logs.jsonl") == before
    await first.die()
    with pytest.raises(RunExistsError):
        await begin(store, scenario_id="another")
    assert store.document(RUN_ID, "logs.jsonl") == before


async def test_record_of_a_run_is_there_as_soon_as_it_is_made(store: RunStore) -> None:
    run = await begin(store)
    assert store.record(RUN_ID).status == "running"
    assert store.results(RUN_ID).results == {}
    assert [listed.status for listed in store.page(10).runs] == ["running"]
    await run.die()


@pytest.mark.parametrize(
    "run_id", ["run_1", "..", "../secrets", "", "run_2026-01-09T12-34-56Z_AB12CD", "run_2026-01-09T12-34-56Z_ab12cd/.."]
)
def test_id_that_is_none_is_not_found_and_never_a_path(store: RunStore, run_id: str) -> None:
    with pytest.raises(NotFoundError, match="is not the id of a run"):
        store.record(run_id)


def test_run_that_is_not_there_is_not_found(store: RunStore) -> None:
    with pytest.raises(NotFoundError, match=f"There is no run {RUN_ID}"):
        store.record(RUN_ID)
    with pytest.raises(NotFoundError):
        store.run(RUN_ID).files()


async def test_run_left_by_a_dead_service_is_interrupted_with_what_was_done(open_any: OpenAny, store: RunStore) -> None:
    run = await begin(store, "alpha", "beta")
    await run.complete(1)
    await run.start_step(2)
    await run.die()
    again = open_any()
    assert again.recover() == {RUN_ID: None}
    record = again.record(RUN_ID)
    assert (record.status, [step.status for step in record.steps]) == ("interrupted", ["completed", "interrupted"])
    assert list(again.results(RUN_ID).results) == ["alpha"]
    assert is_whole(again)


async def test_run_of_a_living_service_is_left_alone(open_any: OpenAny, store: RunStore) -> None:
    run = await begin(store)
    again = open_any()
    assert (again.recover(), again.abandoned()) == ({}, set())
    with pytest.raises(ConflictError):
        await again.take_over(RUN_ID)
    assert again.record(RUN_ID).status == "running"
    await run.die()
    assert again.abandoned() == {RUN_ID}


async def test_run_that_ended_is_not_touched_by_recovery(store: RunStore) -> None:
    await keep(store)
    before = {name: store.run(RUN_ID).document(name) for name in store.run(RUN_ID).files()}
    assert store.recover([RUN_ID]) == {}
    assert {name: store.run(RUN_ID).document(name) for name in store.run(RUN_ID).files()} == before


async def test_run_that_was_left_goes_on_after_its_last_completed_step(open_any: OpenAny, store: RunStore) -> None:
    run = await begin(store, "alpha", "beta")
    await run.complete(1, answer=1)
    await run.die()
    again = open_any()
    reopened = await again.take_over(RUN_ID)
    assert (reopened.modules, list(reopened.results)) == (b'{"modules": {}}\n', ["alpha"])
    await go_on_to_the_end(again, reopened)
    assert [step.status for step in again.record(RUN_ID).steps] == ["completed", "completed"]


async def test_run_that_failed_is_reopened_and_keeps_what_its_earlier_attempts_left(store: RunStore) -> None:
    run = await begin(store, "alpha", "beta")
    await run.complete(1)
    await run.complete(2, answer="first")
    await run.recorder.end(RunEnded(status="failed", error={"code": "X", "message": "as the module said"}))
    reopened = await store.reopen(RUN_ID)
    await go_on_to_the_end(store, reopened)
    assert store.record(RUN_ID).attempt == 2


async def go_on_to_the_end(store: RunStore, reopened: Reopened) -> None:
    """Go on with the run, whose second step is open, and end it."""
    work, _ = first_events("alpha", "beta")
    recorder = Recorder(reopened.writer, reopened.state, reopened.results)
    await recorder.go_on(RunResumed(attempt=2, files=files_to_move(reopened.state)))
    await recorder.durable()
    assert store.record(RUN_ID).status == "queued"
    await recorder.go_on(RunStarted(executor="x", attempt=2))
    await OpenRun(work, recorder, reopened.writer).complete(2, answer=2)
    await recorder.end(RunEnded(status="completed"))
    assert (store.record(RUN_ID).status, is_whole(store)) == ("completed", True)


async def test_completed_run_is_not_reopened(store: RunStore) -> None:
    await keep(store)
    with pytest.raises(ConflictError, match="is completed"):
        await store.reopen(RUN_ID)
    with pytest.raises(ConflictError, match="nobody left it"):
        await store.take_over(RUN_ID)
    assert is_whole(store)


async def test_run_that_was_being_cancelled_is_not_taken_over_but_ended(open_any: OpenAny, store: RunStore) -> None:
    run = await begin(store)
    await run.recorder.add(RunCancelling(by="a test"))
    await run.die()
    again = open_any()
    with pytest.raises(ConflictError, match="was cancelled"):
        await again.take_over(RUN_ID)
    assert again.recover() == {RUN_ID: None}
    assert is_whole(again)


async def test_record_and_results_of_a_run_that_another_service_executes_are_as_of_now(
    open_any: OpenAny, store: RunStore
) -> None:
    run = await begin(store, "alpha", "beta")
    other = open_any()
    for number, done in ((1, ["alpha"]), (2, ["alpha", "beta"])):
        await run.complete(number)
        await run.writer.durable()
        record, results = (json.loads(other.document(RUN_ID, name)) for name in ("run.json", "results.json"))
        assert (record["status"], list(results["results"])) == ("running", done)
    await run.recorder.end(RunEnded(status="completed"))
    assert other.record(RUN_ID).status == "completed"
    assert is_whole(other)


async def test_list_is_the_same_when_the_store_is_opened_again(open_any: OpenAny, store: RunStore) -> None:
    for run_id in (RUN_ID, GOOD):
        await keep(store, run_id)
    before = store.page(10).runs
    assert open_any().page(10).runs == before
    assert store.run_ids() == {RUN_ID, GOOD}


async def test_pages_follow_each_other_by_cursor_to_the_end(store: RunStore) -> None:
    for run_id in RUN_IDS:
        await keep(store, run_id)
    seen, cursor = [], None
    while True:
        page = store.page(2, cursor)
        seen += [run.run_id for run in page.runs]
        if (cursor := page.next_cursor) is None:
            break
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize("cursor", ["nonsense", "%%%", "YQ", "é"])
def test_cursor_that_this_list_did_not_give_is_refused(store: RunStore, cursor: str) -> None:
    with pytest.raises(InvalidRequestError, match="next_cursor"):
        store.page(10, cursor)


async def test_artifact_is_looked_up_among_the_results_and_never_by_path(store: RunStore) -> None:
    await keep(store)
    for step, name in [("alpha", "../../run.json"), ("alpha", "nope"), ("beta", "x"), ("..", "run.json")]:
        with pytest.raises(NotFoundError, match="has no artifact"):
            store.artifact(RUN_ID, step, name)


async def test_run_that_is_over_is_removed_wholly_and_one_under_way_is_not(store: RunStore) -> None:
    await keep(store)
    under_way = await begin(store, run_id=GOOD)
    assert (store.remove(RUN_ID), store.remove(GOOD)) == (True, False)
    with pytest.raises(NotFoundError):
        store.record(RUN_ID)
    assert ([run.run_id for run in store.page(10).runs], store.size(RUN_ID)) == ([GOOD], 0)
    await under_way.die()


async def test_run_that_was_made_elsewhere_is_taken_in_whole_or_not_at_all(store: RunStore, tmp_path: Path) -> None:
    await asyncio.to_thread(store_two_runs, tmp_path / "elsewhere")
    made = contents(tmp_path / "elsewhere" / RUN_ID)

    def fill(folder: Path) -> None:
        for name, content in made.items():
            path = folder / name
            path.mkdir() if content is None else path.write_bytes(content)

    def broken(folder: Path) -> None:
        fill(folder)
        raise InterruptedError

    with pytest.raises(Exception, match=r"InterruptedError|cannot take"):
        store.adopt(RUN_ID, broken)
    assert store.page(10).runs == []
    assert store.adopt(RUN_ID, fill).status == "completed"
    with pytest.raises(RunExistsError):
        store.adopt(RUN_ID, fill)
    assert (is_whole(store), [run.run_id for run in store.page(10).runs]) == (True, [RUN_ID])


async def test_key_has_one_run_until_it_is_released(open_any: OpenAny, store: RunStore) -> None:
    key, other = "0" * 64, open_any()
    assert (store.claim(key, RUN_ID), other.claim(key, GOOD)) == (RUN_ID, None)
    store.release(key, RUN_ID)
    assert other.claim(key, GOOD) == GOOD
    await keep(other, GOOD)
    assert store.claim(key, RUN_ID) == GOOD


async def test_signature_of_an_earlier_end_is_gone_when_the_run_ends_again(settings: Settings, any_store: RunStore) -> None:
    with closing(opening.open_store(settings, signer=SigningKey(Ed25519PrivateKey.generate()))) as signing:
        run = await begin(signing, "alpha", "beta")
        await run.complete(1)
        await run.recorder.end(RunEnded(status="failed", error={"code": "X", "message": "as the module said"}))
        assert "manifest-signature.json" in signing.run(RUN_ID).files()
    await go_on_to_the_end(any_store, await any_store.reopen(RUN_ID))
    assert "manifest-signature.json" not in any_store.run(RUN_ID).files()


async def test_run_that_another_process_left_is_signed_at_its_end_with_the_key_of_both(settings: Settings) -> None:
    signer = SigningKey(Ed25519PrivateKey.generate())
    with closing(opening.open_store(settings, signer=signer)) as one:
        run = await begin(one, "alpha", "beta")
        await run.complete(1)
        await run.die()
    with closing(opening.open_store(settings, signer=signer)) as other:
        await go_on_to_the_end(other, await other.take_over(RUN_ID))
        assert verify_run(other.run(RUN_ID), [public_key_of(signer.key)]).is_trusted
