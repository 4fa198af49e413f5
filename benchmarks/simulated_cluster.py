"""What the simulation assumes of a cluster, and where each number comes from."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from results import OURS, read_results
from run_folder import STEPS, read_folder


def _of(source: str, default: Any) -> Any:
    return field(default=default, metadata={"source": source})


DESIGN: Final = "design"
CHOSEN: Final = "chosen"
ASSUMED: Final = "assumed"
BESIDE: Final = "measured, above"
COUNTED: Final = "counted by a test of the object store"
QUEUE: Final = "measured: Procrastinate 3.10 on PostgreSQL 15, statistics up to date"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Times in seconds; each field's metadata has its `source`."""

    name: str = ""
    turns: int = _of("default of OPS_MAX_CONCURRENT_RUNS", 64)
    run_cpu_s: float = _of("measured: docs/performance.md, CPU a run with 128 callers", 0.0)
    queue_cpu_s: float = _of(QUEUE + ": CPU of the worker a run", 0.001)
    put_cpu_s: float = _of(BESIDE + ": CPU of a worker with a bucket beyond one with folders, 11.2 ms for 18 puts", 0.00062)

    database_cores: int = _of(CHOSEN + ": a small server", 4)
    claim_s: float = _of(QUEUE + ": CPU of the database, claim and finish together 1.0 ms", 0.0007)
    finish_s: float = _of(BESIDE + ": CPU of PostgreSQL with one worker and a bucket, but for claim and submission", 0.0026)
    commit_s: float = _of(ASSUMED + ": until a commit is on the database's disk", 0.003)

    puts_per_s: int = _of("what Amazon promises for one prefix of S3", 3500)
    put_s: float = _of(ASSUMED + ": until a put is answered", 0.03)
    puts_at_begin: int = _of(COUNTED + ": run.json, modules.json, the log", 3)
    puts_a_step: float = _of("measured: files of a step of the example scenario, and the log", 0.0)
    puts_at_end: int = _of(COUNTED + ": results.json, the log, the manifest, run.json", 4)

    steps: int = _of("the example scenario", 2)
    call_s: float = _of(CHOSEN, 0.005)
    calls_at_once: int = _of(CHOSEN + ": replicas x calls that each computes at once", 1000)
    call_fails: float = _of(ASSUMED + ": of the calls, which are made again", 0.001)
    back_off_s: float = _of("default of backoff_s", 0.5)

    worker_lives_s: float = _of(ASSUMED + ": until a worker dies, on average", 24 * 3600.0)
    restart_s: float = _of(ASSUMED + ": until it serves again", 10.0)
    heartbeat_every_s: float = _of(DESIGN, 10.0)
    heartbeat_s: float = _of(ASSUMED + ": CPU of the database", 0.0003)
    stalled_after_s: float = _of(DESIGN + ": a heartbeat is missed", 30.0)
    sweep_every_s: float = _of(DESIGN + ": those are looked for", 10.0)
    most_attempts: int = _of(DESIGN + ": OPS_MAX_ATTEMPTS", 5)

    @property
    def puts_a_run(self) -> float:
        """Puts of a run that is executed once."""
        return self.puts_at_begin + self.steps * self.puts_a_step + self.puts_at_end

    @property
    def worker_cpu_s(self) -> float:
        """Processor time of the worker a run."""
        return self.run_cpu_s + self.queue_cpu_s + self.puts_a_run * self.put_cpu_s

    @property
    def shortest_run_s(self) -> float:
        """Seconds that a run takes that waits for nobody else."""
        puts_s = (1 + 2 * self.steps + 2) * self.put_s + self.puts_a_run / self.puts_per_s
        database_s = self.claim_s + self.finish_s + 2 * self.commit_s
        return self.worker_cpu_s + puts_s + database_s + self.steps * self.call_s


def assumptions() -> list[tuple[str, Any, str]]:
    """Each number with its source."""
    return [(each.name, getattr(AT_ONCE, each.name), each.metadata["source"]) for each in fields(AT_ONCE) if each.metadata]


def _measured_cpu_s() -> float:
    cpu_ms = read_results().row(OURS, 1, 128).median("cpu_ms")
    assert cpu_ms is not None  # noqa: S101  # docs/performance.json has it
    return round(cpu_ms / 1000, 6)


_FOLDER: Final = read_folder()
AT_ONCE: Final = Cluster(
    name="One prefix of S3, modules that answer at once",
    run_cpu_s=_measured_cpu_s(),
    puts_a_step=_FOLDER.step_files / STEPS + 1,
)
PARTED: Final = replace(
    AT_ONCE, name="A bucket that takes 70,000 puts a second, modules that answer at once", puts_per_s=70_000
)
SLOW: Final = replace(
    PARTED, name="The same bucket, modules that compute for a second, 4,000 calls at once", call_s=1.0, calls_at_once=4000
)
CLUSTERS: Final = (AT_ONCE, PARTED, SLOW)
