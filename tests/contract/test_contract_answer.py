"""The one judgement of an answer: each rule, and by which requirement it is named."""

from collections import Counter
from typing import Any

import pytest

from ops_contract import Artifact, ErrorEnvelope, SuccessEnvelope, judge_answer

MODULE = "policy-simulator"


def broken(answer: Any) -> list[tuple[str, str]]:
    """The requirements that an answer breaks, and where."""
    return [(one.requirement, one.pointer) for one in judge_answer(answer, module=MODULE).violations]


def artifacts(*names: str) -> dict[str, Any]:
    described = [Artifact.of(name, "text/plain", b"x").model_dump(mode="json", exclude_unset=True) for name in names]
    return {"artifacts": described, "evidence": []}


def test_good_answer_breaks_nothing_and_is_an_envelope(success: dict[str, Any]) -> None:
    judgement = judge_answer(success, module=MODULE)
    assert judgement.violations == ()
    assert isinstance(judgement.envelope, SuccessEnvelope)


def test_error_envelope_is_judged_by_its_shape_and_version(failure: dict[str, Any]) -> None:
    assert isinstance(judge_answer(failure, module=MODULE).envelope, ErrorEnvelope)
    assert broken(failure) == []
    assert broken({**failure, "contract_version": "9.9"}) == [("OPS-VER-001", "/contract_version")]
    assert broken({**failure, "error": {"code": "X", "message": "x"}}) == [("OPS-ERR-002", "/error/retryable")]


@pytest.mark.parametrize(
    ("fields", "requirement", "pointer"),
    [
        ({"warnings": "none"}, "OPS-EXE-001", "/warnings"),
        ({"module": "my module"}, "OPS-EXE-001", "/module"),
        ({"outputs": []}, "OPS-EXE-003", "/outputs"),
        ({"artifacts": [{}]}, "OPS-ART-001", "/artifacts/0/name"),
        ({"artifacts": "x"}, "OPS-ART-001", "/artifacts"),
        ({"evidence": [{"id": "e", "kind": "k", "title": 5}]}, "OPS-EVD-001", "/evidence/0/title"),
        ({"contract_version": 1.0}, "OPS-EXE-001", "/contract_version"),
    ],
)
def test_wrong_shape_is_named_by_the_requirement_of_its_part(
    fields: dict[str, Any], requirement: str, pointer: str, success: dict[str, Any]
) -> None:
    assert judge_answer({**success, **fields}, module=MODULE).envelope is None
    assert broken({**success, **fields})[0] == (requirement, pointer)


def test_many_breaches_of_one_kind_are_listed_up_to_twenty_in_few_words(success: dict[str, Any]) -> None:
    evidence = {"id": "e", "kind": "k", "title": "t", "supports": [f"/{'x' * 1000}"] * 1000}
    twice = artifacts(*["a"] * 30)["artifacts"]
    found = judge_answer({**success, "artifacts": twice, "evidence": [evidence]}, module=MODULE).violations
    assert Counter(one.requirement for one in found) == {"OPS-ART-005": 20, "OPS-EVD-002": 20}
    assert max(len(one.message) for one in found) < 200


def test_refused_name_is_not_a_missing_one(success: dict[str, Any]) -> None:
    success["artifacts"][0]["name"] = "../x"
    assert broken(success) == [("OPS-ART-005", "/artifacts/0/name")]


@pytest.mark.parametrize(
    ("fields", "requirement", "pointer"),
    [
        (artifacts("a", "a/b"), "OPS-ART-005", "/artifacts/1/name"),
        (artifacts("\u00e9", "e\u0301"), "OPS-ART-005", "/artifacts/1/name"),
        (artifacts("\u00e9" * 128), "OPS-ART-005", "/artifacts/0/name"),
        ({"outputs": {"a": [{"b~/c": 2**53}]}, "evidence": []}, "OPS-EXE-004", "/outputs/a/0/b~0~1c"),
        (
            {"evidence": [{"id": "a", "kind": "b", "title": "c", "details": {"n": [2**53]}}]},
            "OPS-EXE-004",
            "/evidence/0/details/n/0",
        ),
        ({"contract_version": "9.9"}, "OPS-VER-001", "/contract_version"),
        ({"module": "other"}, "OPS-EXE-002", "/module"),
        ({"outputs": {}}, "OPS-EVD-002", "/evidence/0/supports/0"),
    ],
)
def test_rule_that_no_schema_has_is_named_with_its_place(
    fields: dict[str, Any], requirement: str, pointer: str, success: dict[str, Any]
) -> None:
    assert judge_answer({**success, **fields}, module=MODULE).envelope is not None
    assert broken({**success, **fields}) == [(requirement, pointer)]


def test_sound_parts_are_judged_beside_unsound_ones(success: dict[str, Any]) -> None:
    answer = {**success, "version": 5, "module": "other", "outputs": {"kpis": 2**53}}
    assert broken(answer) == [
        ("OPS-EXE-001", "/version"),
        ("OPS-EXE-002", "/module"),
        ("OPS-EVD-002", "/evidence/0/supports/0"),
        ("OPS-EXE-004", "/outputs/kpis"),
    ]


@pytest.mark.parametrize("part", ["outputs", "artifacts"])
def test_evidence_is_not_judged_against_a_part_that_is_unsound(part: str, success: dict[str, Any]) -> None:
    assert {pointer.split("/")[1] for _, pointer in broken({**success, part: "x"})} == {part}


@pytest.mark.parametrize("status", [{}, {"status": "done"}])
def test_answer_of_no_known_status_is_read_as_a_success(status: dict[str, Any]) -> None:
    assert broken(status) == [("OPS-EXE-001", "/status"), ("OPS-EXE-001", "/module"), ("OPS-EXE-003", "/outputs")]


@pytest.mark.parametrize("answer", [None, [], "text", 5])
def test_answer_that_is_not_an_object_is_broken_as_a_whole(answer: Any) -> None:
    assert broken(answer) == [("OPS-EXE-001", "")]
