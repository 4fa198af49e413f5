"""docs/performance.md and its chart, made from docs/performance.json; run it after a change of the text or the chart.

`--check` writes nothing and fails when the document is not what the file makes.
"""

import statistics
import sys
import textwrap
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from performance_chart import chart
from results import FLOOR, STRACED_CALLERS, Earlier, Figure, Results, Row, read_results
from targets import SETTLED_RUNS, TARGETS, Target

_DOCS: Final = Path(__file__).parents[1] / "docs"
PAGE: Final = _DOCS / "performance.md"
CHART: Final = _DOCS / "images/performance.svg"
MARKER: Final = "<!-- From here on written by `make performance`. -->\n"


def write_page(results: Results) -> None:
    """Write the document's part below the marker, and the chart."""
    PAGE.write_text(page(results), encoding="utf-8")
    CHART.write_text(chart(results), encoding="utf-8")


def page(results: Results) -> str:
    """The document with these results."""
    above, marker, _ = PAGE.read_text(encoding="utf-8").partition(MARKER)
    return above + marker + "\n" + measured(results)


def measured(results: Results) -> str:
    """What the document says below the marker."""
    parts = [_picture(results), figures(results), _about_rows(results), "## Targets", _verdict(results), _targets(results)]
    parts += [
        "## Memory",
        _memory(results),
        "## Many runs",
        scale_text(results),
        "## Many runs at once",
        crowd_text(results),
        "## Pages",
        pages_text(results),
        "## Beside earlier versions",
        earlier_text(results.earlier),
        "## Conditions",
        _conditions(results),
    ]
    return "\n\n".join(parts) + "\n"


def figures(results: Results) -> str:
    """The table of all rows."""
    numbers = (
        "runs/s",
        "lowest to highest",
        "of the floor",
        "p50 ms",
        "p99 ms",
        "CPU ms a run",
        "peak MiB",
        "system calls a run",
    )
    rows = [_cells(row, results) for row in results.rows]
    return _table(["callers", "program", "workers", *numbers], rows, ("callers", "workers", *numbers))


def _cells(row: Row, results: Results) -> list[str]:
    name = [str(row.callers), row.program, str(row.workers)]
    rate, floor = row.median("runs_per_s"), results.row(FLOOR, 1, row.callers).median("runs_per_s")
    if rate is None:
        return [*name, "not available", *[""] * 7]
    rates = row.figures("runs_per_s")
    speed = [f"{rate:,.0f}", f"{min(rates):,.0f} to {max(rates):,.0f}", f"{rate / floor:.2f}" if floor else ""]
    times = [f"{row.median('p50_ms'):,.1f}", f"{row.median('p99_ms'):,.1f}", f"{row.median('cpu_ms'):.2f}"]
    return [*name, *speed, *times, f"{row.peak_mib:,.0f}", f"{row.system_calls:,.0f}" if row.system_calls else ""]


def _picture(results: Results) -> str:
    rates = (f"{row.program} {rate:,.0f}" for row in _one_worker(results) if (rate := row.median("runs_per_s")) is not None)
    return f"![Runs a second with one worker and {max(results.callers)} callers: {', '.join(rates)}](images/{CHART.name})"


def _one_worker(results: Results) -> Iterator[Row]:
    return (row for row in results.rows if row.workers == 1 and row.callers == max(results.callers))


def _about_rows(results: Results) -> str:
    windows = [window for row in results.rows for window in row.windows]
    callers, modules = (max(getattr(window, name) for window in windows) for name in ("callers_share", "modules_share"))
    count, seconds = max(len(row.windows) for row in results.rows), results.conditions.window_s
    counted = f" System calls were counted by strace with {STRACED_CALLERS} callers, after the windows."
    return _wrapped(
        f"Medians of {count} windows of {seconds:g} s. *Of the floor* is the ratio to the floor with one worker and as many"
        f" callers. CPU and memory are those of all processes of a program; the peak is from its start on, and what its"
        f" processes share counts in each.{counted if any(row.system_calls for row in results.rows) else ''}"
        f" Of one processor, the callers took at most {callers:.0%} and the modules at most {modules:.0%}."
    )


def _verdict(results: Results) -> str:
    verdicts = [target.is_met(results) for target in TARGETS]
    met, missed, open_ = (verdicts.count(verdict) for verdict in (True, False, None))
    return _wrapped(
        f"Met: {met} of {len(verdicts)} targets. Missed: {missed}. Not measured: {open_}."
        " Ratios are of medians, and to the floor and the plain program with one worker."
    )


def _targets(results: Results) -> str:
    heads = ["figure of the orchestrator", "target", "measured", "met"]
    return _table(heads, [_target_cells(target, results) for target in TARGETS], numbers=("measured",))


def _target_cells(target: Target, results: Results) -> list[str]:
    value, is_met = target.measured(results), target.is_met(results)
    bound = f"at {'least' if target.is_least else 'most'} {target.bound:g}"
    verdict = {True: "yes", False: "no", None: "not measured"}[is_met]
    return [target.text, bound, f"{value:.3f}" if value is not None else "", verdict]


def _memory(results: Results) -> str:
    if results.memory is None:
        return "Not measured."
    held = dict(results.memory.samples)
    points = [f"{held[runs]:,.1f} MiB after {runs:,} runs" for runs in sorted({min(held), SETTLED_RUNS, max(held)} & set(held))]
    return _wrapped(
        f"With one worker and {results.memory.callers} callers, the orchestrator held {', '.join(points)}"
        f" (commit {results.memory.commit})."
    )


