"""All that the report of a run shows, read from its folder once."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import ClassVar, Final
from urllib.parse import quote

from markupsafe import Markup

from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.runs.citation import Citation
from ops_orchestrator.runs.evidence import uses_of
from ops_orchestrator.runs.record import MODULES, ArtifactRecord, RunRecord, StepRecord, step_folder
from ops_orchestrator.runs.reports.html.briefs import MOST_BRIEFS, MOST_BYTES, MOST_EFFORT, MOST_HTML, brief_html, effort
from ops_orchestrator.runs.reports.html.figures import MOST_FIGURES_TOGETHER, FigureTable, figure_table
from ops_orchestrator.runs.reports.html.overview import Overview
from ops_orchestrator.runs.reports.html.pictures import Picture, pictures_left_out, pictures_linked, pictures_within
from ops_orchestrator.runs.reports.html.room import Room
from ops_orchestrator.runs.reports.html.sources import StepSources, step_sources
from ops_orchestrator.runs.reports.html.values import MOST_VALUES_TOGETHER, SingleValues, single_values
from ops_orchestrator.runs.store.protocols import StoredRun
from ops_orchestrator.runs.synthetic import synthetic_sources

MOST_WARNINGS: Final = 200
"""So many warnings are shown; the rest is counted."""


@dataclass(frozen=True)
class FolderLinks:
    """Addresses as they are in a file that lies in the folder of its run, which has nothing of a step that got no answer."""

    has_every_step: ClassVar = False

    def file(self, path: str) -> str:
        """The address of a file of the folder."""
        return quote(path)

    def step(self, number: int, step_id: str) -> str:
        """Where people find what a step was asked and answered."""
        return f"{quote(step_folder(number, step_id))}/"


@dataclass(frozen=True)
class Brief:
    """A Markdown artifact of a step; `html` is None where it is too long to be shown, or no longer there."""

    step: str
    artifact: ArtifactRecord
    html: Markup | None


@dataclass(frozen=True)
class Warned:
    """A warning of a step."""

    step: str
    text: str


@dataclass(frozen=True)
class ReportView:
    """A run as its report shows it. `synthetic` names the steps whose figures are made up, or rest on what is.

    A page of a run that goes on shows a part of it only: what takes long is read when it is asked for.
    """

    stored: StoredRun
    run: Overview
    figures: Sequence[FigureTable]
    pictures: Sequence[Picture]
    synthetic: frozenset[str]

    @property
    def record(self) -> RunRecord:
        """The run's record."""
        return self.run.record

    @cached_property
    def steps(self) -> Mapping[str, StepRecord]:
        """The steps of the plan, by id."""
        return {step.id: step for step in self.record.steps}

    @property
    def scenario(self) -> str:
        """What was asked for, as JSON in lines."""
        return json.dumps(self.record.request, indent=2, ensure_ascii=False)

    @property
    def more_pictures(self) -> int:
        """How many files that are called pictures are not shown."""
        return pictures_left_out(self.run.results)

    @cached_property
    def all_briefs(self) -> Sequence[tuple[str, ArtifactRecord]]:
        """Every Markdown artifact, with the step that wrote it."""
        return [
            (step, artifact)
            for step, answered in self.run.results.steps.items()
            for artifact in answered.artifacts
            if artifact.path and artifact.media_type.partition(";")[0].strip().lower() == "text/markdown"
        ]

    @cached_property
    def briefs(self) -> Sequence[Brief]:
        """The first briefs, as many of them with their text as have room together."""
        room = _BriefRoom(Room(MOST_BYTES), Room(MOST_EFFORT), Room(MOST_HTML))
        return [Brief(step, artifact, _html(self.stored, artifact, room)) for step, artifact in self.all_briefs[:MOST_BRIEFS]]

    @cached_property
    def warnings(self) -> Sequence[Warned]:
        """The first warnings, in the order of the steps."""
        every = (Warned(step.id, text) for step in self.record.steps for text in step.warnings)
        return list(islice(every, MOST_WARNINGS))

    @cached_property
    def values(self) -> Sequence[SingleValues]:
        """The single values of each step that has some."""
        room = Room(MOST_VALUES_TOGETHER)
        found = (single_values(step, answered, room) for step, answered in self.run.results.steps.items())
        return [values for values in found if values.listed or values.more]

    @cached_property
    def sources(self) -> Sequence[StepSources]:
        """The evidence of each step that gave some."""
        return step_sources(self.record, self.run.results)

    @cached_property
    def citation(self) -> str | None:
        """How the run is cited once it is over."""
        return Citation.of(self.stored, known=(self.record, self.run.results)).as_text() if self.record.is_over else None

    @classmethod
    def of(cls, run: StoredRun, address: Callable[[str], str] | None = None, now: str | None = None) -> "ReportView":
        """The view of `run`. Pictures are there with their bytes, or by the `address` that is made of their path.

        `now` is the time (RFC 3339) up to which a run that goes on is drawn. Raises NotFoundError, DamagedRunError, StoreError,
        as may all that is read later.
        """
        record, results = run.record(), run.results()
        sources = synthetic_sources(record, results, uses_of(record, results, lambda: run.document(MODULES)))
        room = Room(MOST_FIGURES_TOGETHER)
        tables = (
            figure_table(step, answered, room, inherits=any(source != step for source in sources.get(step, ())))
            for step, answered in results.steps.items()
        )
        return cls(
            stored=run,
            run=Overview.of(record, results, now),
            figures=[table for table in tables if table.rows or table.more],
            pictures=pictures_linked(run, results, address) if address else pictures_within(run, results),
            synthetic=frozenset(sources),
        )


@dataclass(frozen=True)
class _BriefRoom:
    """What is left for further briefs: bytes that are read, effort of reading them as Markdown, characters of HTML."""

    content: Room
    effort: Room
    html: Room


def _html(run: StoredRun, artifact: ArtifactRecord, room: _BriefRoom) -> Markup | None:
    if artifact.size_bytes > room.content.left or artifact.path is None:
        return None
    try:
        with closing(run.open(artifact.path)) as opened:
            if opened.size > room.content.left:
                return None
            content = opened.file.read(room.content.take(opened.size))
    except (NotFoundError, StoreError):
        return None
    if (wanted := effort(content)) > room.effort.left:
        return None
    room.effort.take(wanted)
    html = brief_html(content)
    if len(html) > room.html.left:
        return None
    room.html.take(len(html))
    return html
