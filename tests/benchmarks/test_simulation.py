"""What holds of the simulated cluster whatever its numbers are."""

from dataclasses import replace
from itertools import pairwise

import pytest
from simulated_cluster import AT_ONCE, CLUSTERS, PARTED, SLOW, Cluster
from simulation import Measured, Simulation, capacity

RUNS = 4000
# So few that these runs are many for each of them.
TURNS = 4
SMALL = replace(SLOW, turns=TURNS, call_s=0.2, calls_at_once=200)
DEADLY = replace(SMALL, worker_lives_s=60.0, call_fails=0.05)


def simulated(cluster: Cluster, workers: int, seed: int = 1) -> Measured:
    return Simulation(cluster, workers, RUNS, seed).measured()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_run_ends_once_though_workers_die_and_calls_fail(seed: int) -> None:
    simulation = Simulation(DEADLY, 20, RUNS, seed)
    ended = simulation.measured().ended
    assert simulation.ends == bytes([1] * RUNS)
    assert ended.all == RUNS
    assert ended.takeovers > 0
    assert ended.retries > 0


def test_run_that_is_taken_over_too_often_is_errored() -> None:
    ended = simulated(replace(DEADLY, worker_lives_s=2.0, restart_s=0.1, stalled_after_s=1.0, most_attempts=2), 20).ended
    assert ended.errored > 0
    assert ended.all == RUNS


@pytest.mark.parametrize("cluster", [*CLUSTERS, SMALL, DEADLY], ids=["prefix", "bucket", "slow", "small", "deadly"])
@pytest.mark.parametrize("workers", [1, 10, 60])
def test_no_more_runs_are_done_than_the_scarcest_part_can_do(cluster: Cluster, workers: int) -> None:
    cluster = replace(cluster, turns=TURNS)
    measured = simulated(cluster, workers)
    # But for the calls, whose times are drawn: their mean is that of the draws.
    assert RUNS / measured.took_s <= min(capacity(cluster, workers).values()) * 1.05
    assert all(busy <= 1.05 for busy in measured.busy.values())


def test_more_workers_are_never_slower_until_something_else_is_scarce() -> None:
    rows = [simulated(SMALL, workers) for workers in (2, 5, 10, 20)]
    assert {row.bottleneck for row in rows} == {"turns"}
    assert all(fewer.took_s > more.took_s for fewer, more in pairwise(rows))


@pytest.mark.parametrize(
    ("cluster", "workers", "bottleneck"),
    [
        (PARTED, 2, "workers"),
        (replace(AT_ONCE, turns=4), 20, "bucket"),
        (replace(PARTED, turns=4, database_cores=1), 60, "database"),
        (replace(SMALL, calls_at_once=20), 20, "modules"),
        (SMALL, 2, "turns"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_part_that_is_scarce_is_named(cluster: Cluster, workers: int, bottleneck: str) -> None:
    assert simulated(cluster, workers).bottleneck == bottleneck
    scarcest = capacity(cluster, workers)
    assert min(scarcest, key=lambda part: scarcest[part]) == bottleneck


def test_same_seed_gives_the_same_figures() -> None:
    first, second, other = (simulated(DEADLY, 10, seed) for seed in (7, 7, 8))
    assert first == second != other
