"""A run folder (see runs/README.md): its steps, with the request and the answer of each.

Paths are made of the folder and of names that the contract's patterns accept, so that none leads out of the folder.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from ops_contract import (
    ContractError,
    ContractModel,
    Count,
    ExecuteRequest,
    Identifier,
    JsonError,
    Sha256,
    Version,
    fingerprint,
    parse_json,
    sha256_hex,
    validate,
)
from ops_stubs.errors import RecordingError
from ops_stubs.question import question_of

__all__ = ["RecordedStep", "Recording", "StepRecord", "read_recording"]

_RECORD: Final = "run.json"


class _ExchangeRecord(ContractModel):
    status: Annotated[int, Field(ge=100, le=599)]
    request_sha256: Sha256
    response_sha256: Sha256


class StepRecord(ContractModel):
    """The fields of a step in `run.json` that a replay needs."""

    step: Count
    id: Identifier
    module: Identifier
    action: Identifier
    status: str
    module_version: str | None = None
    contract_versions: Annotated[tuple[Version, ...], Field(strict=False)] = ()
    adapter: str | None = None
    exchange: _ExchangeRecord | None = None


class _Options(ContractModel):
    save_artifacts: bool = True


class _Scenario(ContractModel):
    run_options: _Options = _Options()


class _RunRecord(ContractModel):
    run_id: Identifier
    request: _Scenario
    steps: Annotated[tuple[StepRecord, ...], Field(strict=False)]


@dataclass(frozen=True)
class RecordedStep:
    """The exchange of a step; `request` is the body that was sent, `response` the one that is in the folder.

    Where it is not `is_whole`, the run kept hashes only, and the bytes of artifacts are not in the response.
    """

    record: StepRecord
    request: bytes
    question: dict[str, Any]
    fingerprint: str
    status: int
    response_name: str
    response: bytes
    is_whole: bool


@dataclass(frozen=True)
class Recording:
    """A run that was recorded in `folder`."""

    folder: Path
    record: _RunRecord

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.record.run_id

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """The modules of its steps, each once."""
        return tuple(dict.fromkeys(step.module for step in self.record.steps))

    def records(self, module: str) -> tuple[StepRecord, ...]:
        """The steps of `module`. Raises RecordingError when there is none, or when the module was called through an adapter."""
        found = tuple(step for step in self.record.steps if step.module == module)
        if not found:
            has = f"its steps are those of {', '.join(self.modules)}" if self.modules else "it has no step at all"
            raise RecordingError(f"the run {self.run_id} has no step of {module!r}; {has}")
        if any(step.adapter for step in found):
            raise RecordingError(
                f"{module!r} was called through an adapter in the run {self.run_id}, so its folder holds requests in the "
                "module's own form; only a module that was called by the contract can be replayed"
            )
        return found

    def steps(self, module: str) -> tuple[RecordedStep, ...]:
        """The steps of `module` that were answered, well or not.

        Raises RecordingError as `records` does, when there is none, and when a file is missing or was changed.
        """
        found = tuple(self._step(record) for record in self.records(module) if record.exchange is not None)
        if not found:
            raise RecordingError(f"no step of {module!r} was answered in the run {self.run_id}; take one that got further")
        return found

    def _step(self, record: StepRecord) -> RecordedStep:
        assert record.exchange is not None  # noqa: S101 - for the type checker
        folder = f"steps/{record.step}-{record.id}"
        request_name = f"{folder}/request.json"
        raw = self._read(request_name)
        self.check(request_name, sha256_hex(raw), record.exchange.request_sha256)
        response_name = self._response_name(folder)
        response = self._read(response_name)
        response_sha256 = sha256_hex(response)
        is_whole = response_sha256 == record.exchange.response_sha256
        if self.record.request.run_options.save_artifacts:
            self.check(response_name, response_sha256, record.exchange.response_sha256)
        try:
            question = question_of(validate(ExecuteRequest, parse_json(raw), "request"))
            digest = fingerprint(question)
        except ContractError as error:
            raise RecordingError(f"{request_name} in {self.folder} is not a request of the contract: {error}") from error
        return RecordedStep(record, raw, question, digest, record.exchange.status, response_name, response, is_whole)

    def _response_name(self, folder: str) -> str:
        found = sorted((self.folder / folder).glob("response.*"))
        return f"{folder}/{found[0].name}" if found else f"{folder}/response.json"

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise RecordingError(f"{name} in {self.folder} cannot be read: {error.strerror}; copy the whole folder") from error

    def check(self, name: str, sha256: str, recorded: str) -> None:
        """Compare the SHA-256 of the file `name` with the recorded one. Raises RecordingError."""
        if sha256 != recorded:
            raise RecordingError(
                f"{name} in {self.folder} is truncated or was changed: its SHA-256 is not the recorded one; "
                "copy the folder again"
            )


def read_recording(folder: Path) -> Recording:
    """The run in `folder`. Raises RecordingError when it is not a run folder."""
    try:
        raw = (folder / _RECORD).read_bytes()
    except OSError as error:
        hint = f"its {_RECORD} cannot be read ({error.strerror}); give one such as runs/run_2026-01-09T12-34-56Z_ab12cd"
        raise RecordingError(f"{folder} is not a run folder: {hint}") from error
    try:
        return Recording(folder, validate(_RunRecord, parse_json(raw), _RECORD))
    except JsonError as error:
        raise RecordingError(f"{folder} is not a run folder: its {_RECORD} is not JSON ({error})") from error
    except ContractError as error:
        raise RecordingError(f"{folder} is not a run folder: {error}") from error
