"""The artifacts of a recorded run that its modules delivered by `href`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from starlette.responses import FileResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ops_contract import Artifact, ContractError, ErrorEnvelope, parse_envelope, parse_json
from ops_stubs.errors import RecordingError
from ops_stubs.recording import RecordedStep, Recording
from ops_stubs.request_path import path_below

__all__ = ["RecordedFile", "RecordedFiles", "recorded_files"]

_ARTIFACTS: Final = "artifacts"


@dataclass(frozen=True)
class RecordedFile:
    """An artifact in a run folder, checked when the folder was read."""

    path: Path
    media_type: str
    sha256: str


class RecordedFiles:
    """ASGI middleware: serves `files` at their paths, and leaves every other path to the application (OPS-ART-006)."""

    def __init__(self, app: ASGIApp, *, files: Mapping[str, RecordedFile]) -> None:
        """`files` by their path as it is after decoding, from `/` on."""
        self._app = app
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        file = self._files.get(path_below(scope)) if scope["type"] == "http" and scope["method"] in {"GET", "HEAD"} else None
        if file is None:
            await self._app(scope, receive, send)
            return
        response = FileResponse(file.path, media_type=file.media_type, headers={"X-Content-Type-Options": "nosniff"})
        await response(scope, receive, send)


def recorded_files(recording: Recording, steps: tuple[RecordedStep, ...]) -> dict[str, RecordedFile]:
    """The files that the answers of `steps` refer to by `href`, by the path at which they are served.

    A step that failed may have handed over files that were never received, which then are not served. Raises RecordingError
    when a step that was completed lacks one, and when a file is not what was received.
    """
    files: dict[str, RecordedFile] = {}
    for step in steps:
        for artifact in _by_href(step):
            path = f"/{unquote(artifact.href.lstrip('/'))}"
            file = _file(recording, step, artifact)
            if file is None:
                continue
            if path in files and files[path].sha256 != file.sha256:
                raise RecordingError(
                    f"two steps of the run {recording.run_id} have different files at {path}, of which only one can be served"
                )
            files[path] = file
    return files


def _by_href(step: RecordedStep) -> list[Artifact]:
    try:
        envelope = parse_envelope(parse_json(step.response))
    except ContractError:
        return []  # not an envelope: replayed as it is, and refers to no files
    return [] if isinstance(envelope, ErrorEnvelope) else [artifact for artifact in envelope.artifacts if artifact.href]


def _file(recording: Recording, step: RecordedStep, artifact: Artifact) -> RecordedFile | None:
    name = f"{_ARTIFACTS}/{step.record.id}/{artifact.name}"
    path = recording.folder / name
    try:
        with path.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        if step.record.status != "completed":
            return None
        reason = f"cannot be read ({error.strerror}), so that the answer of the step cannot be given again"
        raise RecordingError(f"{name} in {recording.folder} {reason}; take a run with save_artifacts: true") from error
    recording.check(name, sha256, artifact.sha256)
    return RecordedFile(path, artifact.media_type, sha256)
