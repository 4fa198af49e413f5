"""Runs a second, latency, CPU and memory of `ops serve`, beside a floor and a plain program that do the same task.

The programs are processes on this machine's loopback. In every round each of them has a window of some seconds, one after
the other, and the median window counts, so that a busy machine slows all of them alike; compare the ratios.
`docs/performance.md` says what the programs do. `make bench` runs a short form, `make performance` writes that document.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

from conditions import commit, conditions
from load import MeasurementError
from measurement import MEMORY_CALLERS, Plan, measure_memory, measure_rows
from performance_page import figures, write_page
from programs import PROGRAMS, Running, module_server
from results import OURS, Memory, Results, read_results, write_results
from targets import CALLERS, MEMORY_RUNS

# Run folders have to lie on a disk, and a folder for temporary files may be in memory. They are deleted at the end only: after
# thousands of deletions ext4 makes new files slowly for more than a minute.
BUILD: Final = Path(__file__).parents[1] / "build"

FULL: Final = Plan(PROGRAMS, CALLERS, windows=5, window_s=5, counts_system_calls=True)
SHORT: Final = Plan(
    programs=tuple(program for program in PROGRAMS if program.workers == 1 or program.name == OURS),
    callers=(1, 16),
    windows=3,
    window_s=1,
    counts_system_calls=False,
)


def main() -> None:
    """Measure what the command line asks for, print it, and write it when asked to."""
    arguments = read_arguments()
    plan = (SHORT if arguments.short else FULL)._replace(
        **{name: value for name in ("windows", "window_s") if (value := getattr(arguments, name)) is not None}
    )
    BUILD.mkdir(exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=BUILD) as name, module_server(Path(name)) as modules:
            results = with_memory(Path(name), modules) if arguments.memory else with_rows(plan, Path(name), modules)
            print("deleting the run folders", file=sys.stderr)
    except MeasurementError as error:
        sys.exit(f"throughput.py: {error}")
    print(figures(results))
    if arguments.write:
        write_results(results)
        write_page(results)


def with_rows(plan: Plan, folder: Path, modules: Running) -> Results:
    """New rows, without what is measured after them."""
    measured_on = conditions(folder, plan.window_s)
    return Results(conditions=measured_on, rows=tuple(measure_rows(plan, folder, modules)))


def with_memory(folder: Path, modules: Running) -> Results:
    """The rows that were written last, with a new memory."""
    samples = measure_memory(MEMORY_RUNS, folder, modules)
    memory = Memory(commit=commit(), callers=MEMORY_CALLERS, samples=samples)
    return read_results().model_copy(update={"memory": memory})


def read_arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="a form that takes one minute, for every change")
    parser.add_argument("--memory", action="store_true", help=f"only watch the orchestrator's memory over {MEMORY_RUNS:,} runs")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its chart")
    parser.add_argument("--windows", type=int, metavar="N", help="windows of each program; the median counts")
    parser.add_argument("--seconds", type=float, metavar="S", dest="window_s", help="how long a window is")
    return parser.parse_args()


if __name__ == "__main__":
    main()
