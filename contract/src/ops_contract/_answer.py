"""The judgement of a module's answer, the same for whoever calls modules and for whoever checks them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ops_contract._base import validate
from ops_contract._envelope import Envelope, SuccessEnvelope, parse_envelope
from ops_contract._errors import NumberError, Problem, ShapeError
from ops_contract._json import check_numbers, join_pointer
from ops_contract._verify import Violation, violations
from ops_contract._version import CONTRACT_VERSION, is_supported

__all__ = ["MAX_HEADER_BYTES", "MAX_HEADER_FIELDS", "MAX_INTERIM_ANSWERS", "AnswerJudgement", "judge_answer"]

MAX_HEADER_FIELDS: Final = 128
"""How many header fields of an answer are read, trailers included."""

MAX_HEADER_BYTES: Final = 8192
"""How many bytes of one header field are read, name and value together."""

MAX_INTERIM_ANSWERS: Final = 100
"""How many interim answers (1xx) are read before the final one."""

_REQUIREMENTS: Final = {
    "outputs": "OPS-EXE-003",
    "artifacts": "OPS-ART-001",
    "evidence": "OPS-EVD-001",
    "error": "OPS-ERR-002",
}
"""The requirements on the shape of one part of an envelope; OPS-EXE-001 covers the rest."""


@dataclass(frozen=True)
class AnswerJudgement:
    """The envelope in an answer, None when its shape is wrong, and the MUSTs that the answer breaks.

    Of one MUST that many parts of an answer break, the first twenty violations are kept.

    An answer without violations can be used, except that nobody has looked at the bytes of its artifacts yet.
    """

    envelope: Envelope | None
    violations: tuple[Violation, ...]


def judge_answer(value: Any, *, module: str) -> AnswerJudgement:
    """Judge the JSON value that the module `module` answered, as `parse_json` read it.

    Of an answer with a wrong shape, violations of the shape come first, then those in its sound parts. Whether the status of
    the envelope agrees with that of HTTP (OPS-ERR-008) is for whoever knows both.
    """
    try:
        envelope = parse_envelope(value)
    except ShapeError as error:
        problems = (*error.problems, *_problems_despite_status(value))
        broken = map(_shape_violation, problems)
        return AnswerJudgement(None, (*broken, *_violations_in_sound_parts(value, problems, module)))
    return AnswerJudgement(envelope, tuple(_violations(envelope, module)))


def _violations(envelope: Envelope, module: str) -> Iterator[Violation]:
    yield from _version(envelope)
    if isinstance(envelope, SuccessEnvelope):
        yield from violations(envelope, module=module)
        yield from _numbers(envelope)


def _version(envelope: Envelope) -> Iterator[Violation]:
    version = envelope.contract_version
    if version is not None and not is_supported(version):
        yield Violation("OPS-VER-001", "/contract_version", f"is contract {version}, but {CONTRACT_VERSION} was asked for")


def _numbers(envelope: SuccessEnvelope) -> Iterator[Violation]:
    # No other part that later steps and fingerprints are made from can hold a number that is out of range.
    details = (
        (join_pointer(join_pointer("/evidence", at), "details"), item.details) for at, item in enumerate(envelope.evidence)
    )
    for pointer, value in (("/outputs", envelope.outputs), *(each for each in details if each[1] is not None)):
        try:
            check_numbers(value)
        except NumberError as error:
            yield Violation("OPS-EXE-004", f"{pointer}{error.pointer}", error.reason)


def _shape_violation(problem: Problem) -> Violation:
    part, _, below = problem.pointer.removeprefix("/").partition("/")
    requirement = _REQUIREMENTS.get(part, "OPS-EXE-001")
    if part == "artifacts" and below.endswith("/name") and not problem.message.startswith("is required"):
        requirement = "OPS-ART-005"
    return Violation(requirement, problem.pointer, problem.message)


def _problems_despite_status(value: Any) -> tuple[Problem, ...]:
    """What else is wrong with an answer that does not say which envelope it is, read as a success."""
    if not isinstance(value, dict) or value.get("status") in ("success", "error"):
        return ()
    try:
        validate(SuccessEnvelope, {**value, "status": "success"}, "envelope")
    except ShapeError as error:
        return error.problems
    return ()


def _violations_in_sound_parts(value: Any, problems: Iterable[Problem], module: str) -> Iterator[Violation]:
    """Violations in a success envelope apart from the parts with `problems`."""
    unsound = {problem.pointer.split("/", 2)[1] for problem in problems if problem.pointer}
    if not isinstance(value, dict) or value.get("status") == "error":
        return
    if unsound & {"outputs", "artifacts"}:
        unsound.add("evidence")  # it refers to both, so it cannot be judged without them
    sound = {name: part for name, part in value.items() if name not in unsound}
    try:
        envelope = validate(SuccessEnvelope, {"module": module, "outputs": {}, **sound, "status": "success"}, "envelope")
    except ShapeError:  # more is wrong than the twenty problems that are kept
        return
    yield from _violations(envelope, module)
