"""The bodies of the service's answers, as its OpenAPI document describes them."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from ops_contract import Evidence
from ops_orchestrator.runs.events import Reproduction, Status
from ops_orchestrator.runs.run_summary import RunSummary
from ops_orchestrator.runs.verdict import Finding, State
from ops_orchestrator.settings import Durability

_EXAMPLE_ANSWER: Final[dict[str, JsonValue]] = {
    "run_id": "run_2026-01-09T12-34-56Z_ab12cd",
    "status": "completed",
    "plan": [
        {"step": 1, "module": "policy-simulator", "action": "execute"},
        {"step": 2, "module": "strategy-agent", "action": "execute"},
    ],
    "results": {
        "policy-simulator": {"kpis": {"gdp_growth": 0.02}, "artifacts": ["kpis.json", "plot.png"]},
        "strategy-agent": {"brief": "brief.md", "artifacts": ["brief.md"]},
    },
    "artifacts_path": "runs/run_2026-01-09T12-34-56Z_ab12cd/",
    "logs_path": "runs/run_2026-01-09T12-34-56Z_ab12cd/logs.jsonl",
}


class PlannedStep(BaseModel):
    """A step of the plan."""

    step: int
    module: str
    action: str
    id: Annotated[str, Field(description="left out when it is the module's name")] = ""
    inputs: Annotated[dict[str, Any], Field(description="the step's own; left out when it has none")] = {}
    with_: Annotated[
        dict[str, str],
        Field(alias="with", description="the earlier steps that meet its module's needs, by role; left out without needs"),
    ] = {}


class RunError(BaseModel):
    """Why a run did not complete."""

    model_config = ConfigDict(extra="allow")

    code: str
    message: str


class RunAnswer(BaseModel):
    """A run as far as it has come; `results` by step, each with the module's outputs and the names of its artifacts."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE_ANSWER]})

    run_id: str
    status: Status
    plan: list[PlannedStep]
    results: dict[str, dict[str, Any]]
    artifacts_path: str
    logs_path: str
    warnings: Annotated[dict[str, list[str]], Field(description="by step; left out when no module gave one")] = {}
    error: Annotated[RunError | None, Field(description="left out when nothing failed")] = None
    reproduces: Annotated[str, Field(description="the run that it reproduces; left out for any other")] = ""
    reproduction: Annotated[
        Reproduction | None, Field(description="how it reproduces a run, and the grades; left out for any other")
    ] = None


class RunList(BaseModel):
    """One page of runs, newest first; `next_cursor` is null on the last page."""

    runs: list[RunSummary]
    next_cursor: str | None
    complete: Annotated[bool, Field(description="false while the list of all runs is still being made from their folders")]


class ListedArtifact(BaseModel):
    """An artifact of a run; `address` is null when only the hash was kept.

    `title` and `description` are what its module says of it for people, null when it says nothing.
    """

    step: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    title: str | None
    description: str | None
    address: str | None


class ArtifactList(BaseModel):
    """The artifacts of a run, in the order of its steps."""

    run_id: str
    artifacts: list[ListedArtifact]


class SupportedFigure(BaseModel):
    """A value in a step's outputs: where it is, and the ids of the evidence that supports it, at most 100."""

    pointer: str
    value: Any
    label: str
    unit: str
    synthetic: Annotated[bool | None, Field(description="null when neither evidence nor an earlier step says so")]
    evidence: list[str]


class EvidenceOfStep(BaseModel):
    """What the figures of a completed step rest on, the numbers in its outputs; at most 1,000 are in `values`."""

    step: str
    module: str
    figures: Annotated[int, Field(description="how many there are")]
    supported: Annotated[int, Field(description="how many of them some evidence supports")]
    synthetic: bool
    synthetic_because: Annotated[list[str], Field(description="steps whose own evidence calls figures made up")]
    evidence: list[Evidence]
    values: Annotated[list[SupportedFigure], Field(description="those with evidence first")]
    more: Annotated[int, Field(description="how many values are left out")]


class EvidenceAnswer(BaseModel):
    """What the figures of a run rest on, by completed step."""

    run_id: str
    status: Status
    steps: list[EvidenceOfStep]


class VerificationFinding(BaseModel):
    """Something in a run's folder that is not as it should be."""

    file: Annotated[str, Field(description="relative to the run's folder")]
    expected: str
    found: str


