"""The answers of a module to good requests, judged as the orchestrator judges them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ops_contract import JsonError, TooManyValuesError, Violation, judge_answer, parse_json
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, judged

_MOST_LISTED = 3


@dataclass(frozen=True)
class JudgedAnswer:
    """An answer to a good request, and every MUST that it breaks; `violations` is empty when it is not a 200."""

    seen: Seen
    violations: tuple[Violation, ...]


async def good_answers(module: ModuleUnderTest, headers: Mapping[str, str] | None = None) -> list[JudgedAnswer]:
    """Request each action with good inputs, and judge the answers."""
    answers = [Seen(await module.execute(module.request(action=action), headers=headers)) for action in module.actions]
    return [JudgedAnswer(seen, answer_violations(seen, module.name or "") if seen.is_done else ()) for seen in answers]


def judged_by_violations(
    requirement: str, expected: str, answers: Sequence[JudgedAnswer], breaks: Callable[[Violation], bool] | None = None
) -> Observation:
    """Met when no answer has a violation that `breaks` the requirement; by default, one with its id."""
    for answer in answers:
        found = [one for one in answer.violations if (breaks(one) if breaks else one.requirement == requirement)]
        if found:
            return broken(requirement, expected, listed(found, requirement), answer.seen)
    return judged(requirement, True, expected, "", answers[0].seen)


def listed(violations: Sequence[Violation], requirement: str) -> str:
    """The first violations in one sentence, with the ids of those that belong to another requirement."""
    texts = [
        f"{one.pointer or 'the answer'}: {one.message}" if one.requirement == requirement else str(one)
        for one in violations[:_MOST_LISTED]
    ]
    more = len(violations) - _MOST_LISTED
    return "; ".join([*texts, *([f"and {more} more"] if more > 0 else [])])


def answer_violations(seen: Seen, name: str) -> tuple[Violation, ...]:
    """Every MUST that an answer to a good request breaks, by itself."""
    try:
        return judge_answer(parse_json(seen.exchange.body), module=name).violations
    except TooManyValuesError as error:
        return (Violation("OPS-EXE-004", "", str(error)),)
    except JsonError as error:
        not_strict = Violation("OPS-EXE-004", "", str(error))
    try:
        return (not_strict, *judge_answer(seen.value, module=name).violations)
    except ValueError:  # half of a surrogate pair, which cannot be hashed or measured in bytes
        return (not_strict,)
