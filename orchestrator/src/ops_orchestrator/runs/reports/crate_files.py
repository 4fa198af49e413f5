"""The files of a run as entities of an RO-Crate: what each is, its media type, its size and its SHA-256."""

import hashlib
import mimetypes
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from ops_orchestrator.errors import NotFoundError
from ops_orchestrator.runs.integrity.files import read_manifest
from ops_orchestrator.runs.integrity.finding import Findings
from ops_orchestrator.runs.record import (
    DERIVED,
    LOGS,
    MANIFEST,
    MODULES,
    RECORD,
    RESULTS,
    STEPS,
    Results,
    StepRecord,
    step_folder,
)
from ops_orchestrator.runs.reports.entities import Entity, entity, file_id
from ops_orchestrator.runs.store.protocols import StoredRun

_NAMES: Final = {
    RECORD: "Plan and record of the run",
    RESULTS: "Results of all steps",
    LOGS: "Log of the run, one JSON event a line",
    MODULES: "How the modules were called",
    MANIFEST: "SHA-256 of every other file of the run",
}
_STEP_FILES: Final = {
    "request": "What {step} was asked",
    "mapped-request": "The request that the adapter of {step} made",
    "job": "How the job of {step} was asked for",
    "response": "What {step} answered",
    "result": "The result of {step}",
}
# As they are in Python: those of the machine would make another crate of the same run elsewhere.
_TYPES: Final = mimetypes.MimeTypes()
_TYPES.add_type("application/x-ndjson", ".jsonl")


@dataclass(frozen=True)
class CrateFiles:
    """The files of a run by path, as entities."""

    entities: Mapping[str, Entity]

    @classmethod
    def of(cls, run: StoredRun, results: Results) -> "CrateFiles":
        """Describe the files of `run`; hashes are those of its manifest where it has them."""
        described = {
            artifact.path: (f"{artifact.name} of {step}", artifact.media_type.replace("; ", ";"))
            for step, found in results.steps.items()
            for artifact in found.artifacts
            if artifact.path is not None
        }
        hashes = _hashes(run)
        entities = {}
        for path in run.files():
            if path not in DERIVED:
                name, media_type = described.get(path) or (_name(path), _media_type(path))
                entities[path] = _described(run, path, name, media_type, hashes.get(path))
        return cls(entities)

    @property
    def ids(self) -> list[str]:
        """The identifiers of all files."""
        return [str(found["@id"]) for found in self.entities.values()]

    def present(self, *paths: str) -> list[str]:
        """The identifiers of those of `paths` that the run has."""
        return [file_id(path) for path in paths if path in self.entities]

    def of_step(self, step: StepRecord, *stems: str) -> list[str]:
        """The identifiers of the files of a step's last attempt whose names without an ending are among `stems`."""
        folder = f"{step_folder(step.step, step.id)}/"
        names = (path.removeprefix(folder) for path in self.entities if path.startswith(folder))
        return [file_id(folder + name) for name in names if "/" not in name and name.partition(".")[0] in stems]


def _described(run: StoredRun, path: str, name: str, media_type: str, sha256: str | None) -> Entity:
    with closing(run.open(path)) as opened:
        # A file can be read into a buffer, which its declared type does not say.
        digest = sha256 or hashlib.file_digest(opened.file, "sha256").hexdigest()  # type: ignore[arg-type]
        return entity(
            file_id(path),
            "File",
            {
                "name": name,
                "encodingFormat": media_type,
                "contentSize": str(opened.size),
                "sha256": digest,
            },
        )


def _hashes(run: StoredRun) -> dict[str, str]:
    try:
        return read_manifest(run.document(MANIFEST), Findings())
    except NotFoundError:
        return {}


def _name(path: str) -> str:
    folder, _, name = path.rpartition("/")
    described = _STEP_FILES.get(name.partition(".")[0]) if folder.startswith(f"{STEPS}/") else None
    if described is None:
        return _NAMES.get(path, path)
    _, step, *attempt = folder.split("/")
    return described.format(step=f"step {step}") + (f" in attempt {attempt[-1]}" if attempt else "")


def _media_type(path: str) -> str:
    return "text/plain" if path == MANIFEST else _TYPES.guess_type(path)[0] or "application/octet-stream"
