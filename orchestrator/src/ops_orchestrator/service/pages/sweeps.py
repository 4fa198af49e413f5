"""`/sweeps` and `/sweeps/{sweep_id}`: a scenario for many values and seeds, from the form that starts it to its charts."""

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ops_orchestrator.charts.words import typeset
from ops_orchestrator.errors import NotFoundError
from ops_orchestrator.planning.examples import EXAMPLES
from ops_orchestrator.runs.reports.object_leaves import object_leaves
from ops_orchestrator.runs.sweeps.charts import figure_chart
from ops_orchestrator.runs.sweeps.drawn_figure import FAILED, DrawnFigure, Reading
from ops_orchestrator.runs.sweeps.sides import Side, sides_of
from ops_orchestrator.runs.sweeps.state import SweepState
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore
from ops_orchestrator.runs.sweeps.table import FigureColumn, SweepRow, SweepTable
from ops_orchestrator.service.pages.forms import read_form
from ops_orchestrator.service.pages.site import Page, Site

_A_PAGE: Final = 50
_MOST_FIGURES: Final = 12
_MOST_FAILED: Final = 100
_SHADES: Final = 6
_SWEEP: Final = "/sweeps/{sweep_id}"


@dataclass(frozen=True)
class Spread:
    """What the runs at one value came to, in words; empty where there is no figure. `is_own`: the scenario's own value."""

    label: str
    runs: int
    failed: int
    middle: str
    least: str
    most: str
    against: str
    is_own: bool


@dataclass(frozen=True)
class HeatCell:
    """A cell of the table of two parameters: the median of its runs, its shade from 0 to 5, and the run if it is one."""

    text: str
    shade: int | None
    run_id: str | None
    failed: int
    is_own: bool


@dataclass(frozen=True)
class Drawn:
    """What is shown of one figure: its chart, and the table that the chart is a picture of."""

    column: FigureColumn
    unit: str
    chart: Markup
    spreads: tuple[Spread, ...]
    heat: tuple[tuple[HeatCell, ...], ...]
    key: tuple[str, ...]


async def sweeps(site: Site, request: Request) -> Response:
    """The sweeps, newest first, and a form that starts one."""
    cursor = request.query_params.get("cursor") or None
    found, more = await asyncio.to_thread(site.parts.sweeps.page, _A_PAGE, cursor)
    return site.page(request, "sweeps.html", sweeps=found, more=more, inputs=_inputs(), examples=tuple(EXAMPLES))


async def new(site: Site, request: Request) -> Response:
    """A sweep to be written as JSON."""
    scenario = _asked({"example": ["baseline"], "pointer": [_inputs()[0]], "from": ["0.1"], "to": ["0.3"], "step": ["0.02"]})
    return _form(site, request, _as_text(scenario), {})


async def start(site: Site, request: Request) -> Response:
    """Start the sweep that was sent, and show it; what the API refuses is shown above the text, which is kept."""
    fields = await read_form(request, site.parts.hosts)
    text = fields.get("sweep", [""])[0] or _as_text(_asked(fields))
    answer = await site.post(request, "/sweeps", text.encode())
    if not answer.is_good:
        return _form(site, request, text, answer.json, answer.status)
    return site.see(f"/sweeps/{answer.json['sweep_id']}")


async def sweep(site: Site, request: Request) -> Response:
    """One sweep: the figure that the address names, and the others small."""
    sweep_id = request.path_params["sweep_id"]
    state = await asyncio.to_thread(site.parts.sweeps.state, sweep_id)
    reading: Reading = "change" if request.query_params.get("as") == "change" else "level"
    view = await asyncio.to_thread(_view, site.parts.sweeps, state, request.query_params.get("kpi", ""), reading)
    return site.page(request, "sweep.html", state=state, reading=reading, **view)


async def order(site: Site, request: Request) -> Response:
    """Cancel the sweep, or run again what did not complete, and show what became of it."""
    return await site.order(request, "/sweeps", "sweep_id")


PAGES: Final = (
    Page("/sweeps", sweeps),
    Page("/sweeps", start, "POST"),
    Page("/sweeps/new", new),
    Page(_SWEEP, sweep),
    *(Page(f"{_SWEEP}/{name}", order, "POST") for name in ("cancel", "resume")),
)


def _form(site: Site, request: Request, text: str, problem: Mapping[str, Any], status: int = 200) -> Response:
    return site.page(request, "new_sweep.html", status, text=text, problem=problem)


def _inputs() -> list[str]:
    """The inputs of the examples that are numbers, by pointer: those that a range can vary; shares first."""
    found = {
        pointer: value
        for example in EXAMPLES.values()
        for pointer, value in object_leaves(example["inputs"])
        if isinstance(value, int | float)
    }
    return sorted(found, key=lambda pointer: not isinstance(found[pointer], float))


