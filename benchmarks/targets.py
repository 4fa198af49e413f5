"""What the orchestrator is meant to reach, as ratios to the other programs or to itself; they hold on any machine."""

from collections.abc import Callable
from typing import Final, NamedTuple

from results import FLOOR, OURS, PLAIN, Figure, Results

CALLERS: Final = (1, 16, 128)
"""How many callers there are at once."""

FLOOR_SHARES: Final = {(16, 1): 0.25, (128, 1): 0.24, (16, 2): 0.40, (128, 2): 0.36}
"""Runs a second by callers and workers, as ratios to the floor with one worker."""

CROWD: Final = 200
"""How many runs there are at once, while the service is asked for its health."""

MEMORY_RUNS: Final = 20_000
"""Over how many runs the memory is watched."""

SETTLED_RUNS: Final = MEMORY_RUNS // 4
"""After so many runs caches and allocator hold what they need."""


class Target(NamedTuple):
    """A bound for one figure; `measured` gives None where it was not measured."""

    text: str
    bound: float
    is_least: bool
    measured: Callable[[Results], float | None]

    def is_met(self, results: Results) -> bool | None:
        """Whether the figure keeps to the bound; None where it was not measured."""
        value = self.measured(results)
        if value is None:
            return None
        return value >= self.bound if self.is_least else value <= self.bound


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None


def _against(program: str, figure: Figure, callers: int, workers: int = 1) -> Callable[[Results], float | None]:
    def measured(results: Results) -> float | None:
        ours = results.row(OURS, workers, callers).median(figure)
        return _ratio(ours, results.row(program, 1, callers).median(figure))

    return measured


def _cpu(results: Results) -> float | None:
    return results.row(OURS, 1, 16).median("cpu_ms")


def _tail(callers: int) -> Callable[[Results], float | None]:
    def measured(results: Results) -> float | None:
        row = results.row(OURS, 1, callers)
        return _ratio(row.median("p99_ms"), row.median("p50_ms"))

    return measured


def _with(callers: int, workers: int = 1) -> str:
    words = "1 caller" if callers == 1 else f"{callers} callers"
    return words if workers == 1 else f"{words} and {workers} workers"


def _floor_share(callers: int, workers: int) -> Target:
    text = f"runs/s with {_with(callers, workers)}, ratio to the floor"
    return Target(text, FLOOR_SHARES[callers, workers], True, _against(FLOOR, "runs_per_s", callers, workers))


def _plain_share(callers: int) -> Target:
    text = f"runs/s with {_with(callers)}, ratio to the plain program"
    return Target(text, 0.5, True, _against(PLAIN, "runs_per_s", callers))


def memory_growth(results: Results) -> float | None:
    """The memory after all runs, as a ratio to that after the first quarter of them."""
    samples = dict(results.memory.samples) if results.memory else {}
    return _ratio(samples.get(MEMORY_RUNS), samples.get(SETTLED_RUNS))


def _health_p99(results: Results) -> float | None:
    return results.crowd.busy_p99_ms if results.crowd else None


TARGETS: Final = (
    Target("p50 with 1 caller, ratio to the floor", 3.5, False, _against(FLOOR, "p50_ms", 1)),
    *(_floor_share(*key) for key in FLOOR_SHARES),
    *map(_plain_share, CALLERS),
    Target("CPU a run with 16 callers, in ms", 3, False, _cpu),
    *(Target(f"p99 with {_with(callers)}, ratio to p50", 3, False, _tail(callers)) for callers in CALLERS),
    Target(f"memory after {MEMORY_RUNS:,} runs, ratio to that after {SETTLED_RUNS:,}", 1.05, False, memory_growth),
    Target(f"p99 of /health with {CROWD} runs at once, in ms", 100, False, _health_p99),
)
