"""The kit against modules that say what a check looks for, but not because they mean it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from twisted_module import ABOUT, Answer, Asked, Twist, TwistedModule

from ops_contract.compliance.checks.named import not_named
from ops_contract.compliance.observation import Seen
from ops_contract.compliance.result import Exchange

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def of_code(code: str, change: Callable[[Answer], Answer]) -> Twist:
    def twist(_: Asked, answer: Answer) -> Answer:
        return change(answer) if answer.is_error and answer.body["error"]["code"] == code else answer

    return twist


def saying(message: str, **details: Any) -> Callable[[Answer], Answer]:
    return lambda answer: answer.with_error(message=message, details=details)


def serving(is_served: Callable[[str], bool]) -> Twist:
    """Executes a request in another version as if it were 1.0, or refuses it."""

    def twist(asked: Asked, answer: Answer) -> Answer:
        version = asked.fields.get("contract_version")
        if asked.path != "/execute" or not isinstance(version, str) or answer.status != 422 or not is_served(version):
            return answer
        return Answer(200, {"status": "success", **ABOUT, "outputs": {}})

    return twist


def always_the_same_trace(_: Asked, answer: Answer) -> Answer:
    return answer.with_body(meta={"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}) if answer.status == 200 else answer


def executes_whatever_its_case(asked: Asked, answer: Answer) -> Answer:
    is_in_another_case = asked.fields.get("action") == "Execute"
    return Answer(200, {"status": "success", **ABOUT, "outputs": {}}) if is_in_another_case else answer


def judges_the_shape_first(asked: Asked, answer: Answer) -> Answer:
    if "run_id" in asked.fields or "steps" not in asked.fields:
        return answer
    return answer.with_error(code="INVALID_REQUEST", message="/run_id is required", pointer="/run_id", details={})


UNSUPPORTED, UNKNOWN = "UNSUPPORTED_VERSION", "UNKNOWN_ACTION"
BY_ACCIDENT: Final[dict[str, tuple[str, Twist]]] = {
    "version-of-the-envelope": ("OPS-VER-001", of_code(UNSUPPORTED, saying("this version is not served"))),
    "version-in-another": ("OPS-VER-001", of_code(UNSUPPORTED, saying("11.0 and 1.0.3 are not served"))),
    "version-in-a-time": ("OPS-VER-001", of_code(UNSUPPORTED, saying("not served", at="2026-01-09T12:34:01.0Z"))),
    "every-major-but-99": ("OPS-VER-001", serving(lambda version: version != "99.0")),
    "major-2": ("OPS-VER-001", serving(lambda version: version.startswith("2"))),
    "major-that-begins-with-1": ("OPS-VER-001", serving(lambda version: version.startswith("1"))),
    "older-major": ("OPS-VER-001", serving(lambda version: version.startswith("0"))),
    "shape-before-version": ("OPS-VER-001", judges_the_shape_first),
    "redirect-of-a-version": ("OPS-VER-001", of_code(UNSUPPORTED, lambda answer: replace(answer, status=301))),
    "action-in-a-word": ("OPS-EXE-005", of_code(UNKNOWN, saying("nothing was executed"))),
    "action-in-the-path": ("OPS-EXE-005", of_code(UNKNOWN, saying("POST /execute knows no such action"))),
    "action-as-a-verb": ("OPS-EXE-005", of_code(UNKNOWN, saying("cannot execute that", known_actions=["that"]))),
    "action-in-any-case": ("OPS-EXE-005", executes_whatever_its_case),
    "redirect-of-an-action": ("OPS-EXE-005", of_code(UNKNOWN, lambda answer: replace(answer, status=303))),
    "constant-trace": ("OPS-OBS-001", always_the_same_trace),
    "method-in-a-word": (
        "OPS-ERR-010",
        lambda _, answer: replace(answer, headers={**answer.headers, "Allow": "X-POST"}) if answer.status == 405 else answer,
    ),
}


@pytest.mark.parametrize(("requirement", "twist"), BY_ACCIDENT.values(), ids=BY_ACCIDENT)
async def test_what_a_module_says_by_accident_is_no_pass(requirement: str, twist: Twist) -> None:
    assert set(await TwistedModule(twist).broken(requirement)) == {requirement}


@pytest.mark.parametrize(
    ("requirement", "twist"),
    [
        ("OPS-VER-001", of_code(UNSUPPORTED, saying("this module serves contract v1.0."))),
        ("OPS-VER-001", of_code(UNSUPPORTED, saying("not served", supported_versions=["1.0"]))),
        ("OPS-EXE-005", of_code(UNKNOWN, saying("send one of: plot,execute"))),
        ("OPS-EXE-005", of_code(UNKNOWN, saying("unknown", known={"execute": "runs the model"}))),
    ],
)
async def test_what_a_module_names_in_its_own_words_is_found(requirement: str, twist: Twist) -> None:
    assert await TwistedModule(twist).broken(requirement) == {}


def test_details_that_never_end_are_not_followed() -> None:
    deep = b'{"status": "error", "error": {"message": "no", "details": %s"1.0"%s}}' % (b"[" * 150, b"]" * 150)
    seen = Seen(Exchange(method="POST", url="x", request_headers={}, status=422, body=deep))
    assert not_named(seen, ["1.0"], "supported_versions") == ["1.0"]
