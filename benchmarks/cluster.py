"""Runs a second, and what a run costs, with 1, 2 and 3 workers beside one process that does all; submissions, and a takeover.

Everything runs on this machine: PostgreSQL, SeaweedFS, the processes that accept runs and those that execute them, modules and
callers. So more workers than processors show what a run costs, and not how far a cluster goes; compare the CPU. Each row is the
median of some rounds, in which all rows take turns. `make bench-cluster` writes the section of docs/scale.md.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
import psycopg
import uvloop
from load import SCENARIO, MeasurementError, callers
from module_server import MODULES
from object_stores import credentials_for, new_prefix, seaweedfs_server
from postgres import Postgres, postgres
from process_tree import cpu_s, tree
from programs import HERE, Running, free_port, module_server, started
from scale_page import table, wrapped, write_section

BUILD: Final = HERE.parent / "build"
CALLERS: Final = 16
WINDOW_S: Final = 5.0
ROUNDS: Final = 3
SUBMITTED: Final = 1_000
HELD: Final = 20
HELD_S: Final = 3.0
_PATIENCE_S: Final = 120.0
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # the files in it are those of a folder made here
_COMMAND: Final = (sys.executable, "-m", "ops_orchestrator")


class Row(NamedTuple):
    """What is measured: so many workers beside a process that accepts runs, 0 for one that does all; where runs are kept."""

    workers: int
    in_bucket: bool = False

    def __str__(self) -> str:
        executed = f"{self.workers} worker{'s' if self.workers > 1 else ''}" if self.workers else "one process"
        return f"{executed}, {'bucket' if self.in_bucket else 'folders'}"


ROWS: Final = (Row(0), Row(1), Row(2), Row(3), Row(0, in_bucket=True), Row(1, in_bucket=True), Row(3, in_bucket=True))


class Used(NamedTuple):
    """Seconds of processor time so far, of what accepts runs, of what executes them, and of the servers; commits so far."""

    accepting: float
    executing: float
    database: float
    bucket: float
    commits: float


class Window(NamedTuple):
    """Runs a second, milliseconds of CPU a run by process, and commits of the database a run."""

    runs_per_s: float
    accepting_ms: float
    executing_ms: float
    database_ms: float
    bucket_ms: float
    commits: float


class Place:
    """Where all of it runs: the folder, the database server, the modules, and the bucket's server.

    What the processes of a row with a bucket stage is in `memory`, where there is some.
    """

    def __init__(self, folder: Path, database: Postgres, modules: Running, bucket: str, memory: Path | None = None) -> None:
        self.database = database
        self._memory = memory
        self._folder = folder
        self._bucket = bucket
        self._entries = "".join(f"  {name}: {{url: 'http://127.0.0.1:{modules.port}/{name}'}}\n" for name in MODULES)
        self._homes = 0

    def home(self, row: Row) -> tuple[Path, dict[str, str]]:
        """A new folder, and the settings of processes that share it."""
        self._homes += 1
        home = self._folder / f"home-{self._homes}"
        (home / "runs").mkdir(parents=True)
        (home / "modules.yaml").write_text(f"modules:\n{self._entries}")
        settings = {
            "OPS_MODULES_FILE": str(home / "modules.yaml"),
            "OPS_RUNS_DIR": str(home / "runs"),
            "OPS_MAX_CONCURRENT_RUNS": "256",
            "OPS_MAX_QUEUED_RUNS": str(10 * SUBMITTED),
        }
        if row.workers:
            settings["OPS_DATABASE_URL"] = self.database.database()
            subprocess.run([*_COMMAND, "db", "upgrade"], env={**_clean(), **settings}, check=True, stdout=subprocess.DEVNULL)
        if row.in_bucket:
            settings |= {"OPS_RUNS_URL": new_prefix(), **credentials_for(self._bucket)}
            if self._memory is not None:
                settings["OPS_RUNS_DIR"] = str(self._memory / home.name)
        return home, settings

    def database_cpu_s(self) -> float:
        """Seconds of processor time that PostgreSQL has used."""
        return cpu_s(int((self.database.folder / "data/postmaster.pid").read_text().split()[0]))

    def bucket_cpu_s(self) -> float:
        """Seconds of processor time that SeaweedFS has used."""
        return sum(cpu_s(pid) for pid in tree(os.getpid()) if Path(f"/proc/{pid}/comm").read_text().strip() == "weed")


class Cluster(NamedTuple):
    """The process that accepts runs, at `port`, and those that execute them."""

    port: int
    accepting: int
    executing: tuple[int, ...]


@contextmanager
def cluster(row: Row, home: Path, settings: Mapping[str, str]) -> Iterator[Cluster]:
    """The processes of a row, which have answered a run, unless there is nobody who executes one."""
    port = free_port()
    with ExitStack() as stack:
        serving = {**settings, "OPS_EMBEDDED_WORKERS": "0"} if "OPS_DATABASE_URL" in settings else settings
        api = stack.enter_context(started([*_COMMAND, "serve", "--port", str(port)], serving, home / "serve.log"))
        words = [*_COMMAND, "worker", "--port", "0"]
        workers = [
            stack.enter_context(started(words, settings, home / f"worker-{number}.log")) for number in range(row.workers)
        ]
        wait_until(lambda: uvloop.run(answers(port)), f"{row}: nobody listens")
        yield Cluster(port, api.pid, tuple(worker.pid for worker in workers))


def measured(row: Row, place: Place, window_s: float) -> Window:
    """One window of a row."""
    home, settings = place.home(row)
    with cluster(row, home, settings) as processes:
        uvloop.run(first_runs(processes.port))
        before = used(row, place, processes, settings)
        runs, took_s = uvloop.run(window(processes.port, window_s))
        if not runs:
            raise MeasurementError(f"{row}: no run was answered in {window_s:g} s")
        *cpu, committed = (now - was for now, was in zip(used(row, place, processes, settings), before, strict=True))
    return Window._make([runs / took_s, *(seconds * 1000 / runs for seconds in cpu), committed / runs])


def used(row: Row, place: Place, processes: Cluster, settings: Mapping[str, str]) -> Used:
    """What a row has used until now."""
    return Used(
        cpu_s(processes.accepting),
        sum(map(cpu_s, processes.executing)),
        place.database_cpu_s() if row.workers else 0.0,
        place.bucket_cpu_s() if row.in_bucket else 0.0,
        commits(settings["OPS_DATABASE_URL"]) if row.workers else 0.0,
    )


def commits(url: str) -> float:
    """How many transactions a database has committed, those that only read included, as far as its processes have told."""
    with psycopg.connect(url, autocommit=True) as connection:
        query = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        [(count,)] = connection.execute(query).fetchall()
    return float(count)


async def first_runs(port: int) -> None:
    """Have every process load what it needs."""
    async with callers(port, CALLERS) as load:
        await load.reach(10 * CALLERS)


async def window(port: int, seconds: float) -> tuple[int, float]:
    """How many runs were answered, and in how many seconds."""
    async with callers(port, CALLERS) as load:
        began = time.perf_counter()
        await load.last(seconds)
        return load.completed, time.perf_counter() - began


async def answers(port: int) -> bool:
    """Whether somebody listens who is ready to take runs."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/health") as answer:
            return answer.ok
    except aiohttp.ClientError:
        return False


