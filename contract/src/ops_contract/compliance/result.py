"""The result of a check: the one tree from which every report is rendered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import cached_property

from ops_contract import media_type_of
from ops_contract.compliance.requirement import Requirement


class Verdict(StrEnum):
    """The result for one requirement. "Could not be tested" is never a pass."""

    PASS = "pass"  # noqa: S105  # not a password
    FAIL = "fail"
    WARN = "warn"
    NOT_APPLICABLE = "not_applicable"
    NOT_TESTABLE = "not_testable"
    EXPECTED_FAIL = "expected_fail"
    UNEXPECTED_PASS = "unexpected_pass"  # noqa: S105  # not a password
    KIT_ERROR = "kit_error"


class ExitCode(IntEnum):
    """Exit codes of the kit."""

    COMPLIANT = 0
    NOT_COMPLIANT = 1
    USAGE = 2
    UNREACHABLE = 3
    KIT_ERROR = 4


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request of the kit and its answer; `error` says why the answer is not complete. `url` is absolute.

    `served_by` is the command that has to serve it before the request can be sent again, when the kit started it itself.
    """

    method: str
    url: str
    request_headers: Mapping[str, str]
    request_body: bytes = b""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str | None = None
    seconds: float = 0.0
    served_by: str = ""

    @property
    def media_type(self) -> str:
        """The answer's media type without parameters, in lower case; empty when it names none."""
        return media_type_of(self.headers.get("content-type", ""))

    def is_of(self, path: str) -> bool:
        """Whether the request was for this path below the base URL."""
        return self.url.endswith(path)


@dataclass(frozen=True)
class Finding:
    """The verdict on one requirement, and, when it is not met, what was expected, what happened, and the exchanges."""

    requirement: Requirement
    verdict: Verdict
    expected: str = ""
    actual: str = ""
    exchanges: tuple[Exchange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What was checked, by its own health. `image_digest` is known when the kit started the image itself."""

    target: str
    url: str
    module: str | None = None
    version: str | None = None
    contract_versions: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    image_digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that one check found. Times are RFC 3339 in UTC, durations in seconds.

    `untested` says by action why the kit could not ask for it. `covered` are the ids that the module meets through its adapter,
    and would not meet without it. `secrets` are values that the module was given and no reader may see; reports mask them.
    """

    subject: Subject
    findings: tuple[Finding, ...]
    kit_version: str
    contract_version: str
    started_at: str
    duration_s: float
    unreachable: str | None = None
    covered: tuple[str, ...] = ()
    untested: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @cached_property
    def counts(self) -> Mapping[Verdict, int]:
        """The number of requirements with each verdict."""
        return {verdict: sum(finding.verdict is verdict for finding in self.findings) for verdict in Verdict}

    def exit_code(self, *, strict: bool = False) -> ExitCode:
        """0 when every MUST that binds the module is met; with `strict` every SHOULD too."""
        if self.unreachable is not None:
            return ExitCode.UNREACHABLE
        if self.counts[Verdict.KIT_ERROR]:
            return ExitCode.KIT_ERROR
        return (
            ExitCode.NOT_COMPLIANT
            if any(is_breach(finding, strict=strict) for finding in self.findings)
            else ExitCode.COMPLIANT
        )


def is_breach(finding: Finding, *, strict: bool = False) -> bool:
    """Whether it makes the module not compliant. A MUST that could not be tested counts as not met."""
    match finding.verdict:
        case Verdict.FAIL | Verdict.UNEXPECTED_PASS:
            return True
        case Verdict.NOT_TESTABLE:
            return finding.requirement.level == "MUST"
        case Verdict.WARN:
            return strict
        case _:
            return False
