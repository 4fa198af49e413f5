"""What a store of many runs costs: a new run beside many others, the start, a page of each filter, memory, a lost index.

`make performance` writes the result into docs/performance.md; `--runs 2000` shows that it works. It makes the folders of so
many runs, of a record and a log each, in `--folder`, where it uses them again the next time. It does not delete them: deleting
thousands of folders makes an ext4 file system slow for minutes. Ratios hold on other machines, and times do not.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, redirect_stderr
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import structlog
from answer_memory import BETA, CONTRACT, REQUEST, OneAnswer, in_fork, peak_bytes, post
from conditions import commit
from fastapi import FastAPI
from performance_page import scale_text, write_page
from results import Scale, read_results, write_results

from ops_orchestrator.runs.events import Fingerprints
from ops_orchestrator.runs.record import LOGS, RECORD, RunRecord, StepRecord
from ops_orchestrator.runs.run_filter import RunFilter, read_filter
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.sqlite_index import FILE_NAME
from ops_orchestrator.service.app import create_app
from ops_orchestrator.settings import Settings

MIB: Final = 1024 * 1024
FIRST: Final = datetime(2020, 1, 1, tzinfo=UTC)
# ext4 allows no more than 65,000 links to a file.
LINKS_TO_A_LOG: Final = 50_000
ROUNDS: Final = 5
RUNS_A_ROUND: Final = 60
ALPHA: Final = BETA.replace(b"beta", b"alpha")
FILTERS: Final = {
    "no filter": RunFilter(),
    "scenario": read_filter(scenario_id="scenario-3"),
    "status": read_filter(status="failed"),
    "label": read_filter(labels=["study"]),
    "label and value": read_filter(labels=["study=7"]),
    "module": read_filter(module="strategy-agent"),
    "since": read_filter(since="2020-01-20"),
    "until": read_filter(until="2020-02-01"),
    "fingerprint": read_filter(fingerprint=sha256(b"recipe 7").hexdigest()[:8]),
    "three of these": read_filter(scenario_id="scenario-10", status="failed", labels=["team=a"]),
    "three, no run": read_filter(scenario_id="scenario-3", status="failed", labels=["team=a"]),
}


def record(number: int) -> RunRecord:
    """The record of run `number`, each a minute after the one before."""
    at = FIRST + timedelta(minutes=number)
    text = f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
    modules = ("policy-simulator", "strategy-agent" if number % 3 else "data-layer")
    labels = {"study": str(number % 200), "team": "abc"[number % 3]}
    return RunRecord(
        run_id=f"run_{at:%Y-%m-%dT%H-%M-%SZ}_{number % 0x1000000:06x}",
        status="failed" if number % 10 == 0 else "completed",
        request={"scenario_id": f"scenario-{number % 50}", "inputs": {}, "run_options": {"seed": number, "labels": labels}},
        plan=[{"step": step, "module": module, "action": "execute"} for step, module in enumerate(modules, start=1)],
        started_at=text,
        finished_at=text,
        versions={"orchestrator": "0.2.0"},
        steps=tuple(
            StepRecord(step=step, id=module, module=module, action="execute", status="completed", attempts=1)
            for step, module in enumerate(modules, start=1)
        ),
        fingerprints=Fingerprints(
            recipe=sha256(f"recipe {number % 20_000}".encode()).hexdigest(), result=sha256(f"{number}".encode()).hexdigest()
        ),
    )


def make_folders(store: Path, count: int) -> None:
    """Make the folders of `count` runs; those that are there already stay as they are."""
    store.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        made = record(number)
        folder = store / made.run_id
        if folder.exists():
            continue
        folder.mkdir()
        (folder / RECORD).write_text(made.model_dump_json())
        log = store / f".log-{number // LINKS_TO_A_LOG}"
        if not log.exists():
            log.write_text('{"seq":1,"event":"run.ended"}\n')
        (folder / LOGS).hardlink_to(log)


def settings_for(home: Path, runs: Path) -> Settings:
    """A service with its modules.yaml in `home` and its runs in `runs`."""
    (home / "modules.yaml").write_text(CONTRACT)
    return Settings(modules_file=home / "modules.yaml", runs_dir=runs, _env_file=None)


async def new_runs(app: FastAPI, count: int) -> list[float]:
    """The seconds of CPU that each of `count` runs takes, one after another."""
    taken = []
    for _ in range(count):
        started = time.process_time()
        assert await post(app, REQUEST) == 200  # noqa: S101  # a figure of anything else means nothing
        taken.append(time.process_time() - started)
    return taken


async def served(home: Path, runs: Path) -> dict[str, Any]:
    """The start of a service on a store, and new runs in it: while the runs are read that its index lacks, and after that."""
    started = time.perf_counter()
    app = create_app(settings_for(home, runs), OneAnswer(ALPHA))
    async with app.router.lifespan_context(app):
        start_s = time.perf_counter() - started
        await new_runs(app, 5)
        began = time.perf_counter()
        taken = await new_runs(app, RUNS_A_ROUND)
        run_s = (time.perf_counter() - began) / RUNS_A_ROUND
    return {"start_s": start_s, "run_cpu_s": statistics.median(taken), "run_s": run_s, "peak_bytes": peak_bytes()}


def serve(home: Path, runs: Path) -> dict[str, Any]:
    """See `served`."""
    return asyncio.run(served(home, runs))


def pages(runs: Path) -> dict[str, float]:
    """The median seconds of a page of 50 runs, by filter, and of one after 5,000 runs."""
    with closing(FolderStore.open(runs)) as store:
        cursor = None
        for _ in range(10):
            cursor = store.page(500, cursor).next_cursor
        found = {name: median_s(partial(store.page, 50, None, where)) for name, where in FILTERS.items()}
        return found | {"after 5,000 runs": median_s(partial(store.page, 50, cursor))}


def median_s(work: Callable[[], object]) -> float:
    """The median seconds of the work."""
    taken = []
    for _ in range(11):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def made_again(runs: Path) -> dict[str, float]:
    """The seconds that it takes to make the index again, at once."""
    (runs / FILE_NAME).unlink(missing_ok=True)
    started, started_cpu = time.perf_counter(), time.process_time()
    FolderStore.open(runs, report=lambda progress: print(f"  read {progress.done:,} of {progress.total:,}", flush=True)).close()
    return {"wall_s": time.perf_counter() - started, "cpu_s": time.process_time() - started_cpu, "peak_bytes": peak_bytes()}


def measured(home: Path, work: Callable[[], Any]) -> Any:
    """What `work` returns, from a process of its own."""
    in_fork(lambda: (home / "result").write_text(json.dumps(work())))
    return json.loads((home / "result").read_text())


def measure(home: Path, runs: Path, count: int) -> Scale:
    """Measure everything, and print what is not kept."""
    again = measured(home, lambda: made_again(runs))
    print(f"index made again with {again['cpu_s']:.1f} s of CPU and at most {again['peak_bytes'] / MIB:.0f} MiB")
    rounds = []
    for number in range(ROUNDS):
        empty = home / f"empty-{number}"
        rounds.append([measured(home, partial(serve, home, at)) for at in (empty, runs)])

    def medians(name: str) -> tuple[float, float]:
        return tuple(statistics.median(pair[at][name] for pair in rounds) for at in (0, 1))

    (run_empty_s, run_s), (cpu_empty_s, cpu_s) = medians("run_s"), medians("run_cpu_s")
    listed = measured(home, lambda: pages(runs))
    for name, seconds in listed.items():
        print(f"page, {name:16}{seconds * 1000:6.2f} ms")
    (runs / FILE_NAME).unlink()
    reading = measured(home, partial(serve, home, runs))
    print(f"while the index is made again, the service starts in {reading['start_s']:.2f} s")
    return Scale(
        commit=commit(),
        runs=count,
        start_s=medians("start_s")[1],
        run_ratio=run_s / run_empty_s,
        run_cpu_ratio=cpu_s / cpu_empty_s,
        pages_ms=(1000 * min(listed.values()), 1000 * max(listed.values())),
        peak_mib=max(many["peak_bytes"] for _, many in rounds) / MIB,
        made_again_s=again["wall_s"],
        run_ratio_meanwhile=reading["run_s"] / run_s,
    )


def main() -> None:
    """Make the folders where they are missing, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000, help="how many runs the store has")
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "ops-store-scale", help="where they are kept"
    )
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    arguments = parser.parse_args()
    runs = arguments.folder / f"runs-{arguments.runs}"
    make_folders(runs, arguments.runs)
    print(f"a store of {arguments.runs:,} runs in {runs}, which stays there")
    # The log of the runs would be written as well.
    with (
        Path(os.devnull).open("w") as nobody,
        redirect_stderr(nobody),
        tempfile.TemporaryDirectory(dir=arguments.folder) as home,
    ):
        structlog.configure(
            processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory(nobody)
        )
        scale = measure(Path(home), runs, arguments.runs)
    results = read_results().model_copy(update={"scale": scale})
    print(scale_text(results))
    if arguments.write:
        write_results(results)
        write_page(results)


if __name__ == "__main__":
    main()
