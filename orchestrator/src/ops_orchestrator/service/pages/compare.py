"""`/compare?run=A&run=B&ref=A`: two to four runs side by side, the cause first."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ops_orchestrator.charts.words import typeset
from ops_orchestrator.runs.comparison.diff import RunDiff, diff_runs
from ops_orchestrator.runs.comparison.places import Place
from ops_orchestrator.runs.figure_comparison import ComparedFigure, FigureComparison, compare_figures
from ops_orchestrator.runs.figure_tables import csv_of
from ops_orchestrator.runs.record import RunRecord
from ops_orchestrator.runs.reports.html.figures import Bar, bar_of
from ops_orchestrator.runs.reports.html.pictures import Picture, pictures_linked
from ops_orchestrator.runs.run_figures import RunFigures
from ops_orchestrator.runs.run_filter import RunFilter
from ops_orchestrator.runs.scale import RELATIVE, Scale, value_text
from ops_orchestrator.runs.store.protocols import RunStore, StoredRun
from ops_orchestrator.service.pages.run import RunLinks
from ops_orchestrator.service.pages.site import Page, Site

MOST_RUNS: Final = 4
"""So many runs have a letter, a shape and a colour of their own."""

_LETTERS: Final = ("A", "B", "C", "D")
_OFFERED: Final = 30
_LONGEST_VALUE: Final = 200
_NOTHING: Final = "nothing"


@dataclass(frozen=True)
class Side:
    """One of the runs, with its letter."""

    letter: str
    run: StoredRun
    record: RunRecord
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Difference:
    """A place that goes in, with its value in each run; `differs` says which are not that of the reference."""

    place: str
    values: tuple[str, ...]
    differs: tuple[bool, ...]


@dataclass(frozen=True)
class Cell:
    """A figure of one run: value, change and relative change against the reference, and its bar."""

    value: str
    change: str
    relative: str
    bar: Bar | None


@dataclass(frozen=True)
class FigureLine:
    """A key figure in all runs."""

    label: str
    unit: str
    cells: tuple[Cell, ...]


async def compare(site: Site, request: Request) -> Response:
    """The comparison, or a list to choose runs from."""
    chosen = list(dict.fromkeys(request.query_params.getlist("run")))
    if not 2 <= len(chosen) <= MOST_RUNS:
        return await _choose(site, request, chosen)
    reference = request.query_params.get("ref") or ""
    sides = await asyncio.to_thread(_sides, site.parts.store, chosen, reference)
    figures = await asyncio.to_thread(_figures, sides)
    match request.query_params.get("format"):
        case "csv":
            name = 'attachment; filename="comparison.csv"'
            return Response(csv_of(figures), headers={"Content-Disposition": name}, media_type="text/csv; charset=utf-8")
        case "json":
            return JSONResponse(figures.as_json())
    diffs = await asyncio.to_thread(lambda: [diff_runs(sides[0].run, side.run) for side in sides[1:]])
    return site.page(
        request,
        "compare.html",
        sides=sides,
        diffs=list(zip(sides[1:], diffs, strict=True)),
        going_in=_going_in(diffs),
        steps=_steps(sides, diffs),
        figures=_by_step(figures),
        more_figures=figures.more,
        address=str(request.url.query),
        synthetic=any(run.synthetic for run in figures.runs),
    )


PAGES: Final = (Page("/compare", compare),)


async def _choose(site: Site, request: Request, chosen: Sequence[str]) -> Response:
    page = await asyncio.to_thread(site.parts.store.page, _OFFERED, None, RunFilter(outside_sweeps=True))
    known = {run.run_id: run.scenario_id for run in page.runs}
    first = {known.get(run_id) for run_id in chosen}
    offered = sorted(page.runs, key=lambda run: run.scenario_id not in first) if chosen else page.runs
    status = 200 if len(chosen) <= 1 else 422
    return site.page(request, "compare_choose.html", status, chosen=chosen, offered=offered, most=MOST_RUNS)


def _sides(store: RunStore, chosen: Sequence[str], reference: str) -> list[Side]:
    """The runs with their letters; first the reference: the one that is named, or else the oldest."""
    if reference and reference not in chosen:
        raise HTTPException(422, f"The reference {reference!r:.100} is not one of the runs that are compared.")
    found = [(run, run.record()) for run in map(store.run, chosen)]
    found.sort(key=lambda each: (each[1].run_id != reference, each[1].started_at, each[1].run_id))
    return [
        Side(letter, run, record, pictures_linked(run, run.results(), RunLinks(record.run_id).file))
        for letter, (run, record) in zip(_LETTERS, found, strict=False)
    ]


def _figures(sides: Sequence[Side]) -> FigureComparison:
    return compare_figures([RunFigures.of(side.record, side.run.results()) for side in sides])


def _going_in(diffs: Sequence[RunDiff]) -> list[Difference]:
    """Everything that goes in and differs anywhere, by place, with its value in each run."""
    places = dict.fromkeys((layer, place.pointer) for diff in diffs for layer, found in _layers(diff) for place in found)
    return [Difference(f"{layer}{pointer}", *_values(layer, pointer, diffs)) for layer, pointer in places]


def _layers(diff: RunDiff) -> Iterator[tuple[str, Sequence[Place]]]:
    yield "", diff.request.listed
    yield "run_options", diff.options.listed
    yield "plan", diff.plan.listed
    yield "modules", diff.modules.listed
    yield "orchestrator", diff.versions.listed


def _values(layer: str, pointer: str, diffs: Sequence[RunDiff]) -> tuple[tuple[str, ...], tuple[bool, ...]]:
    found = [next((place for place in dict(_layers(diff))[layer] if place.pointer == pointer), None) for diff in diffs]
    first = next(place for place in found if place is not None)
    reference = _side(first, "a")
    others = [reference if place is None else _side(place, "b") for place in found]
    return (reference, *others), (False, *(place is not None for place in found))


def _side(place: Place, name: str) -> str:
    """The value of one side of a place; a side that has none has no such field."""
    return value_text(getattr(place, name), _LONGEST_VALUE) if name in place.model_fields_set else _NOTHING


@dataclass(frozen=True)
class StepLine:
    """A step in all runs: its result in each, and for each but the reference the grade and why."""

    step: str
    results: tuple[str | None, ...]
    grades: tuple[tuple[str, str, str], ...]
    begins: bool


def _steps(sides: Sequence[Side], diffs: Sequence[RunDiff]) -> list[StepLine]:
    names = dict.fromkeys(step.id for diff in diffs for step in diff.steps)
    lines, begun = [], False
    for name in names:
        results = tuple(next((step.result for step in side.record.steps if step.id == name), None) for side in sides)
        found = [next((step for step in diff.steps if step.id == name), None) for diff in diffs]
        grades = tuple(
            (side.letter, step.grade, step.why) for side, step in zip(sides[1:], found, strict=True) if step is not None
        )
        differs = any(grade not in ("identical", "equal") for _, grade, _ in grades)
        lines.append(StepLine(name, results, grades, begins=differs and not begun))
        begun = begun or differs
    return lines


def _by_step(figures: FigureComparison) -> dict[str, list[FigureLine]]:
    tables: dict[str, list[ComparedFigure]] = {}
    for figure in figures.figures:
        tables.setdefault(figure.step, []).append(figure)
    return {step: _lines(found) for step, found in tables.items()}


def _lines(figures: Sequence[ComparedFigure]) -> list[FigureLine]:
    relatives = [abs(value.relative) for figure in figures for value in figure.values if value.relative is not None]
    longest = max(relatives, default=0.0)
    return [
        FigureLine(
            figure.label,
            Scale.of(figure.unit).whole_unit,
            tuple(_cell(figure, at, longest) for at in range(len(figure.values))),
        )
        for figure in figures
    ]


def _cell(figure: ComparedFigure, at: int, longest: float) -> Cell:
    value = figure.values[at]
    change = "" if value.change is None else typeset(Scale.of(value.unit).change(value.change))
    relative = "" if value.relative is None else typeset(RELATIVE.change(value.relative))
    return Cell(typeset(value.text), change, relative, bar_of(value.relative, longest))
