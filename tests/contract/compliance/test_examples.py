"""The examples of `ops-contract explain`: the good ones are accepted and the bad ones refused by what judges modules."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import pytest

from ops_contract import (
    ContractError,
    ErrorEnvelope,
    Health,
    RefusalError,
    SuccessEnvelope,
    content_violation,
    judge_answer,
    key_figure_problems,
    media_type_of,
    parse_envelope,
    parse_json,
    read_request,
    sha256_hex,
    validate,
)
from ops_contract.compliance.examples import load_examples
from ops_contract.compliance.requirement import load_requirements

NOT_IN_ONE_DOCUMENT: Final = {
    # How long it takes, or what comes before and after.
    *("OPS-HLT-001", "OPS-HLT-003", "OPS-HLT-004", "OPS-ERR-009", "OPS-LIM-001", "OPS-LIM-003"),
    *("OPS-DET-001", "OPS-DET-002", "OPS-DET-003", "OPS-IDM-001", "OPS-IDM-003"),
    # Bytes that are fetched, and containers.
    *("OPS-ART-002", "OPS-ART-006", "OPS-ART-007", "OPS-CTR-001", "OPS-CTR-002", "OPS-CTR-003"),
    # What a valid answer holds beyond its shape.
    *("OPS-HLT-005", "OPS-EXE-005", "OPS-EXE-007", "OPS-ERR-007", "OPS-ERR-010", "OPS-EVD-003", "OPS-OBS-001"),
    # A module may refuse these requests or be late, which the request alone does not show.
    *("OPS-LIM-002", "OPS-IDM-002"),
}
"""Requirements whose bad example is a good document."""

REFUSED_FOR_OTHER_REASONS: Final = {"OPS-EXE-005", "OPS-LIM-002", "OPS-IDM-002"}
"""Requirements whose good example refuses a request that the schema accepts."""


@dataclass
class Message:
    """A request or an answer in an example: its first line, its headers and its body."""

    mark: str
    head: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


def messages(text: str) -> Iterator[Message]:
    found: list[Message] = []
    for line in text.split("\n"):
        mark, content = line[:1], line[2:]
        assert mark in {">", "<", "#"}, line
        if re.fullmatch(r"[A-Z]+ /\S*|\d{3}", content) and mark != "#":
            found.append(Message(mark, content))
        elif mark != "#" and not found[-1].body and (header := re.fullmatch(r"([A-Za-z-]+): (.+)", content)):
            found[-1].headers[header[1].lower()] = header[2]
        elif mark != "#":
            assert mark == found[-1].mark
            found[-1].body += f"{content}\n"
    return iter(found)


def problems_of(requirement: str, text: str) -> list[str]:
    """What the contract has against an example."""
    found = list(messages(text))
    problems = [problem for one in found if one.mark == "<" for problem in problems_of_answer(one)]
    for sent, answer in pairwise(found):
        if sent.head == "GET /health" and answer.mark == "<":
            validate(Health, parse_json(answer.body.encode()), "health")
        if sent.head == "POST /execute" and sent.body and answer.mark == "<" and answer.body:
            problems += problems_of_exchange(requirement, sent, answer)
    return problems


def problems_of_answer(answer: Message) -> Iterator[str]:
    if not answer.body:
        return
    if media_type_of(answer.headers.get("content-type", "application/json")) != "application/json":
        yield answer.headers["content-type"]
    value = parse_json(answer.body.encode())
    if isinstance(value, dict) and value.get("status") == "ok":
        return
    if answer.head != "200":
        if not isinstance(parse_envelope(value), ErrorEnvelope):
            yield f"a success with {answer.head}"
        return
    judgement = judge_answer(value, module="simulator")
    yield from map(str, judgement.violations)
    if isinstance(judgement.envelope, SuccessEnvelope):
        yield from problems_of_content(judgement.envelope)
    else:
        yield "no success with 200"


def problems_of_content(envelope: SuccessEnvelope) -> Iterator[str]:
    yield from (f"OPS-FIG-001 {problem}" for problem in key_figure_problems(envelope.outputs))
    for artifact in envelope.artifacts:
        content = artifact.inline_content or b""
        if wrong := content_violation(artifact, len(content), sha256_hex(content)):
            yield str(wrong)


def problems_of_exchange(requirement: str, sent: Message, answer: Message) -> Iterator[str]:
    try:
        read_request(sent.body.encode())
    except RefusalError as refusal:
        pointer = parse_json(answer.body.encode()).get("error", {}).get("pointer")
        if answer.head != str(refusal.status) or pointer not in {refusal.pointer, *([None, ""] if not refusal.pointer else [])}:
            yield f"{answer.head} at {pointer} instead of {refusal.status} at {refusal.pointer}"
    else:
        if answer.head != "200" and requirement not in REFUSED_FOR_OTHER_REASONS:
            yield f"{answer.head} to a valid request"


def test_every_requirement_has_a_good_and_a_bad_example() -> None:
    examples = load_examples()
    assert list(examples) == list(load_requirements())
    assert all(one.good and one.bad and one.good != one.bad for one in examples.values())


def test_no_line_of_an_example_is_wider_than_a_terminal() -> None:
    lines = [line for one in load_examples().values() for text in (one.good, one.bad) for line in text.split("\n")]
    assert max(map(len, lines)) <= 78


@pytest.mark.parametrize("requirement", load_requirements())
def test_good_example_follows_the_contract(requirement: str) -> None:
    assert problems_of(requirement, load_examples()[requirement].good) == []


@pytest.mark.parametrize("requirement", [one for one in load_requirements() if one not in NOT_IN_ONE_DOCUMENT])
def test_bad_example_is_refused(requirement: str) -> None:
    try:
        problems = problems_of(requirement, load_examples()[requirement].bad)
    except ContractError as error:
        problems = [str(error)]
    assert problems
    named = re.findall(r"OPS-[A-Z]{3}-[0-9]{3}", "".join(problems))
    assert not named or requirement in named
