"""Measuring the programs in turn: windows of some seconds, system calls, and memory over many runs."""

import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

import uvloop
from load import MeasurementError, callers
from process_tree import cpu_s, peak_mib, resident_mib
from programs import Program, Running, explained, running
from results import OURS, STRACED_CALLERS, Row, Window
from strace_count import system_calls

MEMORY_CALLERS: Final = 16
_STRACED_RUNS: Final = 200
_SAMPLE_RUNS: Final = 1000
_LEAST_FREE_BYTES: Final = 5 * 10**9


class Plan(NamedTuple):
    """How much is measured: which programs, with how many callers, and in how many windows of which length."""

    programs: tuple[Program, ...]
    callers: tuple[int, ...]
    windows: int
    window_s: float
    counts_system_calls: bool


def measure_rows(plan: Plan, folder: Path, modules: Running) -> Iterator[Row]:
    """A row for each program and number of callers; programs take turns. Raises MeasurementError."""
    for count in plan.callers:
        with ExitStack() as stack:
            started = {
                program: stack.enter_context(running(program, folder / f"{count}-callers", modules))
                for program in plan.programs
                if program.is_available
            }
            windows: dict[Program, list[Window]] = {program: [] for program in plan.programs}
            for number in range(plan.windows):
                check_room(folder)
                print(f"callers: {count}, round {number + 1} of {plan.windows}", file=sys.stderr)
                for program, process in started.items():
                    with explained(program, process):
                        windows[program].append(uvloop.run(measure_window(process, modules, count, plan.window_s)))
            for program in plan.programs:
                is_straced = plan.counts_system_calls and count == STRACED_CALLERS
                yield _row(program, count, windows[program], started.get(program), is_straced=is_straced)


def measure_memory(runs: int, folder: Path, modules: Running) -> tuple[tuple[int, float], ...]:
    """The memory (MiB) that the orchestrator holds after each thousand of so many runs. Raises MeasurementError."""

    async def sampled(process: Running) -> tuple[tuple[int, float], ...]:
        samples = []
        async with callers(process.port, MEMORY_CALLERS) as load:
            for completed in range(_SAMPLE_RUNS, runs + 1, _SAMPLE_RUNS):
                check_room(folder)
                await load.reach(completed)
                samples.append((completed, resident_mib(process.pid)))
                print(f"{completed} runs: {samples[-1][1]:.1f} MiB", file=sys.stderr)
        return tuple(samples)

    program = Program(OURS, 1)
    with running(program, folder, modules) as process, explained(program, process):
        return uvloop.run(sampled(process))


def check_room(folder: Path) -> None:
    """Raise MeasurementError before the disk is full, which would trouble others than the measured programs."""
    if (free := shutil.disk_usage(folder).free) < _LEAST_FREE_BYTES:
        raise MeasurementError(
            f"only {free / 10**9:.1f} GB are free below {folder.parent}; the run folders need about 30 GB in all"
        )


async def measure_window(process: Running, modules: Running, count: int, window_s: float) -> Window:
    """What a program does in so many seconds for `count` callers. Raises MeasurementError."""
    async with callers(process.port, count) as load:
        await load.reach(count)
        load.latencies.clear()
        begun = load.completed
        started, before = time.perf_counter(), _cpu_s(process, modules)
        await load.last(window_s)
        # Where runs end in step, a shorter window would hold a whole batch of them or none.
        await load.reach(begun + count)
        took_s, after = time.perf_counter() - started, _cpu_s(process, modules)
        latencies = sorted(load.latencies)
    program_s, callers_s, modules_s = (end - begin for begin, end in zip(before, after, strict=True))
    return Window(
        runs_per_s=len(latencies) / took_s,
        p50_ms=1000 * statistics.median(latencies),
        p99_ms=1000 * latencies[int(0.99 * len(latencies))],
        cpu_ms=1000 * program_s / len(latencies),
        callers_share=callers_s / took_s,
        modules_share=modules_s / took_s,
    )


def _cpu_s(process: Running, modules: Running) -> tuple[float, float, float]:
    """Seconds of processor time of the program, of the callers, which are this process, and of the modules."""
    return cpu_s(process.pid), time.process_time(), cpu_s(modules.pid)


def _row(program: Program, count: int, windows: list[Window], process: Running | None, *, is_straced: bool) -> Row:
    row = Row(program=program.name, workers=program.workers, callers=count)
    if process is None:
        return row
    measured = {"windows": tuple(windows), "peak_mib": peak_mib(process.pid)}
    return row.model_copy(update=measured | {"system_calls": _system_calls(process) if is_straced else None})


def _system_calls(process: Running) -> float | None:
    async def make_runs() -> None:
        async with callers(process.port, STRACED_CALLERS) as load:
            await load.reach(_STRACED_RUNS)
        made.append(load.completed)

    made: list[int] = []
    calls = system_calls(process.pid, lambda: uvloop.run(make_runs()))
    return calls / made[0] if calls is not None else None
