"""Thousands of runs over three workers, while workers are killed and paused, the database restarts, and the bucket refuses."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final

import httpx2
import pytest
from cluster_home import AT_ONCE, ClusterHome, HeldModules, Process, held_modules
from faulty_store import Fault, FaultyStore, faulty
from local_service import HTTP, command, environment
from object_stores import credentials_for, new_prefix, seaweedfs_server
from postgres import Postgres, postgres
from reliability.computing_modules import Computed, ComputingModules

from ops_orchestrator.runs.cluster.database import upgrade

pytestmark = [pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(7200)]

RUNS: Final = int(os.environ.get("OPS_CLUSTER_RUNS") or 3_000)
WORKERS: Final = 3
CALLERS: Final = 8
KILLED_AFTER_S: Final = (2.0, 5.0)
REFUSES_S: Final = float(os.environ.get("OPS_CLUSTER_REFUSES_S") or 60.0)
STALLED_S: Final = 3.0
SETTINGS: Final = {
    "OPS_HEARTBEAT_S": "0.5",
    "OPS_STALLED_S": str(STALLED_S),
    "OPS_MAX_ATTEMPTS": "100",
    "OPS_MAX_QUEUED_RUNS": str(10 * RUNS),
}


class Trial:
    """What goes on: the processes, what was accepted, and what was done to them."""

    def __init__(self, home: ClusterHome) -> None:
        self.home = home
        self.over = Event()
        self.accepted: list[str] = []
        self.chance = random.Random(RUNS)  # noqa: S311  # no secret
        self.killed = 0
        self._numbers = count(1)
        self._lock = Lock()
        self._workers: set[int] = set()

    def work(self) -> None:
        """One worker after the other, each until it is killed, or all is over."""
        while not self.over.is_set():
            number = next(self._numbers)
            with self.home.worker(OPS_RUNS_DIR=self.folder_of(number)) as worker:
                with self._lock:
                    self._workers.add(worker.process.pid)
                while not self.over.wait(0.1) and worker.process.poll() is None:
                    pass
                with self._lock:
                    self._workers.discard(worker.process.pid)

    def folder_of(self, number: int) -> str:
        """Where a worker keeps runs, or what it stages."""
        return f"worker-{number}" if "OPS_RUNS_URL" in self.home.variables else "runs"

    def kill(self) -> None:
        """Kill a worker every few seconds."""
        while not self.over.wait(self.chance.uniform(*KILLED_AFTER_S)):
            if (worker := self.any_worker()) is not None:
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    self.killed += 1

    def any_worker(self) -> int | None:
        """One of the workers."""
        with self._lock:
            return self.chance.choice(sorted(self._workers)) if self._workers else None

    def pause(self) -> bool:
        """Pause a worker for longer than it may be silent; whether it was there, and goes on."""
        worker = self.any_worker()
        with suppress(ProcessLookupError):
            if worker is not None:
                with self._lock:
                    self._workers.discard(worker)  # it is not killed meanwhile
                os.kill(worker, signal.SIGSTOP)
                self.over.wait(2 * STALLED_S)
                os.kill(worker, signal.SIGCONT)
                with self._lock:
                    self._workers.add(worker)
                return True
        return False

    def submit(self, api: Process, keys: Iterable[int]) -> None:
        """Have runs accepted, each until it is: the same key makes no second one."""
        for key in keys:
            while (answer := _posted(api, key)) is None or answer.status_code >= 500:
                time.sleep(0.2)
            assert answer.status_code == 202, answer.text
            self.accepted.append(answer.json()["run_id"])


def _posted(api: Process, key: int) -> httpx2.Response | None:
    scenario = {"scenario_id": f"number-{key}", "modules": ["alpha", "beta"]}
    try:
        return HTTP.post(f"{api.url}/plan_and_execute", json=scenario, headers={**AT_ONCE, "Idempotency-Key": f"soak {key}"})
    except httpx2.TransportError:
        return None


@contextmanager
def kept_in(kind: str, folder: Path) -> Iterator[tuple[dict[str, str], FaultyStore | None]]:
    """The settings of where runs are kept, and what stands before the bucket."""
    if kind == "folders":
        yield {}, None
        return
    (folder / "bucket").mkdir()
    with seaweedfs_server(folder / "bucket") as url, faulty(url) as before:
        yield {"OPS_RUNS_URL": new_prefix(), **credentials_for(before.url)}, before


def restart(database: Postgres) -> None:
    """Let the database fall over, and start it again."""
    database.stop("immediate")
    database.start()


def refuse(bucket: FaultyStore) -> None:
    """Have the bucket answer 503 to everything for a minute."""
    fault = bucket.stage(Fault("status", method="ANY", times=float("inf")))
    time.sleep(REFUSES_S)
    fault.times = 0


@pytest.mark.parametrize("kind", ["folders", "bucket"])
def test_every_accepted_run_completes_and_is_computed_once(tmp_path: Path, kind: str) -> None:
    with ExitStack() as stack:
        database = stack.enter_context(postgres())
        variables, bucket = stack.enter_context(kept_in(kind, tmp_path))
        modules = stack.enter_context(held_modules(ComputingModules()))
        assert isinstance(modules, ComputingModules)
        trial = Trial(_home(tmp_path, database, modules, variables))
        api = stack.enter_context(trial.home.api())
        pool = stack.enter_context(ThreadPoolExecutor(WORKERS + CALLERS + 1))
        stack.callback(trial.over.set)
        lasting = [pool.submit(trial.work) for _ in range(WORKERS)] + [pool.submit(trial.kill)]
        keys = _Shared(range(RUNS))
        submitting = [pool.submit(trial.submit, api, keys) for _ in range(CALLERS)]
        while not trial.pause():
            time.sleep(0.5)
        restart(database)
        if bucket is not None:
            refuse(bucket)
        for one in submitting:
            one.result()
        while (left := _left(api)) and all(one.running() for one in lasting):
            time.sleep(1)
        assert left == 0
        ended = [HTTP.get(f"{api.url}/runs/{run_id}").json()["status"] for run_id in trial.accepted]
        found = {run_id: _outputs(api, run_id) for run_id in trial.accepted}
        trial.over.set()
        for one in lasting:
            one.result()
        verified = _verified(trial.home)
    assert (len(trial.accepted), len(set(trial.accepted))) == (RUNS, RUNS)
    assert set(ended) == {"completed"}
    assert found == {run_id: modules.computed_of(run_id) for run_id in trial.accepted}
    assert trial.killed > 0
    assert verified.returncode == 0, verified.stdout[-2000:] + verified.stderr[-2000:]


class _Shared:
    """Numbers that several threads take from."""

    def __init__(self, numbers: range) -> None:
        self._numbers = iter(numbers)
        self._lock = Lock()

    def __iter__(self) -> Iterator[int]:
        while True:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            yield number


def _home(folder: Path, database: Postgres, modules: HeldModules, variables: dict[str, str]) -> ClusterHome:
    url = database.database()
    upgrade(url)
    return ClusterHome(folder, url, modules, **SETTINGS, **variables)


def _left(api: Process) -> int:
    """Whether runs are not over: how many of the first page."""
    return sum(len(HTTP.get(f"{api.url}/runs?status={status}&limit=10").json()["runs"]) for status in ("queued", "running"))


def _outputs(api: Process, run_id: str) -> dict[str, Computed]:
    steps: dict[str, Any] = HTTP.get(f"{api.url}/runs/{run_id}/results").json()["steps"]
    return {step: found["outputs"]["number"] for step, found in steps.items()}


def _verified(home: ClusterHome) -> "subprocess.CompletedProcess[str]":
    words = [command("ops"), "runs", "verify", "--all"]
    given = environment(**home.variables)
    return subprocess.run(words, cwd=home.folder, env=given, capture_output=True, text=True, check=False)
