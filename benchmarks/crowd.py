"""What `/health` takes while 200 runs go on at once, whose modules take a second each, beside what it takes of an idle service.

A short form is part of `make bench`; `make performance` writes the result into docs/performance.md. On a busy machine compare
the two figures: both belong to the same service, and are measured one right after the other.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvloop
from conditions import commit
from load import MeasurementError, callers
from performance_page import crowd_text, write_page
from programs import HERE, Program, Running, explained, module_server, running
from results import OURS, Crowd, read_results, write_results
from targets import CROWD

# Run folders have to lie on a disk, and a folder for temporary files may be in memory.
BUILD: Final = HERE.parent / "build"
STEP_S: Final = 1.0
ROUNDS: Final = 10
SHORT_ROUNDS: Final = 2
IDLE_S: Final = 5.0


@contextmanager
def health_times(port: int) -> Iterator[list[float]]:
    """Ask the service for its health meanwhile; at the end the list has what its answers took, in ms, sorted."""
    words = [sys.executable, str(HERE / "health_times.py"), str(port)]
    found: list[float] = []
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asking:
        try:
            yield found
            printed, _ = asking.communicate()
        finally:
            asking.kill()
    if asking.returncode:
        raise MeasurementError("the service did not say that it is well")
    found += sorted(json.loads(printed))


async def runs_at_once(port: int, count: int) -> float:
    """Have so many runs, as many at once as there are callers; returns the seconds that they took."""
    async with callers(port, CROWD) as load:
        began = time.perf_counter()
        await load.reach(count)
        return time.perf_counter() - began


def measure(folder: Path, modules: Running, rounds: int) -> Crowd:
    """Measure the idle service and the busy one. Raises MeasurementError."""
    program = Program(OURS, 1)
    with running(program, folder, modules) as process, explained(program, process):
        with health_times(process.port) as idle:
            time.sleep(IDLE_S)
        with health_times(process.port) as busy:
            took_s = uvloop.run(runs_at_once(process.port, rounds * CROWD))
    return Crowd(
        commit=commit(),
        callers=CROWD,
        step_s=STEP_S,
        runs=rounds * CROWD,
        took_s=took_s,
        idle_p50_ms=statistics.median(idle),
        idle_p99_ms=idle[int(0.99 * len(idle))],
        busy_p50_ms=statistics.median(busy),
        busy_p99_ms=busy[int(0.99 * len(busy))],
    )


def main() -> None:
    """Measure, print, and write when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="a form that takes some ten seconds, for every change")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    arguments = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=BUILD) as name, module_server(Path(name), STEP_S) as modules:
            measured = measure(Path(name), modules, SHORT_ROUNDS if arguments.short else ROUNDS)
    except MeasurementError as error:
        sys.exit(f"crowd.py: {error}")
    results = read_results().model_copy(update={"crowd": measured})
    print(crowd_text(results))
    if arguments.write:
        write_results(results)
        write_page(results)


if __name__ == "__main__":
    main()
