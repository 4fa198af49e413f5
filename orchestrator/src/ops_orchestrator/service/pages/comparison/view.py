"""All that the page of a comparison shows, of runs that are each read once."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from markupsafe import Markup

from ops_orchestrator.charts.line_chart import stroke
from ops_orchestrator.runs.comparison.diff import RunDiff
from ops_orchestrator.runs.comparison.selection import read_sides
from ops_orchestrator.runs.comparison.several import WITHOUT_TEXTS, SeveralRuns
from ops_orchestrator.runs.comparison.sides import Pair, Side
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.runs.synthetic import synthetic_sources
from ops_orchestrator.service.pages.comparison.cause import Cause, causes
from ops_orchestrator.service.pages.comparison.figure_rows import FigureTable, figure_tables
from ops_orchestrator.service.pages.comparison.files import (
    BriefChange,
    Files,
    Plots,
    brief_changes,
    differing,
    file_rows,
    plots,
)
from ops_orchestrator.service.pages.comparison.going_in import GoingIn, going_in
from ops_orchestrator.service.pages.comparison.outputs import StepOutputs, other_outputs
from ops_orchestrator.service.pages.comparison.over_time import OverTime, over_time
from ops_orchestrator.service.pages.comparison.step_rows import StepRows, step_rows


@dataclass(frozen=True)
class ComparisonView:
    """A comparison: `sides` are the runs, the reference first, and `diffs` those of all others against it."""

    sides: Sequence[Side]
    diffs: Sequence[RunDiff]
    headings: Sequence[str]
    causes: Sequence[Cause]
    notes: Sequence[str]
    going_in: GoingIn
    steps: StepRows
    figures: Sequence[FigureTable]
    more_figures: int
    over_time: OverTime
    plots: Sequence[Plots]
    more_plots: int
    briefs: Sequence[BriefChange]
    more_briefs: int
    outputs: Sequence[StepOutputs]
    files: Files
    synthetic: frozenset[str]

    @property
    def legend(self) -> list[tuple[Markup, str, str]]:
        """A piece of the line of each run, its letter and its heading, by letter."""
        named = sorted(zip(self.sides, self.headings, strict=True), key=lambda each: each[0].name)
        return [(Markup(stroke(side.name.lower())), side.name, heading) for side, heading in named]  # noqa: S704  # ours

    @property
    def address(self) -> str:
        """The parameters of this comparison in an address, its reference always among them."""
        by_name = sorted(self.sides, key=lambda side: side.name)
        runs = [("run", side.run.run_id) for side in by_name]
        return urlencode([*runs, ("ref", self.sides[0].run.run_id)])

    @classmethod
    def of(cls, store: RunStore, run_ids: Sequence[str], reference: str) -> "ComparisonView":
        """The runs side by side. Raises InvalidRequestError, NotFoundError, DamagedRunError, StoreError."""
        sides = read_sides(store, run_ids, reference)
        several = SeveralRuns.of(sides)
        diffs, figures, series = several.diffs(WITHOUT_TEXTS), several.figures(), over_time(several.series(), sides)
        tables, rows = figure_tables(figures, sides), file_rows(sides)
        listed = sum(len(table.rows) for table in tables)
        pictures, more_plots = plots(sides)
        briefs, more_briefs = brief_changes(sides, rows)
        shown: dict[str, list[str]] = {table.step: ["kpis"] for table in tables}
        for drawn in series.drawn:
            shown.setdefault(drawn.series.step, []).append("path")
        return cls(
            sides=sides,
            diffs=diffs,
            headings=[run.heading for run in figures.runs],
            causes=causes(sides, diffs),
            notes=[*dict.fromkeys(note for diff in diffs for note in diff.notes)],
            going_in=going_in([Pair(sides[0], side) for side in sides[1:]]),
            steps=step_rows(sides, diffs),
            figures=tables,
            more_figures=len(figures.figures) - listed + figures.more,
            over_time=series,
            plots=pictures,
            more_plots=more_plots,
            briefs=briefs,
            more_briefs=more_briefs,
            outputs=other_outputs(sides, shown),
            files=differing(rows),
            synthetic=frozenset(step for side in sides for step in synthetic_sources(side.record, side.found)),
        )