def scale_text(results: Results) -> str:
    """What a store of many runs costs."""
    scale = results.scale
    if scale is None:
        return "Not measured."
    fastest, slowest = scale.pages_ms
    return _wrapped(
        f"With {scale.runs:,} runs in the store (commit {scale.commit}), a new run takes {scale.run_ratio:.2f} times as long"
        f" as in an empty store, and {scale.run_cpu_ratio:.2f} times the CPU. It starts in {scale.start_s:.2f} s, a page"
        f" of 50 runs takes {fastest:.1f} to {slowest:.1f} ms, whatever it is filtered by, and memory reaches"
        f" {scale.peak_mib:,.0f} MiB. An index that was lost is made again in {scale.made_again_s:,.0f} s at once; in the"
        f" background of a service, a new run takes {scale.run_ratio_meanwhile:.2f} times as long meanwhile."
    )


def crowd_text(results: Results) -> str:
    """What the service says of its health while many runs go on at once."""
    crowd = results.crowd
    if crowd is None:
        return "Not measured."
    return _wrapped(
        f"{crowd.callers} callers have a run each at once, of two steps that take {crowd.step_s:g} s each, and begin the next"
        f" when it is over (commit {crowd.commit}). Meanwhile `/health`, asked 40 times a second, takes"
        f" {crowd.busy_p50_ms:.1f} ms at the median and {crowd.busy_p99_ms:.1f} ms at the 99th percentile. Right before, while"
        f" the service did nothing else, it took {crowd.idle_p50_ms:.1f} and {crowd.idle_p99_ms:.1f} ms. All {crowd.runs:,}"
        f" runs completed, in {crowd.took_s:.1f} s."
    )


def pages_text(results: Results) -> str:
    """What the pages cost."""
    pages = results.pages
    if pages is None:
        return "Not measured."
    each = ", ".join(f"{name} {ms:.0f} ms" for name, ms in pages.pages_ms.items())
    return _wrapped(
        f"With {pages.runs:,} runs in the store (commit {pages.commit}), the pages take so much processor time of the service:"
        f" {each}; the report of a run of six modules {pages.report_ms:.0f} ms. While {pages.watchers} browsers watch one live"
        f" run, the service takes {pages.watchers_share:.1%} of a processor more than while nobody does."
    )


def earlier_text(versions: Sequence[Earlier]) -> str:
    """How this version compares with earlier ones."""
    if not versions:
        return "Not measured."
    numbers = (
        "callers",
        "CPU ms a run",
        "earlier CPU",
        "CPU ratio",
        "CPU lowest to highest",
        "runs/s ratio",
        "runs/s lowest to highest",
    )
    table = _table(["commit", "earlier", *numbers], [_earlier_cells(version) for version in versions], numbers)
    rounds, seconds = len(versions[-1].rounds), versions[-1].window_s
    about = _wrapped(
        f"`ops serve` of both versions, started at once, took turns of {seconds:g} s, {rounds} each, and every other round in"
        " the other order. Ratios are this version to the earlier one in the same round: the median, and all of them. A CPU"
        " ratio over 1 means that this one is slower. `make bench-against REV=...` repeats it with any revision."
    )
    return f"{table}\n\n{about}"


def _earlier_cells(version: Earlier) -> list[str]:
    now, before = (statistics.median(pair[side].cpu_ms for pair in version.rounds) for side in (0, 1))
    cells = [version.commit, version.earlier, str(version.callers), f"{now:.2f}", f"{before:.2f}"]
    names: tuple[Figure, ...] = ("cpu_ms", "runs_per_s")
    for ratios in map(version.ratios, names):
        cells += [f"{statistics.median(ratios):.3f}", f"{min(ratios):.2f} to {max(ratios):.2f}"]
    return cells


def _conditions(results: Results) -> str:
    conditions = results.conditions
    rows = {
        "commit": conditions.commit,
        "date": conditions.date,
        "processors": f"{conditions.processors} of {conditions.processor}",
        "memory": f"{conditions.memory_gib:g} GiB",
        "system": f"{conditions.kernel}, run folders on {conditions.file_system}",
        "versions": ", ".join(f"{name} {number}" for name, number in conditions.versions.items()),
    }
    return _table(["", ""], [list(row) for row in rows.items()])


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str] = ()) -> str:
    """A Markdown table, padded so that a terminal shows it as one; columns named in `numbers` are aligned on the right."""
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
    rules = ["-" * (width - 1) + ":" if head in numbers else "-" * width for head, width in zip(heads, widths, strict=True)]

    def line(cells: Sequence[str]) -> str:
        aligned = (
            cell.rjust(width) if head in numbers else cell.ljust(width)
            for head, cell, width in zip(heads, cells, widths, strict=True)
        )
        return f"| {' | '.join(aligned)} |"

    return "\n".join([line(heads), line(rules), *map(line, rows)])


def main() -> None:
    """Write the document, or check it."""
    results = read_results()
    if "--check" not in sys.argv[1:]:
        write_page(results)
    elif (PAGE.read_text(encoding="utf-8"), CHART.read_text(encoding="utf-8")) != (page(results), chart(results)):
        sys.exit("docs/performance.md is not what docs/performance.json makes; run python benchmarks/performance_page.py")


if __name__ == "__main__":
    main()