class RunSignature(BaseModel):
    """Who signed a run: an Ed25519 public key in base64, and the beginning of its SHA-256, for people."""

    public_key: str
    fingerprint: str
    trusted: Annotated[bool, Field(description="always false: the service trusts no key; `ops runs verify --trust KEY` does")]


class RunVerification(BaseModel):
    """Whether a run is intact; `notes` say what could not be checked."""

    run_id: str
    intact: bool
    files: int
    events: int
    signed_by: Annotated[RunSignature | None, Field(description="null when the run is not signed, or its signature is bad")]
    findings: Annotated[list[VerificationFinding], Field(description="at most 1,000")]
    findings_left_out: int
    notes: list[str]


class ComplianceState(BaseModel):
    """What the last compliance check of a module found; the fields after `reason` are left out where there is no verdict."""

    state: State
    stale: Annotated[str, Field(description="why it is about another version than the module has now; left out if not")] = ""
    reason: Annotated[str, Field(description="why a verdict is unreadable; left out for any other")] = ""
    checked_at: str = ""
    kit_version: str = ""
    contract_version: str = ""
    module_version: str | None = None
    image_digest: str | None = None
    adapter: Annotated[str | None, Field(description="fingerprint of the adapter that the module was checked through")] = None
    counts: Annotated[dict[str, int], Field(description="requirements by verdict")] = {}


class CallStatistics(BaseModel):
    """How the calls of a module went, in runs that are over; the median is that of the last 1,000 completed ones."""

    calls: int
    failed: int
    median_s: float | None


class ModuleState(BaseModel):
    """A registered module.

    `code` and `reason` say why it is not ready, `version` and the fields after it what its health check found.
    """

    name: str
    url: str
    image_digest: str | None
    actions: list[str]
    adapter: str | None
    compliance: ComplianceState
    calls: CallStatistics
    ready: bool
    code: str = ""
    reason: str = ""
    version: str | None = None
    status: str = ""
    contract_versions: list[str] = []
    profiles: list[str] = []


class ModulesFileState(BaseModel):
    """What of modules.yaml is in effect; `is_current` is false when the file was changed since, or cannot be read."""

    read_at: str
    is_current: bool


class ModuleList(BaseModel):
    """The registered modules."""

    modules: list[ModuleState]
    modules_file: ModulesFileState


class ChangedModule(BaseModel):
    """A module whose entry was changed, and the keys that were."""

    name: str
    keys: list[str]


class Reloaded(BaseModel):
    """What changed when modules.yaml was read again. Runs and sweeps under way keep the modules that they began with."""

    added: list[str]
    removed: list[str]
    changed: list[ChangedModule]
    unchanged: int


class ModuleCall(BaseModel):
    """A call of a module that is over: the step of a run."""

    run_id: str
    step: str
    status: str
    started_at: str | None
    finished_at: str | None
    version: str | None
    error: str | None


class ModuleAnswer(ModuleState):
    """A registered module, with what its last compliance check found, and its last 20 calls, newest first."""

    declared: Annotated[dict[str, Any], Field(description="its entry of modules.yaml in effect, secrets masked")]
    findings: Annotated[list[Finding], Field(description="requirements that are not met, or could not be tested")]
    findings_left_out: int
    last_calls: list[ModuleCall]


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"]
    module: Literal["orchestrator"]
    version: str


class Ready(BaseModel):
    """A run can be started and stored; `durability` says when, as OPS_DURABILITY does."""

    status: Literal["ready"] = "ready"
    durability: Annotated[Durability, Field(description="sync: an answer's run is on disk before the answer is sent")]
    read_only: Annotated[bool, Field(description="true: runs can be read here, and not be started")]


class NotReady(BaseModel):
    """No run can be started or stored now."""

    status: Literal["not ready"] = "not ready"
    reason: str


class FieldProblem(BaseModel):
    """One thing that is wrong: a JSON pointer into the body or the name of a parameter, and what is wrong there."""

    pointer: str
    detail: str


class ProblemDocument(BaseModel):
    """An error (RFC 9457): what was wrong, where, what to do."""

    type: Annotated[str, Field(json_schema_extra={"format": "uri"})]
    title: str
    status: int
    detail: str
    instance: Annotated[str, Field(description="the path that was called")] = ""
    errors: list[FieldProblem] = []
