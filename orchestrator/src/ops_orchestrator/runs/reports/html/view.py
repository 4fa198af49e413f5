"""All that the report of a run shows, read from its folder once."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

from markupsafe import Markup

from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.runs.citation import Citation
from ops_orchestrator.runs.evidence import uses_of
from ops_orchestrator.runs.record import MODULES, ArtifactRecord, Results, RunRecord, StepRecord, step_folder
from ops_orchestrator.runs.reports.html.briefs import MOST_BYTES, brief_html
from ops_orchestrator.runs.reports.html.figures import FigureTable, figure_table
from ops_orchestrator.runs.reports.html.overview import Overview
from ops_orchestrator.runs.reports.html.pictures import Picture, pictures_linked, pictures_within
from ops_orchestrator.runs.reports.html.sources import StepSources, step_sources
from ops_orchestrator.runs.reports.html.values import SingleValues, single_values
from ops_orchestrator.runs.store.protocols import StoredRun
from ops_orchestrator.runs.synthetic import synthetic_sources


@dataclass(frozen=True)
class FolderLinks:
    """Addresses as they are in a file that lies in the folder of its run."""

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
class ReportView:
    """A run as its report shows it. `synthetic` names the steps whose figures are made up, or rest on what is."""

    run: Overview
    figures: Sequence[FigureTable]
    pictures: Sequence[Picture]
    briefs: Sequence[Brief]
    values: Sequence[SingleValues]
    sources: Sequence[StepSources]
    synthetic: frozenset[str]
    citation: str | None

    @property
    def record(self) -> RunRecord:
        """The run's record."""
        return self.run.record

    @cached_property
    def steps(self) -> Mapping[str, StepRecord]:
        """The steps of the plan, by id."""
        return {step.id: step for step in self.record.steps}

    @classmethod
    def of(cls, run: StoredRun, address: Callable[[str], str] | None = None, now: str | None = None) -> "ReportView":
        """All of `run`. Pictures are there with their bytes, or by the `address` that is made of their path.

        `now` is the time (RFC 3339) up to which a run that goes on is drawn. Raises NotFoundError, DamagedRunError, StoreError.
        """
        record, results = run.record(), run.results()
        sources = synthetic_sources(record, results, uses_of(record, results, lambda: run.document(MODULES)))
        tables = (
            figure_table(step, answered, inherits=any(source != step for source in sources.get(step, ())))
            for step, answered in results.steps.items()
        )
        values = (single_values(step, answered) for step, answered in results.steps.items())
        return cls(
            run=Overview.of(record, results, now),
            figures=[table for table in tables if table.rows],
            pictures=pictures_linked(run, results, address) if address else pictures_within(run, results),
            briefs=_briefs(run, results),
            values=[found for found in values if found.listed],
            sources=step_sources(record, results),
            synthetic=frozenset(sources),
            citation=Citation.of(run).as_text() if record.is_over else None,
        )


def _briefs(run: StoredRun, results: Results) -> list[Brief]:
    return [
        Brief(step, artifact, _html(run, artifact))
        for step, answered in results.steps.items()
        for artifact in answered.artifacts
        if artifact.path and artifact.media_type.partition(";")[0].strip().lower() == "text/markdown"
    ]


def _html(run: StoredRun, artifact: ArtifactRecord) -> Markup | None:
    if artifact.size_bytes > MOST_BYTES or artifact.path is None:
        return None
    try:
        with closing(run.open(artifact.path)) as opened:
            return brief_html(opened.file.read(MOST_BYTES + 1)) if opened.size <= MOST_BYTES else None
    except (NotFoundError, StoreError):
        return None