async def submitted(port: int, count: int) -> float:
    """Have so many runs accepted; returns the seconds that it took. Raises MeasurementError."""
    left = iter(range(count))

    async def submit(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.post(f"http://127.0.0.1:{port}/plan_and_execute", data=SCENARIO, headers=headers) as answer:
                if answer.status != 202:
                    raise MeasurementError(f"a run was answered {answer.status}: {await answer.text()}")

    headers = {"Content-Type": "application/json", "Prefer": "respond-async"}
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        began = time.perf_counter()
        for _ in range(CALLERS):
            group.create_task(submit(session))
    return time.perf_counter() - began


def submissions(place: Place) -> float:
    """Runs a second that a process accepts and nobody executes."""
    row = Row(1)
    home, settings = place.home(row)
    with cluster(row._replace(workers=0), home, settings) as processes:
        return SUBMITTED / uvloop.run(submitted(processes.port, SUBMITTED))


def takeover(place: Place) -> tuple[float, float]:
    """Seconds from the kill of a worker to the first and to the last run of its that goes on elsewhere."""
    row = Row(2)
    home, settings = place.home(row)
    with cluster(row, home, settings) as processes:
        uvloop.run(submitted(processes.port, HELD))
        runs = home / "runs"
        wait_until(lambda: len(events(runs, "step.started")) == HELD, "the runs do not begin")
        killed, began = processes.executing[0], time.time()
        lost = {run for run, line in events(runs, "run.started").items() if line["executor"].endswith(f":{killed}")}
        subprocess.run(["/bin/kill", "-KILL", str(killed)], check=True)
        wait_until(lambda: len(events(runs, "run.ended")) == HELD, "the runs do not end")
        resumed = [
            datetime.fromisoformat(line["timestamp"]).timestamp() - began
            for run, line in events(runs, "run.resumed").items()
            if run in lost
        ]
    if not resumed:
        raise MeasurementError("the worker that was killed had no run")
    return min(resumed), max(resumed)


def events(runs: Path, name: str) -> dict[str, dict[str, str]]:
    """The first event of that name in the log of each run."""
    found: dict[str, dict[str, str]] = {}
    for log in runs.glob("run_*/logs.jsonl"):
        for line in log.read_bytes().splitlines():
            if f'"event":"{name}"'.encode() in line:
                found.setdefault(log.parent.name, json.loads(line))
    return found


def wait_until(holds: Callable[[], bool], otherwise: str) -> None:
    """Wait until it holds. Raises MeasurementError."""
    until = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > until:
            raise MeasurementError(otherwise)
        time.sleep(0.05)


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("OPS_")}


