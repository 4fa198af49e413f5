"""The verdict of the compliance kit on a module, as it is kept: a small document, checked whoever wrote it."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ops_contract import Identifier, fingerprint, validate
from ops_orchestrator.excerpt import excerpt
from ops_orchestrator.modules.module import Module
from ops_orchestrator.runs.document_fields import FewEntries

FORMAT: Final = "openpolicystack-compliance-verdict/1"
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z")
_MOST_FINDINGS: Final = 100
_MOST_CHARACTERS: Final = 500
_LONGEST_TEXT: Final = 600
_NOT_IN_SUMMARY: Final = {"format", "module", "compliant", "findings", "findings_left_out", "report"}
_TALLIED: Final = ("pass", "fail", "warn", "not_testable")
_GOOD: Final = ("pass", "not_applicable")
_SHOWN_DIGITS: Final = 19
"""Of an image digest: its algorithm and the first twelve digits."""


def _check_time(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise ValueError("must be a time in UTC such as 2026-01-09T12:34:56.789Z")
    datetime.fromisoformat(text)
    return text


State = Literal["compliant", "not compliant", "never checked", "unreadable"]
Time = Annotated[str, AfterValidator(_check_time)]
Word = Annotated[str, Field(max_length=64)]
Text = Annotated[str, Field(max_length=_LONGEST_TEXT)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Finding(_Document):
    """A requirement that is not met, or could not be tested. `breach` says whether it makes the module not compliant."""

    id: Word
    level: Word
    verdict: Annotated[Word, Field(description="as in the kit's report: fail, warn, not_testable, ...")]
    breach: bool
    statement: Text
    expected: Text
    actual: Text
    remedy: Text


class Verdict(_Document):
    """What one check of a module found, and which module that was. `adapter` is the fingerprint of how we talked to it."""

    format: Literal["openpolicystack-compliance-verdict/1"]
    module: Identifier
    compliant: bool
    checked_at: Time
    kit_version: Text
    contract_version: Word
    module_version: Text | None
    image_digest: Text | None
    adapter: Word | None
    counts: Annotated[dict[Word, Count], FewEntries, Field(max_length=20, description="requirements by verdict")]
    findings: Annotated[tuple[Finding, ...], Field(strict=False, fail_fast=True, max_length=_MOST_FINDINGS)]
    findings_left_out: Count
    report: Annotated[Text | None, Field(description="the whole report, beside this file; null when it was not kept")] = None

    @classmethod
    def of(cls, report: "KitReport", module: Module, image_digest: str | None = None) -> Self:
        """The verdict in a report of the kit about `module`, with its secrets masked.

        `image_digest` is that of the image that was checked, where it is not the registered one. Raises ShapeError.
        """
        # What makes the module not compliant comes first: the rest may be left out.
        worth_knowing = [finding for finding in report.findings if finding.verdict not in _GOOD]
        ordered = sorted(worth_knowing, key=lambda finding: (not finding.breach, finding.verdict == "not_testable"))
        fields = {
            "format": FORMAT,
            "module": module.name,
            "compliant": report.compliant,
            "checked_at": report.started_at,
            "kit_version": _cut(report.kit_version),
            "contract_version": report.contract_version,
            "module_version": report.subject.version and _cut(report.subject.version),
            "image_digest": image_digest or module.image_digest,
            "adapter": adapter_of(module),
            "counts": report.counts,
            "findings": tuple(map(_shortened, ordered[:_MOST_FINDINGS])),
            "findings_left_out": len(ordered[_MOST_FINDINGS:]),
        }
        # The name is where the verdict is kept, even if it should be a secret elsewhere.
        return module.secrets.masked(validate(cls, fields, "the kit's report")).model_copy(update={"module": module.name})

    @property
    def tally(self) -> str:
        """How many requirements came out how."""
        return ", ".join(f"{self.counts.get(name, 0)} {name.replace('_', ' ')}" for name in _TALLIED)

    def stale_because(self, module: Module, version: str | None) -> str:
        """Why this is not about `module` as it is now, in a sentence; empty when nothing says so.

        `version` is what its health says, None where that is not known.
        """
        now, digest = version and _cut(version), module.image_digest
        if self.adapter != adapter_of(module):
            return "The adapter in modules.yaml is another one now."
        if self.image_digest and digest and self.image_digest != digest:
            return f"The image {self.image_digest[:_SHOWN_DIGITS]} was checked, and {digest[:_SHOWN_DIGITS]} is registered now."
        if self.module_version and now and self.module_version != now:
            return f"Version {self.module_version} was checked, and the module has version {now} now."
        return ""


@dataclass(frozen=True)
class Compliance:
    """What is known of a module's compliance: the last verdict, and why it is `stale`, or why it is `unreadable`."""

    verdict: Verdict | None = None
    stale: str = ""
    unreadable: str = ""

    @property
    def state(self) -> State:
        """The outcome in two words."""
        if self.verdict is None:
            return "unreadable" if self.unreadable else "never checked"
        return "compliant" if self.verdict.compliant else "not compliant"

    @property
    def word(self) -> str:
        """The outcome as it stands in lists: a stale one says so."""
        return f"stale: {self.state}" if self.stale else self.state

    def summary(self) -> dict[str, Any]:
        """What programs are told: the verdict without its findings."""
        verdict = self.verdict.model_dump(mode="json", exclude=_NOT_IN_SUMMARY) if self.verdict else {}
        reasons = {"stale": self.stale, "reason": self.unreadable}
        return {"state": self.state} | {name: reason for name, reason in reasons.items() if reason} | verdict


class _Subject(_Document):
    module: str | None
    version: str | None


class _ReportedFinding(_Document):
    id: str
    level: str
    verdict: str
    breach: bool
    statement: str
    expected: str
    actual: str
    remedy: str


class KitReport(_Document):
    """A report of the kit in JSON, as far as a verdict is made of it."""

    contract_version: str
    kit_version: str
    started_at: str
    compliant: bool
    subject: _Subject
    counts: dict[str, int]
    findings: list[_ReportedFinding]


def adapter_of(module: Module) -> str | None:
    """The fingerprint of everything that a module's adapter declares and that can change a result; None without one."""
    if module.adapter is None:
        return None
    return fingerprint({action: module.adapter.fingerprint(action) for action in module.adapter.actions})


def _shortened(finding: _ReportedFinding) -> Finding:
    fields: dict[str, Any] = finding.model_dump()
    texts = {name: _cut(fields[name]) for name in ("statement", "expected", "actual", "remedy")}
    return Finding(**fields | texts)


def _cut(text: str) -> str:
    return excerpt(text, _MOST_CHARACTERS)
