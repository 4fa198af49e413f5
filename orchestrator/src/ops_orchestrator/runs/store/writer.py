"""One run on disk while it is written: turns events into the files of `runs/<run_id>/`. See runs/README.md for the layout.

Everything here blocks; callers on the event loop go through `asyncio.to_thread`, one event at a time.
"""

import fcntl
import hashlib
import json
import mimetypes
import os
import shutil
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel

from ops_contract import JsonError, parse_json, sha256_hex
from ops_orchestrator.exchange import Exchange
from ops_orchestrator.masking import masked
from ops_orchestrator.modules.answer import ReceivedArtifact
from ops_orchestrator.planning.steps import Step
from ops_orchestrator.runs.events import Event, RunEnded, RunStarted, StepCompleted, StepFailed, log_line
from ops_orchestrator.runs.provenance import manifest
from ops_orchestrator.runs.record import ARTIFACTS, LOGS, MANIFEST, RECORD, RESULTS, RunRecord, RunState, artifact_path

STAGING: Final = ".staging"
NEW_PREFIX: Final = ".new-"
MAPPED_REQUEST: Final = "mapped-request.json"


class RunFolder:
    """The folder of a run that is under way. Its log is locked as long as the run is alive."""

    def __init__(self, path: Path, started: RunStarted) -> None:
        self.path = path
        self.state = RunState(started)
        self._keep_artifacts = started.scenario.run_options.save_artifacts
        self._hashes: dict[str, str] = {}
        self._one_at_a_time = threading.Lock()
        self._log = (path / LOGS).open("ab")
        fcntl.flock(self._log, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @classmethod
    def create(cls, path: Path, started: RunStarted) -> Self:
        """Make the folder with its first documents. Raises FileExistsError when the name is taken, and OSError."""
        if path.exists():
            raise FileExistsError(path)
        # Made aside and renamed, so that nobody ever sees a run folder without its record.
        aside = path.with_name(f"{NEW_PREFIX}{path.name}")
        aside.mkdir()
        folder: Self | None = None
        try:
            for name in (STAGING, ARTIFACTS, "steps"):
                (aside / name).mkdir()
            folder = cls(aside, started)
            folder.record(started)
            aside.rename(path)
        except BaseException:
            if folder is not None:
                with suppress(OSError):  # a full disk refuses even what is still buffered
                    folder.close()
            shutil.rmtree(aside, ignore_errors=True)
            raise
        folder.path = path
        return folder

    @property
    def staging(self) -> Path | None:
        """Where fetched artifacts wait until their step is complete; None when the run keeps no artifacts."""
        return self.path / STAGING if self._keep_artifacts else None

    def record(self, event: Event) -> None:
        """Bring the folder up to date with `event`; after RunEnded it is complete and closed. Raises OSError."""
        # A run that is stopped ends while its last event may still be on its way to the disk in another thread.
        with self._one_at_a_time:
            if self.state.record.status == "running":
                self._record(event)

    def close(self) -> None:
        """Let go of the log and its lock; a run that has not ended is then taken for dead."""
        self._log.close()

    def _record(self, event: Event) -> None:
        match event:
            case StepCompleted():
                self._publish(event.step, event.artifacts)
                self._keep_exchange(event.step, event.exchange, holds_artifacts=event.step.answer_holds_artifacts)
            case StepFailed() if event.exchange is not None:
                self._keep_exchange(event.step, event.exchange, holds_artifacts=False)
        # Only what is on disk may be claimed, so the record and the log follow the files.
        self.state.apply(event)
        self._log.write(json_line(log_line(event, self.state.record.run_id)))
        self._log.flush()
        if isinstance(event, RunEnded):
            self._complete()
            return
        if isinstance(event, RunStarted | StepCompleted):
            _write_whole(self.path, RESULTS, _text_of(self.state.results))
        _write_whole(self.path, RECORD, _text_of(self.state.record))

    def _publish(self, step: Step, artifacts: tuple[ReceivedArtifact, ...]) -> None:
        """Put a step's artifacts into place, all at once: its folder is filled aside and renamed."""
        kept = [(artifact.ref, artifact.content) for artifact in artifacts if artifact.content is not None]
        if not kept:
            return
        aside = self.path / STAGING / f"{step.number}-{step.id}"
        for ref, content in kept:
            target = aside / ref.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                content.rename(target)
            else:
                target.write_bytes(content)
            self._hashes[artifact_path(step, ref.name)] = ref.sha256
        aside.rename(self.path / ARTIFACTS / step.id)

    def _keep_exchange(self, step: Step, exchange: Exchange, *, holds_artifacts: bool) -> None:
        folder = f"steps/{step.number}-{step.id}"
        request_name, response_name = f"{folder}/request.json", f"{folder}/{_response_name(exchange)}"
        (self.path / folder).mkdir()
        if step.module.adapter is not None:
            _write_whole(self.path, f"{folder}/{MAPPED_REQUEST}", _mapped_request(exchange))
        if exchange.request:
            _write_whole(self.path, request_name, exchange.request)
            self._hashes[request_name] = exchange.request_sha256
        if self._keep_artifacts or (step.module.adapter is not None and not holds_artifacts):
            _write_whole(self.path, response_name, exchange.response)
            self._hashes[response_name] = exchange.response_sha256
        elif step.module.adapter is None:
            # Its hash is taken with those of the other files when the run is concluded.
            _write_whole(self.path, response_name, _without_contents(exchange.response))

    def _complete(self) -> None:
        """Write what concludes a run. The record comes last: a run is over when its record says so."""
        conclude(self.path, self.state.record, self._hashes)
        self.close()


def conclude(folder: Path, record: RunRecord, hashes: Mapping[str, str]) -> None:
    """Write the manifest and the final record. `hashes` are those already known; the other files are read.

    Everything is flushed to disk before the record says that the run is over.
    """
    staging = folder / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(exist_ok=True)
    final = _text_of(record)
    listed = {RECORD: sha256_hex(final)}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in (RECORD, MANIFEST):
            listed[name] = hashes.get(name) or _sha256_of(path)
            _flush_to_disk(path)
    _write_whole(folder, MANIFEST, manifest(listed).encode())
    _flush_to_disk(folder / MANIFEST)
    _write_whole(folder, RECORD, final)
    _flush_to_disk(folder / RECORD)
    staging.rmdir()
    _flush_to_disk(folder)


def _write_whole(folder: Path, name: str, content: bytes) -> None:
    """Write `name` in a run folder so that a reader sees the old content or the new, never a part."""
    # Aside means in a folder of ours: beside the file, a module's artifact could have the same name.
    aside = folder / STAGING / "whole.part"
    aside.write_bytes(content)
    aside.replace(folder / name)


def _text_of(document: BaseModel) -> bytes:
    """A document as it stands in its file: indented JSON and a newline."""
    return (document.model_dump_json(indent=2) + "\n").encode()


def json_line(value: dict[str, Any]) -> bytes:
    """A value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _response_name(exchange: Exchange) -> str:
    return f"response{mimetypes.guess_extension(exchange.media_type) or '.bin'}"


def _mapped_request(exchange: Exchange) -> bytes:
    """What an adapter made of a call, for people: also of a call without a body. Secret headers and parameters are masked."""
    request = {"method": exchange.method, "url": exchange.url, "headers": masked(exchange.request_headers)}
    body = {"body": json.loads(exchange.request)} if exchange.request else {}
    return (json.dumps(request | body, indent=2, ensure_ascii=False) + "\n").encode()


def _without_contents(response: bytes) -> bytes:
    """The answer less its inline artifacts, for runs that keep hashes only. What is no envelope is kept as it is."""
    try:
        answer = parse_json(response)
        artifacts = [
            {key: artifact[key] for key in artifact if key not in ("data", "text")} for artifact in answer["artifacts"]
        ]
    except (JsonError, LookupError, TypeError):
        return response
    return json_line({**answer, "artifacts": artifacts})


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
