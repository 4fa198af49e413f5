"""Networks that are cut and heal: no run is lost, none contradicts itself, and who was cut off works again."""

import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from cluster_stack import (
    accepted,
    address_in_network,
    address_of,
    containers_of,
    cut_off,
    executors,
    lines_of,
    one_that_executes,
    scenario,
    unplugged,
    wait_for_api_processes,
    wait_until_none_is,
)
from compose_stack import Stack
from container_engine import wait_for_log
from local_service import HTTP, ROOT, command, environment
from reliability.folder_agreement import unverified

Cut = Callable[[Stack, str], AbstractContextManager[None]]

pytestmark = pytest.mark.timeout(300)

RUNS: Final = 6
DELAY_S: Final = 6.0
"""What each of two steps takes: a worker that is cut off is missed long before its runs are over, on a busy machine as well."""


def contradictions(run: str) -> list[str]:
    """What lines of the log of a completed run contradict each other."""
    lines = lines_of(run)
    completed = Counter(line["step"] for line in lines if line["event"] == "step.completed")
    attempts = [line["attempt"] for line in lines if "executor" in line]
    found = {
        "numbers": [line["seq"] for line in lines] != [*range(1, len(lines) + 1)],
        "attempts": attempts != [*range(1, len(attempts) + 1)],
        "steps": completed != dict.fromkeys(scenario(0)["modules"], 1),
        "ends": [line["event"] for line in lines].index("run.ended") != len(lines) - 1,
    }
    return [what for what, is_wrong in found.items() if is_wrong]


def wait_until_it_executes(cluster: Stack, container: str) -> str:
    """Wait until a container takes a run from the queue and completes it; returns the run."""
    while True:
        runs = accepted(cluster, RUNS, delay_s=0.2)
        wait_until_none_is(runs, "queued", "running")
        assert {HTTP.get(run).json()["status"] for run in runs} == {"completed"}
        for run in runs:
            if container.startswith(executors(run)[-1]):
                return run


def folders_of(cluster: Stack, folder: Path) -> Path:
    """The archive of the stack, copied into a folder."""
    given = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["api"]["environment"]
    keys = {name: value for name, value in given.items() if name.startswith("AWS_")}
    keys |= {"AWS_ENDPOINT_URL": f"http://{address_of(cluster, 'seaweedfs')}:8333", "OPS_RUNS_DIR": str(folder / "own")}
    words = [command("ops"), "runs", "sync", given["OPS_RUNS_URL"], str(folder / "copied"), "--yes"]
    copied = subprocess.run(words, cwd=folder, env=environment(**keys), capture_output=True, text=True, check=False)
    assert copied.returncode == 0, copied.stdout + copied.stderr
    return folder / "copied"


def outputs(run: str) -> Any:
    """What the modules computed."""
    steps = HTTP.get(f"{run}/results").raise_for_status().json()["steps"]
    return {step: found["outputs"] for step, found in steps.items()}


CUTS: Final[dict[str, Cut]] = {
    "all": unplugged,
    "database": lambda cluster, container: cut_off(cluster, container, "postgres"),
    "bucket": lambda cluster, container: cut_off(cluster, container, "seaweedfs"),
}


@pytest.mark.parametrize("cut", CUTS)
def test_worker_that_is_cut_off_harms_no_run_and_works_again_when_that_is_over(
    cluster: Stack, tmp_path: Path, cut: str
) -> None:
    wait_for_api_processes(cluster, 2)
    runs = accepted(cluster, RUNS, delay_s=DELAY_S)
    worker = one_that_executes(cluster, runs[0])
    with CUTS[cut](cluster, worker):
        if cut != "bucket":  # who gives signs of life keeps its runs
            wait_until_none_is(runs, "queued", "running")
            assert HTTP.get(runs[0]).json()["attempt"] == 2
        others = accepted(cluster, RUNS, delay_s=0.2)
        wait_until_none_is(others, "queued", "running")
    healed = wait_until_it_executes(cluster, worker)
    wait_until_none_is(runs, "queued", "running")
    ended = [HTTP.get(run).json() for run in (*runs, *others)]
    assert [(run["status"], run.get("error")) for run in ended] == [("completed", None)] * (2 * RUNS)
    assert all(outputs(run) == outputs(healed) for run in (*runs, *others))
    assert {run: contradictions(run) for run in (*runs, *others)} == {run: [] for run in (*runs, *others)}
    folders = folders_of(cluster, tmp_path)
    assert {run["run_id"]: unverified(folders / run["run_id"]) for run in ended} == {run["run_id"]: [] for run in ended}
    if cut != "bucket":
        wait_for_log(worker, "run.taken_over")


def test_api_process_that_is_cut_off_from_the_database_says_so_and_accepts_runs_when_that_is_over(cluster: Stack) -> None:
    wait_for_api_processes(cluster, 2)
    process = containers_of(cluster, "api")[0]
    url, named = f"http://{address_in_network(process)}:8000", {"Host": "api"}
    ask = partial(HTTP.post, f"{url}/plan_and_execute", json=scenario(0), headers=named)
    with cut_off(cluster, process, "postgres"):
        refused = ask()
        while HTTP.get(f"{url}/ready", headers=named).status_code != 503:
            pass
        assert (refused.status_code, ask().status_code) == (503, 503)
        assert "database" in refused.json()["detail"]
    while (answer := ask()).status_code == 503:
        pass
    assert answer.json()["status"] == "completed"
