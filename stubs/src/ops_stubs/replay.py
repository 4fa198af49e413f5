"""How a recorded module answers a call: as it answered the same request in the run."""

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio.to_thread
from starlette.responses import Response

from ops_contract import (
    CONTRACT_VERSION,
    UNKNOWN_VERSION,
    ContractError,
    ExecuteRequest,
    Health,
    ReadRequest,
    RefusalError,
    differences,
    fingerprint,
    is_supported,
    parse_json,
)
from ops_stubs.errors import RecordingError
from ops_stubs.module import File
from ops_stubs.question import question_of
from ops_stubs.recorded_files import recorded_files
from ops_stubs.recording import RecordedStep, Recording

__all__ = ["Recorded", "Replay"]

_DIFFERENCES_SHOWN: Final = 20
_POINTER_CHARACTERS: Final = 200
_VALUE_CHARACTERS: Final = 80


@dataclass(frozen=True)
class Recorded:
    """A recorded answer: HTTP status, media type and the bytes of the body.

    Its files are served from the run folder, so none is kept with it.
    """

    status: int
    media_type: str
    content: bytes
    files: Mapping[str, File] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """The memory that keeping it takes."""
        return len(self.content)

    @property
    def is_success(self) -> bool:
        """Whether the call succeeded."""
        return self.status == 200

    def response(self, trace: Mapping[str, Any]) -> Response:  # noqa: ARG002 - the bytes stay what they were
        """The recorded response."""
        return Response(self.content, self.status, {"content-type": self.media_type})


class Replay:
    """Answers with the recorded answers of `module` in a run; of two steps with the same request, the first counts."""

    def __init__(self, recording: Recording, module: str) -> None:
        """Check all that will be needed. Raises RecordingError."""
        steps = recording.steps(module)
        if part := next((step for step in steps if not step.is_whole), None):
            raise RecordingError(
                f"{part.response_name} in {recording.folder} is without the bytes of its artifacts, because the run had "
                "save_artifacts: false; run the scenario again with save_artifacts: true"
            )
        self.files = recorded_files(recording, steps)
        self.largest_request_bytes = max(len(step.request) for step in steps)
        self.health = _health(module, steps)
        self._run_id = recording.run_id
        self._steps = {step.fingerprint: step for step in reversed(steps)}

    def __len__(self) -> int:
        """How many different requests can be answered."""
        return len(self._steps)

    async def answer(self, read: ReadRequest) -> Recorded:
        """The recorded answer. Raises RefusalError, 422 NOT_RECORDED, when the run has no such request.

        Not 404: the path is right, and it is the request that the module cannot work with. And a used key with another body,
        which is rarely recorded, has to be a 422 (OPS-IDM-002).
        """
        return await anyio.to_thread.run_sync(self._find, read.request)

    def _find(self, request: ExecuteRequest) -> Recorded:
        question = question_of(request)
        step = self._steps.get(fingerprint(question))
        if step is None:
            raise self._not_recorded(question)
        media_type = mimetypes.guess_type(step.response_name)[0] or "application/octet-stream"
        return Recorded(step.status, media_type, step.response)

    def _not_recorded(self, question: dict[str, Any]) -> RefusalError:
        compared = [(step, list(differences(step.question, question))) for step in self._steps.values()]
        # A step with the same action is nearer than one with another, however many other differences it has.
        nearest, found = min(compared, key=lambda each: (each[0].record.action != question["action"], len(each[1])))
        first, *others = found
        where = f"differs at {_cut(first.pointer)} ({first.phrase('recorded', 'sent')})"
        more = f"; {len(others)} more in error.details.differences" if others else ""
        message = f"no request recorded in {self._run_id} asks this; the nearest, of step {nearest.record.id!r}, {where}{more}"
        details = {
            "nearest_step": nearest.record.id,
            "differences": [
                difference.as_json("expected", "actual", longest=_VALUE_CHARACTERS) for difference in found[:_DIFFERENCES_SHOWN]
            ],
            "difference_count": len(found),
        }
        return RefusalError(422, "NOT_RECORDED", message, pointer=first.pointer, details=details)


def _health(module: str, steps: tuple[RecordedStep, ...]) -> Health:
    """The health of the recorded module, with the profiles that a replay meets."""
    last = steps[-1].record
    profiles = (
        ("artifacts", "deterministic", "idempotent") if any(map(_has_artifacts, steps)) else ("deterministic", "idempotent")
    )
    return Health(
        status="ok",
        module=module,
        version=last.module_version or UNKNOWN_VERSION,
        contract_versions=tuple(filter(is_supported, last.contract_versions)) or (CONTRACT_VERSION,),
        profiles=profiles,
        actions=tuple(dict.fromkeys(step.record.action for step in steps)),
    )


def _has_artifacts(step: RecordedStep) -> bool:
    try:
        answer = parse_json(step.response)
    except ContractError:
        return False
    return isinstance(answer, dict) and bool(answer.get("artifacts"))


def _cut(pointer: str) -> str:
    return pointer if len(pointer) <= _POINTER_CHARACTERS else f"{pointer[:_POINTER_CHARACTERS]}..."
