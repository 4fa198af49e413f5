"""The documents of a run as models: run.json and results.json; and the names of what is in its folder."""

import mimetypes
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from ops_contract import ArtifactRef, Evidence, media_type_of
from ops_orchestrator.runs.document_fields import (
    Array,
    Error,
    FewEntries,
    FlatResults,
    Objects,
    RequestObject,
    Time,
    TraceParent,
)
from ops_orchestrator.runs.events import ENDED, ExchangeRecord, Fingerprints, Reproduction, Status
from ops_orchestrator.runs.json_text import LARGEST_INDENTED_BYTES, LEFT_OUT, json_document, json_text, object_in_pieces

FORMAT: Final = 2
"""The form of the run folders that this version writes; those of version 0.1.0 count as 1."""

RECORD: Final = "run.json"
MODULES: Final = "modules.json"
RESULTS: Final = "results.json"
LOGS: Final = "logs.jsonl"
RESULT: Final = "result.json"
REQUEST: Final = "request.json"
"""The body of a step's request, byte for byte, when it is JSON; see `request_name`."""

MAPPED_REQUEST: Final = "mapped-request.json"
"""The whole request that an adapter made for a step."""

JOB: Final = "job.json"
"""How a job was asked for that a module accepted."""

ANSWER_HEADERS: Final = "response-headers.json"
MANIFEST: Final = "manifest-sha256.txt"
SIGNATURE: Final = "manifest-signature.json"
IMPORT_DAMAGE: Final = "import-damage.txt"
REPORT: Final = "report.html"
METADATA: Final = "ro-crate-metadata.json"
"""The file that makes an RO-Crate of a folder. It describes the others."""

DERIVED: Final = (REPORT, METADATA, IMPORT_DAMAGE)
"""What may be made of a folder at any time, and put into it; it is not part of what the run left."""

ARTIFACTS: Final = "artifacts"
STEPS: Final = "steps"
_MOST_LABELS: Final = 32
_LONGEST_LABEL: Final = 300


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class StepRecord(_Document):
    """One step of run.json. Times are RFC 3339 in UTC.

    `synthetic` says that its module calls some of its figures made up, or that those of a step are that it may use.
    """

    step: int
    id: str
    module: str
    action: str
    status: Literal["pending", "running", "completed", "failed", "interrupted"] = "pending"
    started_at: Time | None = None
    finished_at: Time | None = None
    attempts: int = 0
    module_version: str | None = None
    contract_versions: Array[str] = ()
    image_digest: str | None = None
    adapter: str | None = None
    exchange: ExchangeRecord | None = None
    result: str | None = None
    warnings: Array[str] = ()
    synthetic: bool = False
    error: Error | None = None


class RunRecord(_Document):
    """run.json: request, plan, what happened, and pointers to the rest of the folder.

    `format` is 1 for version 0.1.0, whose logs do not tell everything. `attempt` counts how often the run was started or
    resumed. `reproduces` is the id of the run that it reproduces, `reproduction` says how and with which outcome, `sweep`
    is the id of the sweep that it belongs to, `traceparent` the span of its caller. `started_by`, `resumed_by` and
    `cancelled_by` are the names of the keys of those who did that last. `durability` is `sync` if all that answers said of
    the run was flushed to disk before.
    """

    format: int = 1
    run_id: str
    status: Status
    request: RequestObject
    plan: Objects
    started_at: Time
    finished_at: Time | None = None
    idempotency_key: str | None = None
    reproduces: str | None = None
    reproduction: Reproduction | None = None
    sweep: str | None = None
    traceparent: TraceParent | None = None
    started_by: Annotated[str | None, LEFT_OUT] = None
    resumed_by: Annotated[str | None, LEFT_OUT] = None
    cancelled_by: Annotated[str | None, LEFT_OUT] = None
    versions: Annotated[dict[str, str | None], FewEntries]
    durability: str = "sync"
    attempt: int = 1
    steps: Array[StepRecord]
    fingerprints: Fingerprints = Fingerprints()
    results: str = RESULTS
    logs: str = LOGS
    modules: str | None = None
    artifacts: str = f"{ARTIFACTS}/"
    manifest: str = MANIFEST
    error: Error | None = None

    @model_validator(mode="after")
    def _steps_are_numbered(self) -> Self:
        if [step.step for step in self.steps] != [*range(1, len(self.steps) + 1)]:
            raise ValueError("steps must be numbered 1, 2, 3 and so on")
        return self

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.status in ENDED

    @property
    def scenario_id(self) -> str:
        """The scenario that was run."""
        return str(self.request["scenario_id"])

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the run was given; a record may be foreign, and what no scenario can have is left out."""
        labels = self.request["run_options"].get("labels")
        few = islice(labels.items(), _MOST_LABELS) if isinstance(labels, dict) else ()
        return {key: value for key, value in few if isinstance(value, str) and len(key) + len(value) <= _LONGEST_LABEL}

    def bound_by(self, step: StepRecord) -> dict[str, str]:
        """The earlier steps that meet the needs of the module of `step`, by role; a record may be foreign."""
        bound = self.plan[step.step - 1].get("with") if step.step <= len(self.plan) else None
        return {role: each for role, each in bound.items() if isinstance(each, str)} if isinstance(bound, dict) else {}

    def summary(self) -> dict[str, Any]:
        """The run in a list of runs."""
        origin = {name: value for name in ("reproduces", "sweep") if (value := getattr(self, name)) is not None}
        return {
            "run_id": self.run_id,
            "status": self.status,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "fingerprints": {"recipe": self.fingerprints.recipe, "result": self.fingerprints.result},
            "scenario_id": self.scenario_id,
            "modules": [step.module for step in self.steps],
            "labels": self.labels,
            "warnings": sum(len(step.warnings) for step in self.steps),
            "synthetic": any(step.synthetic for step in self.steps),
            **origin,
        }


class ArtifactRecord(ArtifactRef):
    """A stored artifact. `path` is relative to the run folder, None when only the hash was kept.

    `title` and `description` are what its module says of it for people.
    """

    path: str | None = None
    title: Annotated[str | None, LEFT_OUT] = None
    description: Annotated[str | None, LEFT_OUT] = None

    @property
    def ref(self) -> ArtifactRef:
        """The artifact as the contract names it."""
        return ArtifactRef(name=self.name, media_type=self.media_type, size_bytes=self.size_bytes, sha256=self.sha256)


class StepResults(_Document):
    """The full form of what a step answered."""

    module: str
    outputs: dict[str, Any]
    artifacts: Array[ArtifactRecord]
    evidence: Array[Evidence]
    warnings: Array[str]

    def flat(self) -> dict[str, Any]:
        """The seed's form: outputs at the top level, plus the names of the artifacts."""
        return {**self.outputs, "artifacts": [artifact.name for artifact in self.artifacts]}