def _asked(fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The sweep that the form asks for. Raises NotFoundError for an example that is not there, HTTPException 422."""
    values = {name: (fields.get(name) or [""])[0].strip() for name in ("example", "pointer", "from", "to", "step", "seeds")}
    if values["example"] not in EXAMPLES:
        raise NotFoundError(f"There is no example {values['example']!r:.60}; there are {', '.join(EXAMPLES)}.")
    varied = {name: _number(name, values[name]) for name in ("from", "to", "step")}
    seeds = {"seeds": _number("seeds", values["seeds"])} if values["seeds"] else {}
    return EXAMPLES[values["example"]] | {"sweep": {"parameters": {values["pointer"]: varied}, **seeds}}


def _number(name: str, text: str) -> float:
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError as error:
        raise HTTPException(422, f"{name} must be a number, such as 0.1, not {text!r:.60}.") from error


def _as_text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _view(store: SweepStore, state: SweepState, key: str, reading: Reading) -> dict[str, Any]:
    table = store.table(state.sweep_id)
    sides = sides_of(table) if table.rows else ()
    figures = [DrawnFigure(table, index, reading) for index in range(len(table.figures[:_MOST_FIGURES]))]
    drawn = [figure for figure in figures if figure.count] if 1 <= len(sides) <= 2 else []
    names = {_name(table.figures[figure.index]): figure for figure in drawn}
    chosen = names.get(key) or next(iter(names.values()), None)
    failed = [row for row in table.rows if row.status not in ("completed", "pending", "running", "queued")]
    return {
        "table": table,
        "sides": sides,
        "names": {name: table.figures[figure.index] for name, figure in names.items()},
        "chosen": chosen and _name(table.figures[chosen.index]),
        "drawn": chosen and _drawn(chosen, sides),
        "others": [_chart(figure, sides) for figure in drawn if figure is not chosen] if len(sides) == 1 else [],
        "failed": failed[:_MOST_FAILED],
        "more_failed": max(len(failed) - _MOST_FAILED, 0),
        "files": [name for name in store.files(state.sweep_id) if name.startswith("table.")],
        "fewer_seeds": _fewer_seeds(table, sides),
    }


def _name(column: FigureColumn) -> str:
    return f"{column.step}/{column.key}"


def _chart(figure: DrawnFigure, sides: Sequence[Side]) -> Markup:
    drawn = figure_chart(figure, sides)
    return Markup(drawn[drawn.index("<svg") :])  # noqa: S704  # drawn by us, every text in it escaped


def _drawn(figure: DrawnFigure, sides: Sequence[Side]) -> Drawn:
    column = figure.table.figures[figure.index]
    chart = _chart(figure, sides)
    if len(sides) == 1:
        return Drawn(column, figure.unit, chart, tuple(_spreads(figure, sides[0])), (), ())
    heat, key = _heat(figure, sides)
    return Drawn(column, figure.unit, chart, (), heat, key)


def _spreads(figure: DrawnFigure, side: Side) -> list[Spread]:
    together = figure.together(side.places, len(side.labels))
    change = DrawnFigure(figure.table, figure.index, "change")
    changes = change.together(side.places, len(side.labels))
    return [
        Spread(
            label=label,
            runs=len(runs.figures),
            failed=runs.failed,
            middle=figure.text(median(runs.figures)) if runs.figures else "",
            least=figure.text(runs.figures[0]) if runs.figures else "",
            most=figure.text(runs.figures[-1]) if runs.figures else "",
            against=change.text(median(changed.figures)) if changed.figures else "",
            is_own=label == side.own_label,
        )
        for label, runs, changed in zip(side.labels, together, changes, strict=True)
    ]


def _heat(figure: DrawnFigure, sides: Sequence[Side]) -> tuple[tuple[tuple[HeatCell, ...], ...], tuple[str, ...]]:
    """The cells, row by row, and what each shade stands for."""
    across, down = sides
    width = len(across.labels)
    places = [y * width + x for x, y in zip(across.places, down.places, strict=True)]
    together = figure.together(places, width * len(down.labels))
    at: dict[int, list[SweepRow]] = {}
    for place, row in zip(places, figure.table.rows, strict=True):
        at.setdefault(place, []).append(row)
    medians = [median(runs.figures) if runs.figures else None for runs in together]
    known = [value for value in medians if value is not None]
    least, most = min(known), max(known)
    size = (most - least) / _SHADES

    def shade(value: float) -> int:
        return min(int((value - least) / size), _SHADES - 1) if size else 0

    def cell(place: int) -> HeatCell:
        value, rows = medians[place], at.get(place, [])
        is_own = across.labels[place % width] == across.own_label and down.labels[place // width] == down.own_label
        run_id = rows[0].run_id if len(rows) == 1 else None
        text = "" if value is None else figure.text(value)
        return HeatCell(text, None if value is None else shade(value), run_id, together[place].failed, is_own)

    rows = tuple(tuple(cell(y * width + x) for x in range(width)) for y in range(len(down.labels)))
    edges = [least + step * size for step in range(_SHADES + 1)]
    steps = itertools.pairwise(edges) if size else [(least, most)]
    return rows, tuple(f"{figure.text(low)} to {figure.text(high)}" for low, high in steps)


def _fewer_seeds(table: SweepTable, sides: Sequence[Side]) -> list[str]:
    """The values at which fewer seeds than usual remain, because runs failed."""
    if len(sides) != 1 or len(table.seeds) < 2:
        return []
    failed = {place for place, row in zip(sides[0].places, table.rows, strict=True) if row.status in FAILED}
    return [typeset(sides[0].labels[place]) for place in sorted(failed)]
