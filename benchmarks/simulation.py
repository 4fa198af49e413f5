"""A million runs over 10 to 200 workers, simulated: where the next bottleneck is, and what it costs.

A discrete-event simulation (SimPy) of the cluster's design: a queue in PostgreSQL, workers with turns and one processor each,
a bucket, and modules with replicas. Workers die, their runs are taken over, calls are tried again. The same seed gives the
same figures. `simulated_cluster.py` says what is assumed, and where each number comes from; `--write` writes the section of
docs/scale.md.
"""

import argparse
import heapq
import random
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import simpy
from scale_page import table, wrapped, write_section
from simulated_cluster import CLUSTERS, Cluster, assumptions

WORKERS: Final = (10, 20, 50, 100, 200)
RUNS: Final = 1_000_000
SEED: Final = 1
_SATURATED: Final = 0.9
"""A station that is busy for so much of the time is the bottleneck."""

_MEASURED_FROM, _MEASURED_TO = 0.1, 0.9  # of all runs: the rate is that of the middle, without the begin and the end

Step = Generator[simpy.Event, Any, None]


class Station:
    """Serves what comes, first come, first served, with so many servers; `busy_s` adds up what they served.

    Each service is one event, which makes a million runs affordable: when it is over is known when it is asked for, since
    nobody passes another and nobody leaves.
    """

    def __init__(self, env: simpy.Environment, servers: int) -> None:
        self._env = env
        self._free_at = [0.0] * servers
        self.busy_s = 0.0
        self.servers = servers

    def serve(self, seconds: float, then_s: float = 0.0) -> simpy.Event:
        """Over when a server had `seconds` for it, and `then_s` more in which no server is needed."""
        now = self._env.now
        end = max(now, self._free_at[0]) + seconds
        heapq.heapreplace(self._free_at, end)
        self.busy_s += seconds
        return self._env.timeout(end - now + then_s)


@dataclass
class Run:
    """A run under way: how many steps are completed, and how often it was executed."""

    number: int
    steps_done: int = 0
    attempts: int = 0


@dataclass
class Worker:
    """One process: how often it died, and when it serves again."""

    cpu: Station
    deaths: int = 0
    died_at: float = 0.0
    serves_at: float = 0.0


@dataclass
class Ended:
    """What became of the runs."""

    completed: int = 0
    errored: int = 0
    takeovers: int = 0
    retries: int = 0

    @property
    def all(self) -> int:
        """How many runs are over."""
        return self.completed + self.errored


class Measured(NamedTuple):
    """The middle of a simulation: runs a second, how busy each station was, and what became of all runs."""

    workers: int
    runs_per_s: float
    busy: Mapping[str, float]
    ended: Ended
    bottleneck: str
    took_s: float
    """From the begin to the end of all runs."""

    @property
    def hours(self) -> float:
        """Hours for a million runs: where fewer were simulated, with more of the middle, and the same begin and end."""
        return (self.took_s + (1_000_000 - self.ended.all) / self.runs_per_s) / 3600


class _Mark(NamedTuple):
    at: float
    ended: int
    busy_s: Mapping[str, float]


