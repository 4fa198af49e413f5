"""The models of a report as JSON, from which its schema is made."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ops_contract._base import Count, Sha256, Version
from ops_contract.compliance.requirement import Level, Profile

FORMAT: Final = "openpolicystack-compliance-report/1"

VerdictName = Literal["pass", "fail", "warn", "not_applicable", "not_testable", "expected_fail", "unexpected_pass", "kit_error"]
Base64 = Annotated[str, Field(pattern=r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")]
Seconds = Annotated[float, Field(ge=0)]


class _Document(BaseModel):
    """Strict; later writers may add fields."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class BodyDocument(_Document):
    """A body. Size and hash are those of all of it."""

    size_bytes: Count
    sha256: Sha256
    whole: Annotated[bool, Field(description="false when `text` is only the beginning, or a description of binary content")]
    text: Annotated[str | None, Field(description="null when `base64` is given")]
    base64: Annotated[Base64 | None, Field(description="the bytes of a binary request")]


class ExchangeDocument(_Document):
    """One request of the kit and its answer. Secrets are masked as `***`."""

    method: str
    url: str
    request_headers: dict[str, str]
    request_body: BodyDocument
    status: Annotated[int | None, Field(description="null when no HTTP answer came back")]
    headers: dict[str, str]
    body: BodyDocument
    error: Annotated[str | None, Field(description="why the answer is not complete")]
    seconds: Seconds
    curl: Annotated[str, Field(description="a shell command that sends the request again")]
    served_by: Annotated[
        str, Field(default="", description="the command that has to serve it first, when the kit started it; else empty")
    ]


class FindingDocument(_Document):
    """The verdict on one requirement. `breach` says whether it makes the module not compliant."""

    id: Annotated[str, Field(pattern=r"^OPS-[A-Z]{3}-[0-9]{3}$")]
    level: Level
    profile: Profile
    since: Version
    statement: str
    why: str
    remedy: str
    spec: Annotated[str, Field(description="its place in the specification")]
    verdict: VerdictName
    breach: bool
    expected: str
    actual: str
    exchanges: list[ExchangeDocument]


class SubjectDocument(_Document):
    """What was checked, by its own health."""

    target: str
    url: str
    module: str | None
    version: str | None
    contract_versions: list[str]
    profiles: list[str]
    actions: list[str]
    image_digest: str | None


class ReportDocument(_Document):
    """A report of the compliance kit. `compliant` and `exit_code` are those without --strict."""

    format: Literal["openpolicystack-compliance-report/1"]
    contract_version: Version
    kit_version: str
    started_at: Annotated[str, Field(description="RFC 3339, UTC")]
    duration_s: Seconds
    compliant: bool
    exit_code: Count
    unreachable: Annotated[str | None, Field(description="why the module could not be reached")]
    covered_by_adapter: Annotated[
        list[str], Field(default_factory=list, description="requirements that the module meets only through its adapter")
    ]
    untested_actions: Annotated[
        dict[str, str], Field(default_factory=dict, description="actions that could not be asked for, and why")
    ]
    counts: dict[VerdictName, Count]
    subject: SubjectDocument
    findings: list[FindingDocument]


ReportAdapter: TypeAdapter[ReportDocument] = TypeAdapter(ReportDocument)
