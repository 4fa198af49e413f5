"""The chart of docs/performance.md: runs a second of each program, one panel per number of callers, as SVG."""

from collections.abc import Iterator
from typing import Final

from results import FLOOR, OURS, PLAIN, Results, Row
from targets import FLOOR_SHARES

WIDTH: Final = 800
_LEFT, _TOP, _RIGHT = 184, 76, 14
_BAR, _GAP, _GROUP = 15, 4, 16
_CHARACTER: Final = 7  # about as wide as the widest digit
_LABEL: Final = 38  # room for a figure beside the longest bar
_CLASSES: Final = {FLOOR: "floor", PLAIN: "plain", OURS: "ours"}

# The series' colours are those of the project's pages, for a light and a dark ground.
_STYLE: Final = """\
text { font: 12px system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif; fill: #1f2937 }
.soft { fill: #556070 } .strong { font-weight: 600 } .end { text-anchor: end }
.axis { stroke: #9ca3af } .goal { stroke: #1f2937; stroke-width: 2 }
.floor { fill: #6b7280 } .plain { fill: #0072b2 } .ours { fill: #d55e00 }
.two { fill-opacity: .5 }
@media (prefers-color-scheme: dark) {
text { fill: #e4e8ed } .soft { fill: #a3adb9 } .axis { stroke: #5b6673 } .goal { stroke: #e4e8ed }
.floor { fill: #9aa4b1 } .plain { fill: #56b4e9 } .ours { fill: #ff8f3f }
}"""


def chart(results: Results) -> str:
    """The whole picture; it loads nothing and has no script."""
    panels = list(_panels(results))
    height = _y(len(_CLASSES), 0) + 8
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            "<title>Runs a second of each program, by the number of callers</title>",
            f"<style>\n{_STYLE}\n</style>",
            '<text x="0" y="16" class="strong">Runs a second</text>',
            '<text x="0" y="34" class="soft">each caller waits for its run before the next; a mark is the target</text>',
            *_names(),
            *panels,
            "</svg>",
            "",
        ]
    )


def _y(group: int, worker: int) -> int:
    """The upper edge of a bar."""
    return _TOP + group * (2 * _BAR + _GAP + _GROUP) + worker * (_BAR + _GAP)


def _names() -> Iterator[str]:
    for group, name in enumerate(_CLASSES):
        yield f'<text x="0" y="{_y(group, 0) + 12}" class="strong">{name}</text>'
        for worker, words in enumerate(("1 worker", "2 workers")):
            yield f'<text x="{_LEFT - 10}" y="{_y(group, worker) + 12}" class="soft end">{words}</text>'


def _panels(results: Results) -> Iterator[str]:
    width = (WIDTH - _LEFT - _RIGHT) / max(1, len(results.callers))
    fastest = max((row.median("runs_per_s") or 0 for row in results.rows), default=0)
    scale = (width - _LABEL - 12) / (fastest or 1)
    for number, callers in enumerate(results.callers):
        x = _LEFT + number * width
        yield f'<text x="{x:.1f}" y="{_TOP - 16}" class="strong">{callers} caller{"s" if callers > 1 else ""}</text>'
        yield f'<path d="M{x:.1f} {_TOP - 8}V{_y(len(_CLASSES), 0) - _GROUP + 8}" class="axis"/>'
        for group, name in enumerate(_CLASSES):
            for workers in (1, 2):
                goal = _goal(results, callers, workers) if name == OURS else None
                yield from _bar(results.row(name, workers, callers), goal, x, _y(group, workers - 1), scale)


def _bar(row: Row, goal: float | None, x: float, y: int, scale: float) -> Iterator[str]:
    rate = row.median("runs_per_s")
    words, label = ("soft", "not available") if rate is None else ("", f"{rate:,.0f}")
    classes = _CLASSES[row.program] + (" two" if row.workers > 1 else "")
    if rate is not None:
        yield f'<rect x="{x:.1f}" y="{y}" width="{rate * scale:.1f}" height="{_BAR}" class="{classes}"/>'
    if goal is not None:
        yield f'<path d="M{x + goal * scale:.1f} {y - 1}v{_BAR + 2}" class="goal"/>'
    end, mark = x + (rate or 0) * scale, x + (goal or 0) * scale
    # Between the bar and the mark where there is room; behind the mark, a figure could be taken for the target.
    left = 5 + (end if mark - end > 12 + _CHARACTER * len(label) else max(end, mark))
    yield f'<text x="{left:.1f}" y="{y + 12}" class="{words}">{label}</text>'


def _goal(results: Results, callers: int, workers: int) -> float | None:
    """The runs a second that the orchestrator is meant to make, where there is such a target."""
    share, floor = FLOOR_SHARES.get((callers, workers)), results.row(FLOOR, 1, callers).median("runs_per_s")
    return share * floor if share is not None and floor is not None else None
