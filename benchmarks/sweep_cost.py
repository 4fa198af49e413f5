"""What a sweep costs beyond its runs: time against that of the same runs alone, and the peak of memory of each.

Both go through the same queue in one process, with a module that answers at once and without a network, and take turns. The
time of the sweep has everything in it: its folder, its table, and its charts. Memory is that of processes of their own.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

from process_tree import peak_mib

from ops_orchestrator.charts.png import png_is_installed
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.modules.transport import BoundedChunks, Response
from ops_orchestrator.planning.sweep import Point, SweepRequest, points, read_sweep
from ops_orchestrator.runs.active_runs import ActiveRuns
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.sweeps.active_sweeps import ActiveSweeps
from ops_orchestrator.runs.sweeps.runs_of_sweeps import RunsOfSweeps
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore
from ops_orchestrator.runs.turns import LocalTurns
from ops_orchestrator.settings import Settings

AT_ONCE: Final = 16
ALLOWED: Final = 1.2
HEALTH: Final = b'{"status": "ok", "module": "alpha", "version": "1"}'

Kind = Literal["runs", "sweep"]


class Parts(NamedTuple):
    """What executes runs and sweeps."""

    runs: ActiveRuns
    sweeps: ActiveSweeps


class AtOnce:
    """A transport without a network, on which a module answers every call with a figure that depends on the rate."""

    async def send(self, _method: str, url: str, _headers: Mapping[str, str], body: bytes, *, limit: int) -> Response:
        """See Transport."""
        left = [b"", HEALTH if url.endswith("/health") else self._answer(body)]

        async def read() -> bytes:
            return left.pop()

        headers = {"content-type": "application/json"}
        return Response(url=url, status=200, headers=headers, chunks=BoundedChunks(read, limit), aclose=self.aclose)

    async def aclose(self) -> None:
        """See Transport."""

    def _answer(self, body: bytes) -> bytes:
        rate = json.loads(body)["inputs"]["rate"]
        figures = {f"figure_{number}": rate * number for number in range(1, 8)}
        outputs = {"kpis": figures, "baseline": dict.fromkeys(figures, 0.5)}
        return json.dumps({"status": "success", "module": "alpha", "version": "1", "outputs": outputs}).encode()


def body_of(count: int) -> bytes:
    """A sweep of so many points: a tenth as many rates, with ten seeds each."""
    varied = {"parameters": {"/rate": {"from": 1, "to": max(count // 10, 1), "step": 1}}, "seeds": 10}
    return json.dumps({"scenario_id": "bench", "modules": ["alpha"], "inputs": {"rate": 1}, "sweep": varied}).encode()


@asynccontextmanager
async def parts_in(folder: Path) -> AsyncIterator[Parts]:
    """Runs and sweeps in `folder`, as a service has them."""
    settings = Settings(_env_file=None)
    catalogue = Catalogue({"alpha": Module(name="alpha", url="http://alpha.test")})
    store, kept = FolderStore.open(folder), SweepStore.open(folder)
    turns = LocalTurns(AT_ONCE, settings.max_queued_runs)
    runs = ActiveRuns(Registration(catalogue), store, ModuleClient(settings.limits, AtOnce()), turns=turns, image_digest=None)
    try:
        yield Parts(runs, ActiveSweeps(Registration(catalogue), kept, RunsOfSweeps(runs, store, AT_ONCE)))
    finally:
        await runs.stop()
        kept.close()
        store.close()


async def run_alone(parts: Parts, request: SweepRequest) -> None:
    """Run the points of a sweep as runs, as many at once as the sweep has."""

    async def work(left: Iterator[Point]) -> None:
        for point in left:
            run = await parts.runs.start(point.scenario)
            await run.wait()

    left = points(request)
    await asyncio.gather(*(work(left) for _ in range(AT_ONCE)))


async def run_sweep(parts: Parts, body: bytes) -> None:
    """Run a sweep to its end."""
    sweep = parts.sweeps.find(await parts.sweeps.start(read_sweep(body, max_points=sys.maxsize), body))
    assert sweep is not None  # noqa: S101  # it has just begun
    await sweep.wait()
    if sweep.state.status != "completed":
        raise SystemExit(f"the sweep ended as {sweep.state.status}: {sweep.state.error}")


async def timed(parts: Parts, kind: Kind, count: int) -> float:
    """How many seconds so many runs take, alone or as a sweep."""
    began = time.perf_counter()
    if kind == "sweep":
        await run_sweep(parts, body_of(count))
    else:
        await run_alone(parts, read_sweep(body_of(count), max_points=sys.maxsize))
    return time.perf_counter() - began


async def ratios(count: int, rounds: int) -> list[float]:
    """The time of a sweep as a share of that of its runs alone, once a round; who goes first changes."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        async with parts_in(Path(folder)) as parts:
            for number in range(rounds + 1):
                order: tuple[Kind, ...] = ("runs", "sweep") if number % 2 else ("sweep", "runs")
                took = {kind: await timed(parts, kind, count) for kind in order}
                name = f"round {number} of {rounds}" if number else "warm-up"
                print(f"{name}: {count} runs alone {took['runs']:.2f} s, as a sweep {took['sweep']:.2f} s")
                found += [took["sweep"] / took["runs"]] if number else []
    return found


def peak_of(kind: Kind, count: int) -> float:
    """The peak of memory of a process that makes so many runs, alone or as a sweep."""
    words = [sys.executable, __file__, "--alone", kind, "--points", str(count)]
    return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


async def measured_alone(kind: Kind, count: int) -> None:
    """Make the runs, and print the peak of memory in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        async with parts_in(Path(folder)) as parts:
            await timed(parts, kind, count)
    print(peak_mib(os.getpid()))


def main() -> None:
    """Measure and print; exits 1 when a sweep costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=int, default=1000, help="runs in a sweep")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured")
    parser.add_argument("--alone", choices=get_args(Kind), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        asyncio.run(measured_alone(given.alone, given.points))
        return
    ratio = statistics.median(asyncio.run(ratios(given.points, given.rounds)))
    for count in (given.points // 4, given.points):
        print(
            f"peak of memory with {count} points: "
            + ", ".join(f"{kind} {peak_of(kind, count):.0f} MiB" for kind in get_args(Kind))
        )
    if png_is_installed():
        print("the charts are drawn as PNG too, which takes about a second whatever the number of points")
    print(f"a sweep takes {ratio:.2f} times as long as its runs alone; {ALLOWED} is allowed")
    raise SystemExit(ratio > ALLOWED)


if __name__ == "__main__":
    main()
