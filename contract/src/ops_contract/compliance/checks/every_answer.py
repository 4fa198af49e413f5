"""Every answer of the whole check, good or bad, whatever it was asked for: what must hold of all of them."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Final

from ops_contract import (
    Health,
    JsonError,
    RefusalError,
    Violation,
    check_request_headers,
    is_supported,
    judge_answer,
    parse_json,
    read_request,
)
from ops_contract.compliance.checks.answers import answer_violations, listed
from ops_contract.compliance.checks.leaks import leak_in
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, problems_in
from ops_contract.compliance.requirement import load_requirements
from ops_contract.compliance.result import Exchange

_MOST_READ_BYTES: Final = 1024 * 1024
_LASTING: Final = (400, 405, 413, 415, 422)
"""The statuses with which SPEC.md has `retryable` false, whatever else happens."""

_EXPECTED: Final[Mapping[str, str]] = {
    "OPS-HLT-002": "a health as application/json whenever /health answers 200",
    "OPS-EXE-002": "the name that /health gives, in every envelope",
    "OPS-EXE-004": "one strict JSON value in UTF-8 in every answer",
    "OPS-EXE-006": "Content-Type: application/json with every envelope",
    "OPS-ERR-001": 'an error envelope, {"status": "error", "module": "...", "error": {...}}',
    "OPS-ERR-002": "error.code, error.message, error.retryable, as the schema has them",
    "OPS-ERR-006": "no 5xx, whatever the caller sends",
    "OPS-ERR-007": "no stack trace, file path or environment value",
    "OPS-ERR-008": "success with 200, error with 4xx or 5xx, and no other status",
}


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Judge all that was said so far, and what followed the errors. Says only what is broken: other checks say what is met."""
    await module.recover()
    for observation in broken_in(module, module.transcript.exchanges).values():
        yield observation
    failed = module.recoveries.first_failed
    if failed is not None:
        cause, after = Seen(failed.cause), Seen(failed.after)
        expected = f"200 for the valid request after {cause.summary()}"
        yield broken("OPS-ERR-009", expected, f"{after.summary()} right after the first exchange", cause, after)


def broken_in(module: ModuleUnderTest, exchanges: Iterable[Exchange]) -> dict[str, Observation]:
    """By requirement, the first of these exchanges that breaks it."""
    found: dict[str, Observation] = {}
    for exchange in exchanges:
        seen = Seen(exchange)
        for violation in _violations(module, seen):
            requirement = _bound(module, violation.requirement)
            if requirement in found:
                continue
            actual = f"{seen.summary()}: {listed([violation], requirement)}"
            expected = _EXPECTED.get(requirement, "an answer that keeps the contract, to every request")
            found[requirement] = broken(requirement, expected, actual, seen)
    return found


def _bound(module: ModuleUnderTest, requirement: str) -> str:
    """What a module breaks that does not declare the profile: its envelope would fail a run all the same."""
    return requirement if module.is_bound_by(load_requirements()[requirement]) else "OPS-EXE-001"


def _violations(module: ModuleUnderTest, seen: Seen) -> Iterator[Violation]:
    exchange = seen.exchange
    is_health, is_execute = exchange.is_of("/health"), exchange.is_of("/execute")
    if is_execute and _is_crash(module, seen):
        yield Violation("OPS-ERR-006", "", seen.summary())
    if exchange.status is None or exchange.error is not None:
        return
    if exchange.status >= 400 and (leak := leak_in(seen)):
        yield Violation("OPS-ERR-007", "", leak)
    if not (is_health or is_execute):
        return
    if contradiction := _contradiction(seen):
        yield Violation("OPS-ERR-008", "", contradiction)
    elif exchange.status >= 400:
        yield from _in_error(module, seen)
    elif is_health:
        yield from _in_health(seen)
    elif exchange.method == "POST" and (found := list(_in_success(module, seen))) and _is_to_be_judged(seen):
        yield from found


def _contradiction(seen: Seen) -> str | None:
    status, said = seen.exchange.status or 0, seen.fields.get("status")
    if status != 200 and status < 400:
        return "neither 200 nor an error"
    if (said == "error") if status == 200 else (said == "success"):
        return f"the envelope has the status {said!r}"
    return None