class Results(_Document):
    """results.json: per step the seed's flat form and, under `steps`, the full one."""

    run_id: str
    scenario_id: str
    results: Annotated[FlatResults, FewEntries] = {}
    steps: Annotated[dict[str, StepResults], FewEntries] = {}

    @classmethod
    def of(cls, record: RunRecord, steps: Mapping[str, StepResults]) -> "Results":
        """The results of the run `record`, whose completed steps answered `steps`."""
        flat = {step_id: results.flat() for step_id, results in steps.items()}
        return cls.model_construct(run_id=record.run_id, scenario_id=record.scenario_id, results=flat, steps=dict(steps))


def results_text(results: Results) -> Iterator[bytes]:
    """results.json in pieces: a large one would take several times its size in memory at once."""
    if sum(len(json_text(step)) for step in results.steps.values()) * 2 <= LARGEST_INDENTED_BYTES:
        yield json_document(results)
        return
    yield from object_in_pieces(
        [
            ("run_id", [json_text(results.run_id)]),
            ("scenario_id", [json_text(results.scenario_id)]),
            ("results", object_in_pieces((step, map(json_text, [flat])) for step, flat in results.results.items())),
            ("steps", object_in_pieces((step, map(json_text, [full])) for step, full in results.steps.items())),
        ]
    )


def artifacts_folder(step_id: str) -> str:
    """Where a step's artifacts are stored, relative to the run folder."""
    return f"{ARTIFACTS}/{step_id}"


def result_name(number: int, step_id: str) -> str:
    """Where the result of a step is stored, relative to the run folder."""
    return f"{step_folder(number, step_id)}/{RESULT}"


def request_name(content_type: str) -> str:
    """The name of the file in a step's folder that keeps the body of a request, which is JSON unless its type says so."""
    media_type = media_type_of(content_type)
    if media_type == "application/x-www-form-urlencoded" or media_type.startswith("text/"):
        return f"request{mimetypes.guess_extension(media_type) or '.txt'}"
    if not media_type or media_type.endswith("json"):
        return REQUEST
    return f"request{mimetypes.guess_extension(media_type) or '.bin'}"


def is_request(path: str) -> bool:
    """Does a file of a step's folder keep the body of a request?"""
    return path.rpartition("/")[2].startswith("request.")


def response_name(media_type: str) -> str:
    """The name of the file in a step's folder that keeps an answer of `media_type`."""
    return f"response{mimetypes.guess_extension(media_type) or '.bin'}"


def response_type(path: str) -> str | None:
    """The media type of a file of a step's folder that keeps an answer; None for another file."""
    if not path.rpartition("/")[2].startswith("response."):
        return None
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def step_folder(number: int, step_id: str) -> str:
    """Where a step's exchange is stored, relative to the run folder."""
    return f"{STEPS}/{number}-{step_id}"