@dataclass
class Simulation:
    """`runs` that are all in the queue at the begin, with so many `workers`; `ends` counts how often each of them ended."""

    cluster: Cluster
    workers: int
    runs: int
    seed: int = SEED
    env: simpy.Environment = field(default_factory=simpy.Environment)
    ended: Ended = field(default_factory=Ended)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # the same draws each time
        self.ends = bytearray(self.runs)
        self._waiting = self.runs
        self._stalled: deque[Run] = deque()
        self._database = Station(self.env, self.cluster.database_cores)
        self._bucket = Station(self.env, 1)
        self._modules = Station(self.env, self.cluster.calls_at_once)
        self._workers = [Worker(Station(self.env, 1)) for _ in range(self.workers)]
        self._over = self.env.event()
        self._wake = self.env.event()
        self._marks: list[_Mark] = []

    def measured(self) -> Measured:
        """Simulate all of it."""
        for worker in self._workers:
            self.env.process(self._heartbeats(worker))
            self.env.process(self._deaths(worker))
            for _ in range(self.cluster.turns):
                self.env.process(self._turn(worker))
        self.env.run(until=self._over)
        first, last = self._marks
        took_s = last.at - first.at
        servers = {name: station.servers for name, station in self._stations().items()} | {"workers": self.workers}
        busy = {name: (last.busy_s[name] - first.busy_s[name]) / took_s / count for name, count in servers.items()}
        rate = (last.ended - first.ended) / took_s
        return Measured(self.workers, rate, busy, self.ended, bottleneck(busy), self.env.now)

    def _stations(self) -> dict[str, Station]:
        return {"database": self._database, "bucket": self._bucket, "modules": self._modules}

    def _turn(self, worker: Worker) -> Step:
        """One of the turns of a worker: takes runs and executes them until all are over."""
        while True:
            if self.env.now < worker.serves_at:
                yield self.env.timeout(worker.serves_at - self.env.now)
            if self._stalled:
                run = self._stalled.popleft()
            elif self._waiting:
                self._waiting -= 1
                run = Run(self._waiting)
            else:
                yield self._wake
                continue
            run.attempts += 1
            if run.attempts > self.cluster.most_attempts:
                self.ended.errored += 1
                self._end(run)
                continue
            deaths = worker.deaths
            for event in self._execution(worker, run):
                yield event
                if worker.deaths != deaths:
                    self.env.process(self._take_over(run, worker.died_at))
                    break
            else:
                self.ended.completed += 1
                self._end(run)

    def _execution(self, worker: Worker, run: Run) -> Generator[simpy.Event, None, None]:
        """What a run waits for, one after another; a step that was completed before is not done again."""
        cluster = self.cluster
        cpu_s = cluster.worker_cpu_s / 2
        yield self._database.serve(cluster.claim_s, cluster.commit_s)
        yield worker.cpu.serve(cpu_s)
        yield self._puts(cluster.puts_at_begin)
        while run.steps_done < cluster.steps:
            yield self._modules.serve(self._random.expovariate(1 / cluster.call_s))
            if self._random.random() < cluster.call_fails:
                self.ended.retries += 1
                yield self.env.timeout(cluster.back_off_s)
                continue
            # The step's files at once, then the log that names them.
            yield self._puts(cluster.puts_a_step, rounds=2)
            run.steps_done += 1
        yield worker.cpu.serve(cpu_s)
        yield self._puts(cluster.puts_at_end, rounds=2)
        yield self._database.serve(cluster.finish_s, cluster.commit_s)

    def _puts(self, count: float, rounds: int = 1) -> simpy.Event:
        return self._bucket.serve(count / self.cluster.puts_per_s, rounds * self.cluster.put_s)

    def _heartbeats(self, worker: Worker) -> Step:
        while True:
            yield self.env.timeout(self.cluster.heartbeat_every_s)
            if self.env.now >= worker.serves_at:
                self._database.serve(self.cluster.heartbeat_s)

    def _deaths(self, worker: Worker) -> Step:
        while True:
            yield self.env.timeout(self._random.expovariate(1 / self.cluster.worker_lives_s))
            worker.deaths += 1
            worker.died_at = self.env.now
            worker.serves_at = self.env.now + self.cluster.restart_s

    def _take_over(self, run: Run, died_at: float) -> Step:
        """The heartbeat is missed, and the next sweep finds it; then any worker goes on with the run."""
        found_at = died_at + self.cluster.stalled_after_s + self._random.uniform(0, self.cluster.sweep_every_s)
        yield self.env.timeout(max(found_at - self.env.now, 0.0))
        self.ended.takeovers += 1
        self._stalled.append(run)
        self._wake.succeed()
        self._wake = self.env.event()

    def _end(self, run: Run) -> None:
        self.ends[run.number] += 1
        if self.ended.all in (int(_MEASURED_FROM * self.runs), int(_MEASURED_TO * self.runs)):
            busy_s = {name: station.busy_s for name, station in self._stations().items()}
            busy_s["workers"] = sum(worker.cpu.busy_s for worker in self._workers)
            self._marks.append(_Mark(self.env.now, self.ended.all, busy_s))
        if self.ended.all == self.runs:
            self._over.succeed()


def bottleneck(busy: Mapping[str, float]) -> str:
    """The busiest station, if it is busy nearly all the time; else the runs wait, and more of them at once would help."""
    name = max(busy, key=lambda each: busy[each])
    return name if busy[name] >= _SATURATED else "turns"


def capacity(cluster: Cluster, workers: int) -> dict[str, float]:
    """Runs a second that each station could do if it were the only one."""
    calls = cluster.steps / (1 - cluster.call_fails)
    return {
        "workers": workers / cluster.worker_cpu_s,
        "database": cluster.database_cores / (cluster.claim_s + cluster.finish_s),
        "bucket": cluster.puts_per_s / cluster.puts_a_run,
        "modules": cluster.calls_at_once / (calls * cluster.call_s),
        "turns": workers * cluster.turns / cluster.shortest_run_s,
    }


def tables(rows: Mapping[str, Sequence[Measured]]) -> str:
    """A table for each cluster, a row for each number of workers."""
    stations = ("workers", "database", "bucket", "modules")
    heads = ["workers", "runs/s", "hours for a million", *(f"{name} busy" for name in stations), "takeovers", "bottleneck"]

    def cells(row: Measured) -> list[str]:
        busy = [f"{min(row.busy[name], 1.0):.0%}" for name in stations]
        return [str(row.workers), f"{row.runs_per_s:,.0f}", f"{row.hours:.2f}", *busy, str(row.ended.takeovers), row.bottleneck]

    return "\n\n".join(f"**{name}.**\n\n{table(heads, [cells(row) for row in each])}" for name, each in rows.items())


def section(rows: Mapping[str, Sequence[Measured]], runs: int, seed: int) -> str:
    """What docs/scale.md says of it."""
    about = wrapped(
        f"Each row simulates {runs:,} runs (seed {seed}). *Runs/s* is the rate of the middle, from 10% to 90% of the runs; the"
        " hours are for a million, from the first claim to the last end. *Takeovers* are runs whose worker died."
    )
    assumed = table(["number", "value", "where it comes from"], [[f"`{a}`", f"{b:g}", c] for a, b, c in assumptions()])
    return f"{about}\n\n{tables(rows)}\n\n### What is assumed\n\n{assumed}"


def main() -> None:
    """Simulate what the command line asks for, print it, and write it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=RUNS, metavar="N", help=f"runs of each row ({RUNS:,})")
    parser.add_argument("--seed", type=int, default=SEED, metavar="N")
    parser.add_argument("--write", action="store_true", help="write the section of docs/scale.md")
    arguments = parser.parse_args()
    rows = {
        cluster.name: [Simulation(cluster, workers, arguments.runs, arguments.seed).measured() for workers in WORKERS]
        for cluster in CLUSTERS
    }
    print(tables(rows))
    if arguments.write:
        write_section("simulation", section(rows, arguments.runs, arguments.seed))


if __name__ == "__main__":
    main()
