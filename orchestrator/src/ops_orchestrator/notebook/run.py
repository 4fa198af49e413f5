"""A stored run as an object: what was asked for, what was found, what it rests on, and its files."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from ops_contract import sha256_hex
from ops_orchestrator.cli.opened_run import opened_run
from ops_orchestrator.cli.run_ids import find_run_id
from ops_orchestrator.errors import DamagedRunError, NotFoundError
from ops_orchestrator.notebook.tables import FigureTable, RunFigure, html_table
from ops_orchestrator.runs.citation import is_synthetic
from ops_orchestrator.runs.evidence import RunEvidence
from ops_orchestrator.runs.record import MODULES, ArtifactRecord, Results, RunRecord
from ops_orchestrator.runs.run_figures import RunFigures
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.runs.store.protocols import StoredRun

_PICTURES: Final = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}


@dataclass(frozen=True, repr=False)
class Run:
    """A stored run, as it was when it was opened. `source` is where its files are read from, as `open_run` takes it."""

    source: str
    model: RunRecord = field(hash=False)
    results: Results = field(hash=False)

    def __repr__(self) -> str:
        made_up = ", synthetic" if self.is_synthetic else ""
        return f"<Run {self.id}: {self.scenario_id!r}, {self.status}{made_up}>"

    @property
    def id(self) -> str:
        """The run's id."""
        return self.model.run_id

    @property
    def status(self) -> str:
        """How far the run is, or how it ended."""
        return self.model.status

    @property
    def scenario_id(self) -> str:
        """The scenario that was run."""
        return self.model.scenario_id

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs of the scenario."""
        return dict(self.model.request["inputs"])

    @property
    def folder(self) -> Path:
        """The run's folder. Raises NotFoundError for a run in a zip file, which has none."""
        if (folder := Path(self.source)).is_dir():
            return folder
        raise NotFoundError(f"{self.id} is in a zip file, and has no folder; `ops runs import` puts it into the store.")

    @cached_property
    def record(self) -> dict[str, Any]:
        """run.json."""
        return self.model.model_dump(mode="json")

    @property
    def outputs(self) -> dict[str, dict[str, Any]]:
        """The outputs of each completed step."""
        return {step: answered.outputs for step, answered in self.results.steps.items()}

    @cached_property
    def figures(self) -> FigureTable:
        """The headline figures of all steps; `figures.to_pandas()` is a pandas table."""
        return FigureTable(
            tuple(
                RunFigure(**vars(figure), step=step.step, synthetic=step.synthetic)
                for step in RunFigures.of(self.model, self.results).steps
                for figure in step.figures
            )
        )

    @cached_property
    def evidence(self) -> RunEvidence:
        """What the figures rest on, by completed step."""

        def modules() -> bytes:
            with opened(self) as run:
                return run.document(MODULES)

        return RunEvidence.of(self.model, self.results, modules)

    @property
    def warnings(self) -> dict[str, list[str]]:
        """The warnings of each step that has any."""
        return {step.id: list(step.warnings) for step in self.model.steps if step.warnings}

    @cached_property
    def is_synthetic(self) -> bool:
        """Are some of its figures made up, or do they rest on what is?"""
        return is_synthetic(self.model, self.results)

    @property
    def artifacts(self) -> "list[Artifact]":
        """The files that the steps delivered."""
        return [
            Artifact(self, step, artifact) for step, answered in self.results.steps.items() for artifact in answered.artifacts
        ]

    def artifact(self, name: str, step: str | None = None) -> "Artifact":
        """The artifact `name`; where several steps have one of that name, `step` says which. Raises NotFoundError."""
        found = [one for one in self.artifacts if one.name == name and step in (None, one.step)]
        if len(found) != 1:
            listed = ", ".join(f"{one.step}/{one.name}" for one in (found or self.artifacts)) or "none"
            which = "several artifacts" if found else "no artifact"
            raise NotFoundError(f"{self.id} has {which} {name!r}{f' of {step}' if step else ''}; there are {listed}.")
        return found[0]

    def _repr_html_(self) -> str:
        about = html_table(("run", "scenario", "status"), [(self.id, self.scenario_id, self.status)])
        return about + (self.figures._repr_html_() if self.figures else "")


