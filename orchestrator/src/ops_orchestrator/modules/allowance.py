"""How much the artifacts of one step may take: their number, and their bytes in the step and in its run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ops_orchestrator.errors import StepError
from ops_orchestrator.modules.answer import ArtifactSource, InlineFile, RemoteFile
from ops_orchestrator.modules.call import Call
from ops_orchestrator.modules.limits import Limits

_ONE: Final = "OPS_MAX_ARTIFACT_BYTES"
_NUMBER: Final = "OPS_MAX_STEP_ARTIFACTS"
_STEP: Final = "OPS_MAX_STEP_ARTIFACT_BYTES"
_RUN: Final = "OPS_MAX_RUN_ARTIFACT_BYTES"


@dataclass(frozen=True)
class ByteLimit:
    """The most bytes that an artifact may have, and the words that say why: `{bytes} bytes that ...`."""

    bytes: int
    reason: str


@dataclass(frozen=True)
class Allowance:
    """What the artifacts of a step of `module` may take, when those of the run's earlier steps have `earlier_bytes`."""

    module: str
    limits: Limits
    earlier_bytes: int

    @classmethod
    def of(cls, call: Call, limits: Limits) -> "Allowance":
        """The allowance of the step that makes `call`."""
        refs = (ref for answer in call.upstream.values() for ref in answer.artifacts)
        return cls(call.module.name, limits, sum(ref.size_bytes for ref in refs))

    def check(self, sources: Sequence[ArtifactSource]) -> None:
        """Raise the StepError of an answer with too many artifacts, or with more bytes of them than are allowed.

        Sizes are those that the answer declares; that of a file on a shared volume counts when it is read.
        """
        limits = self.limits
        if len(sources) > limits.step_artifacts:
            raise self._refused(f"{len(sources)} artifacts", f"{limits.step_artifacts} in one step", _NUMBER)
        sizes = [(source.name, size) for source in sources if (size := _declared_bytes(source)) is not None]
        for name, size in sizes:
            if size > limits.artifact_bytes:
                raise self._refused(f"the artifact {name!r} of {size} bytes", f"{limits.artifact_bytes} in one artifact", _ONE)
        in_step = sum(size for _, size in sizes)
        if in_step > limits.step_artifact_bytes:
            raise self._refused(f"{in_step} bytes of artifacts", f"{limits.step_artifact_bytes} in one step", _STEP)
        in_run = self.earlier_bytes + in_step
        if in_run > limits.run_artifact_bytes:
            what = f"{in_step} bytes of artifacts, {in_run} in the run"
            raise self._refused(what, f"{limits.run_artifact_bytes} in one run", _RUN)

    def limit(self, step_bytes: int) -> ByteLimit:
        """The limit of one more artifact of the step, whose others have `step_bytes`."""
        limits = self.limits
        in_step = limits.step_artifact_bytes - step_bytes
        in_run = limits.run_artifact_bytes - self.earlier_bytes - step_bytes
        applying = (
            ByteLimit(limits.artifact_bytes, f"that {_ONE} allows"),
            ByteLimit(max(in_step, 0), f"left of the {limits.step_artifact_bytes} in one step that {_STEP} allows"),
            ByteLimit(max(in_run, 0), f"left of the {limits.run_artifact_bytes} in one run that {_RUN} allows"),
        )
        return min(applying, key=lambda limit: limit.bytes)

    def _refused(self, what: str, limit: str, setting: str) -> StepError:
        message = f"answers with {what}; at most {limit} are accepted ({setting})"
        return StepError.of(self.module, "ANSWER_TOO_LARGE", message)


def _declared_bytes(source: ArtifactSource) -> int | None:
    """The size of an artifact where the answer says or has it."""
    match source:
        case InlineFile(content=content):
            return len(content)
        case RemoteFile(ref=ref):
            return ref.size_bytes
        case _:
            return None