def _in_health(seen: Seen) -> Iterator[Violation]:
    if seen.exchange.media_type != "application/json":
        yield Violation("OPS-HLT-002", "", f"sent as {seen.exchange.media_type!r}")
    try:
        parse_json(seen.exchange.body)
    except JsonError as error:
        yield Violation("OPS-HLT-002", "", str(error))
    optional = ("/contract_versions", "/profiles", "/actions")
    problems = [one for one in problems_in(Health, seen.value) if not one.pointer.startswith(optional)]
    yield from (Violation("OPS-HLT-002", one.pointer, one.message) for one in problems)


def _in_success(module: ModuleUnderTest, seen: Seen) -> Iterator[Violation]:
    if seen.exchange.media_type != "application/json":
        yield Violation("OPS-EXE-006", "", f"sent as {seen.exchange.media_type!r}")
    yield from answer_violations(seen, module.name or "")


def _is_to_be_judged(seen: Seen) -> bool:
    """Whether a 200 has to be an envelope without fault: the request was one, or was taken for one.

    That a wrong request should have been refused, other checks say. A module that reads more than JSON of the contract may
    repeat what it read.
    """
    try:
        read_request(seen.exchange.request_body)
    except RefusalError as refusal:
        return refusal.status != HTTPStatus.BAD_REQUEST and seen.fields.get("status") == "success"
    return True


def _in_error(module: ModuleUnderTest, seen: Seen) -> Iterator[Violation]:
    exchange = seen.exchange
    if exchange.status == HTTPStatus.EXPECTATION_FAILED:  # of the HTTP server, for the kit's Expect; no caller sends one
        return
    if seen.fields.get("status") != "error":
        yield Violation("OPS-ERR-001", "", f"no error envelope, but {exchange.body[:80].decode(errors='replace')!r}")
        return
    if exchange.media_type != "application/json":
        yield Violation("OPS-EXE-006", "", f"sent as {exchange.media_type!r}")
    try:
        parse_json(exchange.body)
    except JsonError as error:
        yield Violation("OPS-EXE-004", "", str(error))
    for violation in judge_answer(seen.value, module=module.name or "").violations:
        yield from _of_error_envelope(seen, violation)
    name = seen.fields.get("module")
    if isinstance(name, str) and name != module.name:
        yield Violation("OPS-EXE-002", "/module", f"is {name[:128]!r}, but /health says {module.name!r}")
    yield from _retryable(seen)


def _of_error_envelope(seen: Seen, violation: Violation) -> Iterator[Violation]:
    match violation.requirement:
        case "OPS-ERR-002":
            yield violation
        case "OPS-VER-001":
            # A module of several majors answers in that of the request, and in any when it cannot read it.
            if _is_valid(seen.exchange):
                yield violation
        case _:
            yield Violation("OPS-ERR-001", violation.pointer, violation.message)


def _retryable(seen: Seen) -> Iterator[Violation]:
    status, retryable = seen.exchange.status, seen.error.get("retryable")
    if seen.exchange.is_of("/health") and status == HTTPStatus.SERVICE_UNAVAILABLE and retryable is False:
        yield Violation("OPS-ERR-002", "/error/retryable", "is false, although a module that is not ready may become so")
    if seen.exchange.method == "POST" and status in _LASTING and retryable is True and not _is_valid(seen.exchange):
        yield Violation("OPS-ERR-002", "/error/retryable", "is true, although the same request can never succeed")


def _is_crash(module: ModuleUnderTest, seen: Seen) -> bool:
    """Whether the request made the module fail. Without an answer at all, only a request that is wrong is blamed."""
    exchange = seen.exchange
    if exchange.status is None:
        return len(exchange.request_body) <= _MOST_READ_BYTES and not _is_asked_for(module, exchange)
    if exchange.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return False
    if not _is_asked_for(module, exchange):
        return True
    return module.works and not (seen.error.get("retryable") is True and _may_fail(exchange))


def _may_fail(exchange: Exchange) -> bool:
    """Whether a valid request may get a retryable error: the module is not ready, or was not done by the deadline."""
    return exchange.status == HTTPStatus.SERVICE_UNAVAILABLE or b"deadline_s" in exchange.request_body


def _is_asked_for(module: ModuleUnderTest, exchange: Exchange) -> bool:
    """Whether a caller may send this request: valid, and for an action that there is."""
    if exchange.method != "POST" or not _is_valid(exchange):
        return False
    return read_request(exchange.request_body).request.action in module.actions


def _is_valid(exchange: Exchange) -> bool:
    try:
        check_request_headers({name.lower(): value for name, value in exchange.request_headers.items()})
        return is_supported(read_request(exchange.request_body).request.contract_version)
    except RefusalError:
        return False
