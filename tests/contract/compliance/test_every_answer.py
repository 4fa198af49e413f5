"""The kit against modules that are right where a check looks, and wrong in one of the other answers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from twisted_module import Answer, Asked, Twist, TwistedModule

from ops_contract.compliance.arguments import selected
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.result import Exchange, ExitCode, Verdict
from ops_contract.compliance.transcript import Transcript

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ERROR: Final[dict[str, Any]] = {
    "status": "error",
    "module": "twisted",
    "error": {"code": "INTERNAL", "message": "the module failed; its log says why", "retryable": False},
}
_OTHER_SCENARIO: Final = "\U0001f4c8"
"""In no request but one that has a long scenario_id."""


def of_errors(change: Callable[[Answer], Answer]) -> Twist:
    return lambda _, answer: change(answer) if answer.is_error else answer


def of_status(status: int, change: Callable[[Answer], Answer]) -> Twist:
    return lambda _, answer: change(answer) if answer.status == status else answer


def of_one_good_answer(change: Callable[[Answer], Answer]) -> Twist:
    def twist(asked: Asked, answer: Answer) -> Answer:
        is_other = answer.status == 200 and str(asked.fields.get("scenario_id", "")).startswith(_OTHER_SCENARIO)
        return change(answer) if is_other else answer

    return twist


def of_hostile_ids(change: Callable[[Answer], Answer]) -> Twist:
    return lambda asked, answer: change(answer) if "/etc/passwd" in str(asked.fields.get("run_id")) else answer


def with_content_type(value: str) -> Callable[[Answer], Answer]:
    return lambda answer: replace(answer, headers={**answer.headers, "Content-Type": value})


def with_key_twice(answer: Answer) -> Answer:
    return replace(answer, body=b'{"status":"error",' + answer.content[1:] if answer.is_error else answer.content)


def leaking(text: str) -> Callable[[Answer], Answer]:
    return lambda answer: answer.with_error(details={"problems": [{"hint": text}]})


ONE_WRONG: Final[dict[str, tuple[str, Twist]]] = {
    "5xx-after-a-hostile-id": ("OPS-ERR-006", of_hostile_ids(lambda answer: replace(answer, status=500))),
    "503-for-a-hostile-id": (
        "OPS-ERR-006",
        of_hostile_ids(lambda answer: replace(answer, status=503).with_error(retryable=True)),
    ),
    "no-answer-to-a-hostile-id": ("OPS-ERR-006", of_hostile_ids(lambda answer: replace(answer, status=None))),
    "5xx-to-a-valid-request": (
        "OPS-ERR-006",
        of_one_good_answer(lambda _: Answer(500, ERROR)),
    ),
    "page-for-a-hostile-id": ("OPS-ERR-001", of_hostile_ids(lambda answer: replace(answer, body=b"<html>no</html>"))),
    "error-without-module": (
        "OPS-ERR-001",
        of_hostile_ids(lambda answer: replace(answer, body={k: v for k, v in answer.body.items() if k != "module"})),
    ),
    "retryable-is-text": ("OPS-ERR-002", of_hostile_ids(lambda answer: answer.with_error(retryable="no"))),
    "details-is-a-list": ("OPS-ERR-002", of_status(405, lambda answer: answer.with_error(details=["GET"]))),
    "wrong-request-is-retryable": ("OPS-ERR-002", of_status(400, lambda answer: answer.with_error(retryable=True))),
    "stack-trace-in-details": (
        "OPS-ERR-007",
        of_hostile_ids(leaking('Traceback (most recent call last):\n  File "run.py", line 3')),
    ),
    "path-in-details": ("OPS-ERR-007", of_hostile_ids(leaking("see /srv/module/run.log"))),
    "java-frame-in-details": ("OPS-ERR-007", of_hostile_ids(leaking("at org.acme.Main.run(Main.java:42)"))),
    "windows-path-in-details": ("OPS-ERR-007", of_hostile_ids(leaking("C:\\modules\\run.cfg"))),
    "success-with-422": ("OPS-ERR-008", of_hostile_ids(lambda answer: answer.with_body(status="success", outputs={}))),
    "redirect-of-a-hostile-id": ("OPS-ERR-008", of_hostile_ids(lambda answer: replace(answer, status=302))),
    "other-module-in-errors": ("OPS-EXE-002", of_errors(lambda answer: answer.with_body(module="other"))),
    "other-module-once": ("OPS-EXE-002", of_one_good_answer(lambda answer: answer.with_body(module="other"))),
    "key-twice-in-errors": ("OPS-EXE-004", of_errors(with_key_twice)),
    "text-errors": ("OPS-EXE-006", of_errors(with_content_type("text/plain"))),
    "html-once": ("OPS-EXE-006", of_one_good_answer(with_content_type("text/html"))),
    "warnings-once": ("OPS-EXE-001", of_one_good_answer(lambda answer: answer.with_body(warnings="none"))),
    "outputs-once": ("OPS-EXE-003", of_one_good_answer(lambda answer: answer.with_body(outputs=[]))),
    "evidence-once": ("OPS-EVD-001", of_one_good_answer(lambda answer: answer.with_body(evidence=[{"id": "e1"}]))),
}
"""Modules with one wrong answer, and the requirement that it breaks."""

SELECT: Final = ("OPS-EXE-*", "OPS-ERR-00[1236789]", "OPS-EVD-001", "OPS-FWD-003", "OPS-PTH-001")
EVERY_SHAPE: Final = ("OPS-ERR-004", "OPS-ERR-005")
"""What sends hundreds of wrong requests: only to modules that are wrong in one of them, or must not be found wrong in any."""

ASKED_TOO: Final = frozenset({"OPS-FWD-003", "OPS-PTH-001"})
"""Requirements whose own requests are answered wrongly, too."""


async def broken(twist: Twist, select: tuple[str, ...] = SELECT) -> set[str]:
    return set(await TwistedModule(twist).broken(*selected(select)))


async def test_module_without_a_twist_meets_everything() -> None:
    assert await TwistedModule().broken() == {}


@pytest.mark.parametrize(("requirement", "twist"), ONE_WRONG.values(), ids=ONE_WRONG)
async def test_one_wrong_answer_is_found_wherever_it_is(requirement: str, twist: Twist) -> None:
    found = await broken(twist)
    assert requirement in found
    assert found - ASKED_TOO == {requirement}


async def test_page_of_the_server_for_a_body_that_is_too_large_is_no_envelope() -> None:
    page = of_status(413, lambda answer: replace(answer, body=b"<html>too large</html>"))
    assert set(await TwistedModule(page).broken("OPS-LIM-003", "OPS-ERR-001")) == {"OPS-ERR-001"}


async def test_text_of_the_request_in_an_error_is_no_leak() -> None:
    def repeating(asked: Asked, answer: Answer) -> Answer:
        return answer.with_error(message=f"cannot run {asked.raw[:300]!r} of {asked.path}") if answer.is_error else answer

    assert await broken(repeating, (*SELECT, *EVERY_SHAPE)) == set()


async def test_module_that_is_busy_for_a_moment_is_not_said_to_fail_on_input() -> None:
    busy = {"code": "NOT_READY", "message": "ask again later", "retryable": True}
    found = await broken(of_one_good_answer(lambda _: Answer(503, {**ERROR, "error": busy})))
    assert found == {"OPS-FWD-003"}


async def test_module_that_reads_leniently_is_not_blamed_for_what_it_repeats() -> None:
    def lenient(asked: Asked, answer: Answer) -> Answer:
        if b"9007199254740992" not in asked.raw:
            return answer
        return Answer(200, {"status": "success", "module": "twisted", "outputs": asked.fields["inputs"]})

    found = await TwistedModule(lenient).broken("OPS-ERR-011", "OPS-EXE-004")
    assert {one: finding.verdict for one, finding in found.items()} == {"OPS-ERR-011": Verdict.WARN}


def failing_after(probe: bytes, answers: int) -> Twist:
    """Fails that many valid requests after one with `probe` in its body."""
    left = [0]

    def twist(asked: Asked, answer: Answer) -> Answer:
        if asked.path == "/execute" and probe in asked.raw:
            left[0] = answers
        elif asked.path == "/execute" and answer.status == 200 and left[0]:
            left[0] -= 1
            return Answer(409, ERROR)
        return answer

    return twist


@pytest.mark.parametrize(
    ("probe", "also"),
    [(b'{"a": NaN}', ()), (b"no-such-action", ()), (b"/etc/passwd", ()), (b'"seed": 1.5', EVERY_SHAPE)],
    ids=["NaN", "action", "path", "shape"],
)
async def test_error_that_breaks_the_next_request_is_named_and_nothing_else_fails(probe: bytes, also: tuple[str, ...]) -> None:
    found = await TwistedModule(failing_after(probe, 1)).broken(*selected((*SELECT, *also)))
    assert set(found) == {"OPS-ERR-009"}
    cause, after = found["OPS-ERR-009"].exchanges
    assert probe in cause.request_body
    assert after.status == 409


async def test_module_that_an_error_ends_is_told_once() -> None:
    report = await TwistedModule(failing_after(b'{"a": NaN}', 10**9)).report(*selected(SELECT))
    verdicts = {one.requirement.id: one.verdict for one in report.findings}
    assert [one for one, verdict in verdicts.items() if verdict is Verdict.FAIL] == ["OPS-ERR-009"]
    assert verdicts["OPS-PTH-001"] is Verdict.NOT_TESTABLE
    assert "OPS-ERR-009 shows" in next(one.actual for one in report.findings if one.verdict is Verdict.NOT_TESTABLE)
    assert report.exit_code() == ExitCode.NOT_COMPLIANT


async def test_probe_tells_of_each_exchange() -> None:
    told: list[Exchange] = []
    async with TwistedModule().served() as url:
        probe = Probe(url)
        probe.on_exchange = told.append
        sent = await probe.send("GET", "/health")
    assert told == [sent]


def test_transcript_keeps_small_exchanges_when_large_ones_have_filled_it() -> None:
    transcript = Transcript()
    large = Exchange(method="GET", url="x", request_headers={}, body=bytes(50 * 1024 * 1024))
    small = replace(large, body=b"")
    for exchange in (large, large, large, small):
        transcript.add(exchange)
    assert transcript.exchanges == [large, large, small]
