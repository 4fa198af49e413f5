"""Runs named by the beginning of their id, or as the latest."""

from pathlib import Path

import httpx2
import pytest
from command_line import ops
from run_records import make_folders, record
from scripted_module import ScriptedModule, StartService

from ops_orchestrator.cli.run_ids import served_run_id
from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.errors import ConfigurationError

pytestmark = pytest.mark.slow

RUNS = ("run_2026-01-09T12-34-56Z_ab12cd", "run_2026-01-09T12-34-57Z_aaaaaa", "run_2026-02-01T00-00-00Z_ffffff")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with three runs, whose logs have their ids and nothing else."""
    for number, run_id in enumerate(RUNS):
        folder = tmp_path / "runs" / run_id
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(record(number).model_copy(update={"run_id": run_id}).model_dump_json())
        (folder / "logs.jsonl").write_text(run_id)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "run_id"),
    [
        (RUNS[0], RUNS[0]),
        ("run_2026-01-09T12-34-57", RUNS[1]),
        ("2026-02", RUNS[2]),
        ("latest", RUNS[2]),
    ],
)
def test_run_is_found_by_what_names_it_alone(home: Path, name: str, run_id: str) -> None:
    ran = ops(home, "runs", "logs", name)
    assert (ran.returncode, ran.stdout) == (0, run_id)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("2026-01", f"'2026-01' is the beginning of 2 runs; write more of it: {RUNS[1]}, {RUNS[0]}"),
        ("run_2026-01-09T12-34-56Z_ab12ce", f"did you mean '{RUNS[0]}'?"),
        ("x", "there is no run 'x'; `ops runs list` lists them"),
        ("", "there is no run ''"),
        ("../runs", "there is no run '../runs'"),
    ],
)
@pytest.mark.parametrize("command", ["show", "logs"])
def test_name_of_no_run_or_of_several_is_answered_with_what_to_write(home: Path, command: str, name: str, reason: str) -> None:
    ran = ops(home, "runs", command, name)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert reason in ran.stderr
    assert "GET /" not in ran.stderr


def test_candidates_beyond_the_first_are_counted(home: Path) -> None:
    for number in range(20):
        (home / "runs" / f"run_2026-03-01T00-00-00Z_{number:06x}").mkdir()
    assert "is the beginning of 20 runs" in (said := ops(home, "runs", "logs", "2026-03").stderr)
    assert said.endswith(" and 15 more\n")


def test_latest_of_no_runs_says_how_to_start_one(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    ran = ops(tmp_path, "runs", "show", "latest")
    assert (ran.returncode, ran.stderr) == (2, "ops: there are no runs yet; start one with `ops run FILE`\n")


async def test_run_of_a_service_is_looked_up_among_all_of_its_runs(tmp_path: Path, start_service: StartService) -> None:
    run_ids = make_folders(tmp_path / "runs", 509)
    async with start_service(ScriptedModule()) as http:
        while not (await http.get("/runs?limit=1")).json()["complete"]:
            pass
        service = ServiceClient(http)
        assert await served_run_id(service, run_ids[-1][:-6]) == run_ids[-1]
        assert await served_run_id(service, "latest") == run_ids[0]
        # Of these, one is among the newest 500.
        with pytest.raises(ConfigurationError, match="is the beginning of 10 runs"):
            await served_run_id(service, "2026-01-09T12-00-0")


@pytest.mark.parametrize("more", [{"next_cursor": "more"}, {"next_cursor": None, "complete": False}], ids=["many", "unread"])
async def test_run_of_a_service_that_cannot_list_all_is_named_by_its_whole_id(more: dict[str, object]) -> None:
    page = {"runs": [{"run_id": RUNS[0]}] * 500, **more}
    pages = httpx2.MockTransport(lambda _: httpx2.Response(200, json=page))
    async with httpx2.AsyncClient(transport=pages, base_url="http://ops.test") as http:
        service = ServiceClient(http)
        assert [await served_run_id(service, name) for name in (RUNS[0], "latest")] == [RUNS[0], RUNS[0]]
        with pytest.raises(ConfigurationError, match="write the whole id"):
            await served_run_id(service, RUNS[0][:-1])
