"""The difference of two reports: requirements that a new version of a module lost, and those that it won."""

import json
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from ops_contract.compliance.redaction import harmless, redacted, shortened
from ops_contract.compliance.reports.closing import Closing
from ops_contract.compliance.reports.summary import WORDS
from ops_contract.compliance.requirement import Requirement
from ops_contract.compliance.result import ExitCode, Finding, Report, Subject, Verdict

_MET: Final = (Verdict.PASS, Verdict.UNEXPECTED_PASS)
_NOT_MET: Final = (Verdict.FAIL, Verdict.WARN, Verdict.NOT_TESTABLE, Verdict.EXPECTED_FAIL)
_TITLES: Final = {
    "lost": ("Lost", "bold red"),
    "won": ("Won", "bold green"),
    "changed": ("Changed", "bold yellow"),
    "added": ("New requirements", "bold"),
    "gone": ("No longer checked", "bold"),
}


@dataclass(frozen=True)
class Change:
    """The verdicts on one requirement before and now; None where a report does not have it."""

    requirement: Requirement
    old: Verdict | None
    new: Verdict | None
    actual: str = ""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The changes. `lost` was met and no longer is, also because its profile is no longer declared."""

    old: Subject
    new: Subject
    lost: tuple[Change, ...]
    won: tuple[Change, ...]
    changed: tuple[Change, ...]
    added: tuple[Change, ...]
    gone: tuple[Change, ...]
    unreachable: str | None = None

    @property
    def exit_code(self) -> ExitCode:
        """1 when something was lost; a failure of the kit is neither a loss nor a success."""
        if self.unreachable is not None:
            return ExitCode.UNREACHABLE
        if self.lost:
            return ExitCode.NOT_COMPLIANT
        broke = any(change.new is Verdict.KIT_ERROR for change in (*self.changed, *self.added))
        return ExitCode.KIT_ERROR if broke else ExitCode.COMPLIANT


def diff_reports(old: Report, new: Report) -> Difference:
    """Compare two reports by requirement id, in the order of the new one."""
    old, new = redacted(old), redacted(new)
    before = {finding.requirement.id: finding for finding in old.findings}
    now = {finding.requirement.id: finding for finding in new.findings}
    withdrawn = set(old.subject.profiles) - set(new.subject.profiles)
    sorted_out: dict[str, list[Change]] = {name: [] for name in _TITLES}
    for identifier, finding in now.items():
        kind = _kind(before.get(identifier), finding, withdrawn)
        if kind is not None:
            sorted_out[kind].append(_change(before.get(identifier), finding))
    sorted_out["gone"] = [
        Change(finding.requirement, finding.verdict, None) for identifier, finding in before.items() if identifier not in now
    ]
    lost, won, changed, added, gone = (tuple(sorted_out[name]) for name in _TITLES)
    return Difference(
        old=old.subject,
        new=new.subject,
        lost=lost,
        won=won,
        changed=changed,
        added=added,
        gone=gone,
        unreachable=new.unreachable,
    )


def terminal_diff(difference: Difference) -> RenderableType:
    """The difference for a terminal, losses first."""
    parts: list[RenderableType] = [Text(f"{_name(difference.old)} → {_name(difference.new)}", "bold")]
    if difference.unreachable is not None:
        parts.append(Text(f"not reachable: {harmless(difference.unreachable)}", "red"))
    for kind, (title, style) in _TITLES.items():
        if changes := _changes(difference, kind):
            parts += [Text(""), Text(f"{title} ({len(changes)})", style), *map(_line, changes)]
    if not any(_changes(difference, kind) for kind in _TITLES):
        parts.append(Text("No requirement came out differently."))
    elif difference.unreachable is None:
        counts = ", ".join(f"{len(found)} {kind}" for kind in _TITLES if (found := _changes(difference, kind)))
        explain = f"ops-contract explain {difference.lost[0].requirement.id}" if difference.lost else ""
        parts += [Text(""), Closing(Text(counts, "bold red" if difference.lost else "bold"), explain)]
    return Group(*parts)


def json_diff(difference: Difference) -> str:
    """The difference for programs, in ASCII."""
    document = {
        "exit_code": int(difference.exit_code),
        "unreachable": difference.unreachable,
        "old": _subject(difference.old),
        "new": _subject(difference.new),
        **{kind: [_document(change) for change in _changes(difference, kind)] for kind in _TITLES},
    }
    return json.dumps(document, indent=2) + "\n"


def _kind(old: Finding | None, new: Finding, withdrawn: set[str]) -> str | None:
    if old is None:
        return "added"
    was_met, is_met = old.verdict in _MET, new.verdict in _MET
    is_withdrawn = new.verdict is Verdict.NOT_APPLICABLE and new.requirement.profile in withdrawn
    if was_met and (new.verdict in _NOT_MET or is_withdrawn):
        return "lost"
    if is_met and old.verdict in _NOT_MET:
        return "won"
    return None if old.verdict is new.verdict else "changed"


def _change(old: Finding | None, new: Finding) -> Change:
    return Change(new.requirement, None if old is None else old.verdict, new.verdict, new.actual)


def _changes(difference: Difference, kind: str) -> tuple[Change, ...]:
    return {
        "lost": difference.lost,
        "won": difference.won,
        "changed": difference.changed,
        "added": difference.added,
        "gone": difference.gone,
    }[kind]


def _line(change: Change) -> Text:
    words = [WORDS[verdict] if verdict else "absent" for verdict in (change.old, change.new)]
    actual = f", but {harmless(shortened(change.actual, 200))}" if change.actual else ""
    return Text.assemble(
        (f"  {change.requirement.id} ", "bold"),
        f"{change.requirement.level} {words[0]} → {words[1]}: {harmless(change.requirement.statement)}",
        (actual, "dim"),
    )


def _name(subject: Subject) -> str:
    return harmless(" ".join(filter(None, (subject.module or subject.target, subject.version))))


def _subject(subject: Subject) -> dict[str, Any]:
    return {
        "module": subject.module,
        "version": subject.version,
        "target": subject.target,
        "profiles": list(subject.profiles),
        "image_digest": subject.image_digest,
    }


def _document(change: Change) -> dict[str, Any]:
    requirement = change.requirement
    return {
        "id": requirement.id,
        "level": requirement.level,
        "profile": requirement.profile,
        "statement": requirement.statement,
        "old": change.old,
        "new": change.new,
        "actual": change.actual,
    }
