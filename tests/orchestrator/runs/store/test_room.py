"""What has to be free before a run starts, and what the runs of a store may take together."""

from pathlib import Path

import pytest
from scripted_module import ScriptedModule, StartService

from ops_orchestrator.errors import NoRoomError
from ops_orchestrator.runs.store.room import RESERVE, Room
from ops_orchestrator.runs.store.store_size import StoreSize
from ops_orchestrator.settings import MIB

RUN = {"scenario_id": "demo", "modules": ["alpha"]}
MORE_THAN_ANY_DISK = 2**62


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/plan_and_execute", RUN),
        ("/sweeps", {**RUN, "sweep": {"seeds": 2}}),
        ("/runs/{failed}/resume", None),
        ("/runs/{failed}/reproduce", None),
    ],
)
async def test_nothing_starts_on_a_disk_without_room(start_service: StartService, path: str, body: object) -> None:
    failing = ScriptedModule(answers=[ConnectionError("gone")])
    async with start_service(failing, options={"retries": 0}) as ops:
        failed = (await ops.post("/plan_and_execute", json=RUN)).json()["run_id"]
    async with start_service(failing, min_free_bytes=MORE_THAN_ANY_DISK) as ops:
        answer = await ops.post(path.format(failed=failed), json=body, headers={"Prefer": "respond-async"})
        ready = await ops.get("/ready")
        listed = (await ops.get("/runs")).json()["runs"]
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (507, "urn:openpolicystack:problem:no-room")
    assert "less than the" in problem["detail"]
    assert "`ops runs prune --older-than 90d`" in problem["detail"]
    assert (ready.status_code, [run["run_id"] for run in listed]) == (503, [failed])


async def test_store_that_takes_as_much_as_it_may_takes_no_more_runs(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule()) as ops:
        run_id = (await ops.post("/plan_and_execute", json=RUN)).json()["run_id"]
    taken = sum(path.stat().st_size for path in (tmp_path / "runs").rglob("*") if path.is_file())
    async with start_service(ScriptedModule(), max_store_bytes=taken + 2000) as ops:
        while (await ops.post("/plan_and_execute", json=RUN)).status_code == 200:
            pass
        answer = await ops.post("/plan_and_execute", json=RUN)
        read = await ops.get(f"/runs/{run_id}/results")
    assert (answer.status_code, "OPS_MAX_STORE_BYTES" in answer.json()["detail"], read.status_code) == (507, True, 200)


def test_size_is_that_of_all_files_and_of_what_was_written_since(tmp_path: Path) -> None:
    run = tmp_path / "run_2026-01-09T12-34-56Z_ab12cd"
    (run / "artifacts").mkdir(parents=True)
    (run / "artifacts" / "a").write_bytes(bytes(1000))
    (tmp_path / ".index").write_bytes(bytes(24))
    (tmp_path / RESERVE).write_bytes(bytes(5000))
    size = StoreSize(tmp_path)
    assert size.bytes() is None
    size.start()
    while size.bytes() is None:
        pass
    size.add(10)
    assert size.bytes() == 1034
    size.stop()


def test_reserve_is_made_when_there_is_room_and_given_up_once(tmp_path: Path) -> None:
    room = Room(tmp_path, min_free_bytes=8000)
    room.check()
    assert (tmp_path / RESERVE).stat().st_size == 1000
    assert (room.give_up_reserve(), room.give_up_reserve()) == (True, False)
    room.check()
    room.close()
    assert [*tmp_path.iterdir()] == []


def test_reserve_has_at_most_8_mib(tmp_path: Path) -> None:
    room = Room(tmp_path, min_free_bytes=512 * MIB)
    room.check()
    assert (tmp_path / RESERVE).stat().st_size == 8 * MIB
    room.close()


def test_reader_leaves_the_reserve_of_a_service(tmp_path: Path) -> None:
    Room(tmp_path, min_free_bytes=8000).check()
    Room(tmp_path, min_free_bytes=8000).close()
    assert (tmp_path / RESERVE).exists()


def test_refusal_says_how_much_is_free(tmp_path: Path) -> None:
    with pytest.raises(NoRoomError, match=r"has .* free, less than the .* that OPS_MIN_FREE_BYTES keeps free"):
        Room(tmp_path, min_free_bytes=MORE_THAN_ANY_DISK).check()