@dataclass(frozen=True, repr=False)
class Artifact:
    """A file that a step delivered."""

    run: Run
    step: str
    described: ArtifactRecord = field(hash=False)

    def __repr__(self) -> str:
        return f"<Artifact {self.step}/{self.name}: {self.media_type}, {self.size_bytes:,} bytes>"

    @property
    def name(self) -> str:
        """What it is called."""
        return self.described.name

    @property
    def media_type(self) -> str:
        """What its module says that it is."""
        return self.described.media_type

    @property
    def size_bytes(self) -> int:
        """How many bytes it has."""
        return self.described.size_bytes

    @property
    def sha256(self) -> str:
        """The SHA-256 of its bytes, in hex."""
        return self.described.sha256

    @property
    def path(self) -> Path:
        """Its file in the run's folder. Raises NotFoundError for a run without saved artifacts, or one in a zip file."""
        with opened(self.run) as run:
            path = run.location / self._path
            run.open(self._path).close()
        if not path.is_file():
            raise NotFoundError(f"{self.name!r} is in a zip file, and has no path; read_bytes() reads it.")
        return path

    def read_bytes(self) -> bytes:
        """Its bytes, which are checked against the hash. Raises NotFoundError, DamagedRunError."""
        with opened(self.run) as run:
            file = run.open(self._path)
            with closing(file):
                content = file.file.read()
            if sha256_hex(content) != self.sha256:
                raise DamagedRunError(run.location, self._path, "its bytes are not those that the run recorded")
        return content

    def read_text(self) -> str:
        """Its content as UTF-8."""
        return self.read_bytes().decode()

    @property
    def _path(self) -> str:
        if self.described.path is None:
            raise NotFoundError(f"{self.run.id} was made with save_artifacts false: only the hash of {self.name!r} was kept.")
        return self.described.path

    def _repr_png_(self) -> bytes | None:
        return self._picture("image/png")

    def _repr_jpeg_(self) -> bytes | None:
        return self._picture("image/jpeg")

    def _picture(self, media_type: str) -> bytes | None:
        """The bytes of a picture, which begin as such a picture does; None for anything else, which a notebook only names."""
        if self.media_type != media_type or self.described.path is None:
            return None
        content = self.read_bytes()
        return content if content.startswith(_PICTURES[media_type]) else None


RunOrName = Run | str | os.PathLike[str]
"""A run, or what `open_run` takes."""


def open_run(name: str | os.PathLike[str] = "latest", runs_dir: str | os.PathLike[str] | None = None) -> Run:
    """The stored run `name`, read once: its id, the beginning of that, `latest`, or the path of its folder.

    A text with a slash in it is a path. Other names are looked up in `runs_dir`, by default the folder of the service
    (OPS_RUNS_DIR). Raises ConfigurationError for a name of no run or of several, DamagedRunError, StoreError.
    """
    with _found(name, runs_dir) as run:
        record, results, location = run.record(), run.results(), run.location
    # A run in a zip file was unpacked for the time being.
    return Run(str(location.resolve()) if location.is_dir() else _absolute(os.fspath(name)), record, results)


@contextmanager
def opened(run: RunOrName) -> Iterator[StoredRun]:
    """The stored run behind an object, or the run of that name, open for reading."""
    with _found(run.source if isinstance(run, Run) else run, None) as found:
        yield found


@contextmanager
def _found(name: str | os.PathLike[str], runs_dir: str | os.PathLike[str] | None) -> Iterator[StoredRun]:
    if not isinstance(name, str):
        name = _absolute(os.fspath(name))
    if runs_dir is None or os.sep in name:
        with opened_run(name) as run:
            yield run
        return
    with closing(FolderStore.existing(Path(runs_dir))) as store:
        yield store.run(find_run_id(store, name))


def _absolute(name: str) -> str:
    return str(Path(name).absolute())