def busy(row: Row, found: Window) -> float:
    """How much of a processor each worker uses."""
    return found.executing_ms * found.runs_per_s / 1000 / row.workers


def section(rows: Mapping[Row, Window], accepted: float, taken_over: tuple[float, float], rounds: int) -> str:
    """The section of docs/scale.md."""
    alone = rows[ROWS[0]]
    alone_ms = alone.accepting_ms
    heads = (
        *("executed by", "runs/s", "CPU ms a run", "of one process", "accepting", "executing", "PostgreSQL"),
        *("SeaweedFS", "commits a run", "worker busy"),
    )
    cells = []
    for row, found in rows.items():
        total = found.accepting_ms + found.executing_ms + found.database_ms
        bucket = f"{found.bucket_ms:.1f}" if row.in_bucket else ""
        cells.append(
            [
                str(row),
                f"{found.runs_per_s:.0f}",
                f"{total:.1f}",
                f"{total / alone_ms:.2f}",
                f"{found.accepting_ms:.1f}",
                *([f"{found.executing_ms:.1f}", f"{found.database_ms:.1f}"] if row.workers else ["", ""]),
                bucket,
                *([f"{found.commits:.1f}", f"{busy(row, found):.0%}"] if row.workers else ["", ""]),
            ]
        )
    after = " to ".join(dict.fromkeys(f"{seconds:.0f}" for seconds in taken_over))
    told = (
        f"{CALLERS} callers, two steps a run, medians of {rounds} rounds. The milliseconds of SeaweedFS are not in the sum; "
        "what the processes stage of runs in a bucket is in memory. A worker is busy for so much of one processor. "
        f"One process accepts {accepted:.0f} runs a second "
        f"when nobody executes them. When a worker is killed with `kill -9`, its runs go on elsewhere after {after} s, "
        "with the settings as they are by default: a sign of life each 10 s, and lost after 30."
    )
    return f"{table(heads, cells)}\n\n{wrapped(told)}"


def main() -> None:
    """Measure, print, and write when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="windows of each row; the median counts")
    parser.add_argument("--seconds", type=float, default=WINDOW_S, metavar="S", help="how long a window is")
    parser.add_argument("--write", action="store_true", help="write the section of docs/scale.md")
    arguments = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=BUILD)))
        database = stack.enter_context(postgres())
        with psycopg.connect(database.database(), autocommit=True) as connection:
            # The tests' server may lose what it was told; this one may not.
            connection.execute("ALTER SYSTEM SET fsync = on")
            connection.execute("SELECT pg_reload_conf()")
        (folder / "bucket").mkdir()
        bucket = stack.enter_context(seaweedfs_server(folder / "bucket"))
        modules = stack.enter_context(module_server(folder))
        slow = folder / "slow"
        slow.mkdir()
        held = stack.enter_context(module_server(slow, HELD_S))
        try:
            memory = _MEMORY if os.access(_MEMORY, os.W_OK) else BUILD
            staged = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=memory)))
            place = Place(folder, database, modules, bucket, staged)
            windows: dict[Row, list[Window]] = {row: [] for row in ROWS}
            for _ in range(arguments.rounds):
                for row in ROWS:
                    windows[row].append(measured(row, place, arguments.seconds))
            accepted = statistics.median(submissions(place) for _ in range(arguments.rounds))
            taken_over = takeover(Place(slow, database, held, bucket))
        except MeasurementError as error:
            sys.exit(f"cluster.py: {error}")
    rows = {row: Window(*map(statistics.median, zip(*found, strict=True))) for row, found in windows.items()}
    text = section(rows, accepted, taken_over, arguments.rounds)
    print(text)
    if arguments.write:
        write_section("cluster", text)


if __name__ == "__main__":
    main()
