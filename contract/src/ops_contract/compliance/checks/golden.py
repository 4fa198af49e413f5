"""One good request per action: whether the answer is an envelope that keeps every rule for its content."""

import math
from collections.abc import AsyncGenerator, Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

from ops_contract import Violation
from ops_contract.compliance.checks.answers import JudgedAnswer, good_answers, judged_by_violations, listed
from ops_contract.compliance.checks.artifact_files import fetched_files, file_violations
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, judged
from ops_contract.compliance.requirement import load_requirements

_TRACES: Final = (
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
)
_EXPECTED: Final = {
    "OPS-EXE-002": "the name that /health gives",
    "OPS-EXE-003": "outputs is an object",
    "OPS-EXE-004": "one strict JSON value in UTF-8, without integers of 2^53 or more in outputs",
    "OPS-EVD-001": "an array of items with unique id, kind and title",
    "OPS-EVD-002": "pointers that lead into outputs, and names of artifacts of this answer",
}
"""What a good answer holds, by requirement."""

_REQUIRED_PARTS: Final = {"OPS-EXE-002": "/module", "OPS-EXE-003": "/outputs"}
"""Parts without which these are broken too when the part, or the whole answer, has the wrong shape (OPS-EXE-001)."""


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Request each action; the first wrong answer decides."""
    first, *others = _TRACES
    answers = await good_answers(module, {"traceparent": first})
    yield await _envelope(module, answers)
    for requirement, expected in _EXPECTED.items():
        yield judged_by_violations(requirement, expected, answers, _breaking(requirement))
    seen = [answer.seen for answer in answers]
    yield _first_broken(_media_type, seen)
    yield _first_broken(_versions, seen)
    yield _first_broken(_synthetic, seen)
    yield await _traces(module, [(first, one) for one in seen], others)


async def _envelope(module: ModuleUnderTest, answers: Sequence[JudgedAnswer]) -> Observation:
    expected = "200 with a success envelope that the schema accepts"
    for answer in answers:
        seen = answer.seen
        if not seen.is_done:
            reason = f"{seen.summary()}: {seen.error.get('message', '')}{_hint(module, seen)}"
            return broken("OPS-EXE-001", expected, reason, seen)
        if seen.fields.get("status") == "error":
            return broken("OPS-EXE-001", expected, "200 with an error envelope", seen)
        if found := [*_of_no_other_requirement(module, answer), *await _of_undeclared_files(module, answer)]:
            return broken("OPS-EXE-001", expected, listed(found, "OPS-EXE-001"), seen)
    return judged("OPS-EXE-001", True, expected, "", answers[0].seen)


def _hint(module: ModuleUnderTest, seen: Seen) -> str:
    """What to do about a call that did not succeed."""
    if module.waited_s and seen.exchange.status is None:
        longer = math.ceil(2 * module.waited_s)
        return f"the first request had none within {module.waited_s:.0f} s either; if it takes longer, give --timeout {longer}"
    if seen.exchange.status == HTTPStatus.NOT_FOUND:
        return "; give the address below which it has /health and /execute"
    if seen.is_refusal:
        return "; if it needs other inputs, give them with --inputs"
    return "; the module's log may say why" if seen.is_failure else ""


def _of_no_other_requirement(module: ModuleUnderTest, answer: JudgedAnswer) -> list[Violation]:
    """Violations that no other requirement reports: of the rest of the schema, and of profiles that are not declared."""
    known = load_requirements()
    return [
        violation
        for violation in answer.violations
        if violation.requirement == "OPS-EXE-001" or not module.is_bound_by(known[violation.requirement])
    ]


async def _of_undeclared_files(module: ModuleUnderTest, answer: JudgedAnswer) -> list[Violation]:
    """Violations in the bytes of artifacts of a module that does not declare the profile: they would fail a run."""
    if "artifacts" in module.profiles:
        return []
    return [violation for file in await fetched_files(module, answer.seen) for violation in file_violations(file)]


def _breaking(requirement: str) -> Callable[[Violation], bool]:
    def breaks(violation: Violation) -> bool:
        if requirement in _REQUIRED_PARTS and violation.requirement == "OPS-EXE-001":
            return violation.pointer in ("", _REQUIRED_PARTS[requirement])
        return violation.requirement == requirement

    return breaks


def _first_broken(check: Callable[[Seen], Observation], answers: Sequence[Seen]) -> Observation:
    found = [check(seen) for seen in answers]
    return next((one for one in found if not one.met), found[0])


def _media_type(seen: Seen) -> Observation:
    media_type = seen.exchange.media_type
    return judged("OPS-EXE-006", media_type == "application/json", "Content-Type: application/json", repr(media_type), seen)


def _versions(seen: Seen) -> Observation:
    missing = [name for name in ("version", "contract_version") if not isinstance(seen.fields.get(name), str)]
    return judged("OPS-EXE-007", not missing, "version and contract_version", f"the envelope lacks {', '.join(missing)}", seen)


def _synthetic(seen: Seen) -> Observation:
    silent = [item.get("id") for item in _evidence(seen) if not isinstance(item.get("synthetic"), bool)]
    return judged("OPS-EVD-003", not silent, "synthetic, true or false, in each evidence", f"missing in {silent}", seen)


async def _traces(module: ModuleUnderTest, answers: Sequence[tuple[str, Seen]], others: Sequence[str]) -> Observation:
    """Whether each answer has the trace of its own request, and not one that is always the same."""
    more = [(trace, Seen(await module.execute(module.request(), headers={"traceparent": trace}))) for trace in others]
    for sent, seen in (*answers, *more):
        expected, meta = sent.split("-")[1], seen.fields.get("meta")
        trace = meta.get("trace_id") if isinstance(meta, dict) else None
        if trace != expected:
            actual = seen.explained() if not seen.is_done else "no meta.trace_id" if trace is None else repr(trace)
            return broken("OPS-OBS-001", f"meta.trace_id {expected}, as in the traceparent of this request", actual, seen)
    return judged("OPS-OBS-001", True, "", "", answers[0][1])


def _evidence(seen: Seen) -> list[dict[str, Any]]:
    items = seen.fields.get("evidence")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
