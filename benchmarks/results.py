"""What was measured, and on what: the file from which the document and its chart are made."""

import statistics
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

RESULT_FILE: Final = Path(__file__).parents[1] / "docs/performance.json"

FLOOR: Final = "floor"
PLAIN: Final = "plain program"
OURS: Final = "orchestrator"

STRACED_CALLERS: Final = 16
"""With how many callers system calls are counted."""


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Window(_Kept):
    """What a program did for some seconds; the CPU time is per run, and that of all its processes."""

    runs_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    callers_share: float  # how much of one processor the callers took meanwhile
    modules_share: float  # and the modules


Figure = Literal["runs_per_s", "p50_ms", "p99_ms", "cpu_ms"]
"""A field of a window."""


class Row(_Kept):
    """A program with a number of callers; without windows where this version of it cannot be started so."""

    program: str
    workers: int
    callers: int
    windows: tuple[Window, ...] = ()
    peak_mib: float | None = None
    system_calls: float | None = None  # per run; counted in a run of its own, since it slows the program down

    def figures(self, name: Figure) -> list[float]:
        """One figure of all windows."""
        return [getattr(window, name) for window in self.windows]

    def median(self, name: Figure) -> float | None:
        """The median of one figure, if any was measured."""
        return statistics.median(self.figures(name)) if self.windows else None


class Memory(_Kept):
    """How much memory the orchestrator held (MiB) after so many runs with so many callers, at a commit."""

    commit: str
    callers: int
    samples: tuple[tuple[int, float], ...]


class Scale(_Kept):
    """What a store of so many runs costs, at a commit; ratios are to the same in an empty store."""

    commit: str
    runs: int
    start_s: float
    run_ratio: float
    run_cpu_ratio: float
    pages_ms: tuple[float, float]  # the fastest and the slowest of the lists that were measured
    peak_mib: float
    made_again_s: float  # the index, at once
    run_ratio_meanwhile: float  # a new run while the index is made again in the background, to its usual time


class Pages(_Kept):
    """What the pages cost the service in a store of so many runs, at a commit: processor time of each, in ms, by name.

    `watchers_share` is how much more of a processor it takes while so many watch a live run than while nobody does.
    """

    commit: str
    runs: int
    pages_ms: dict[str, float]
    report_ms: float
    watchers: int
    watchers_share: float


class Crowd(_Kept):
    """What many runs at once do to the service's answers about its health, at a commit: ms, while it is idle and meanwhile.

    So many `runs` of two steps, of `step_s` seconds each, were completed by so many callers in `took_s` seconds.
    """

    commit: str
    callers: int
    step_s: float
    runs: int
    took_s: float
    idle_p50_ms: float
    idle_p99_ms: float
    busy_p50_ms: float
    busy_p99_ms: float


class Earlier(_Kept):
    """This version beside an earlier one, which took turns with it: a pair of windows, this one's first, for each round."""

    commit: str
    earlier: str
    callers: int
    window_s: float
    rounds: tuple[tuple[Window, Window], ...]

    def ratios(self, name: Figure) -> list[float]:
        """One figure of this version to that of the earlier one, in each round."""
        return [getattr(now, name) / getattr(before, name) for now, before in self.rounds]


class Conditions(_Kept):
    """When, of what and on what the rows were measured."""

    date: str
    commit: str
    processor: str
    processors: int
    memory_gib: float
    kernel: str
    file_system: str
    versions: dict[str, str]
    window_s: float


class Results(_Kept):
    """Everything measured; what comes after the rows is measured by itself."""

    conditions: Conditions
    rows: tuple[Row, ...]
    memory: Memory | None = None
    scale: Scale | None = None
    pages: Pages | None = None
    crowd: Crowd | None = None
    earlier: tuple[Earlier, ...] = ()

    def row(self, program: str, workers: int, callers: int) -> Row:
        """The row of a program; an empty one when it was not measured."""
        found = (row for row in self.rows if (row.program, row.workers, row.callers) == (program, workers, callers))
        return next(found, Row(program=program, workers=workers, callers=callers))

    @property
    def callers(self) -> list[int]:
        """The numbers of callers that were measured."""
        return sorted({row.callers for row in self.rows})


def read_results() -> Results:
    """The results that the document was made from."""
    return Results.model_validate_json(RESULT_FILE.read_bytes())


def write_results(results: Results) -> None:
    """Keep results for the document."""
    RESULT_FILE.write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")
