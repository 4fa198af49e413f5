"""Envelopes: `status` tells which, and a wrong one is refused with pointers and plain words."""

from typing import Any

import pytest

from ops_contract import ErrorEnvelope, Problem, ShapeError, SuccessEnvelope, parse_envelope


def _problems(value: Any) -> tuple[Problem, ...]:
    with pytest.raises(ShapeError) as caught:
        parse_envelope(value)
    return caught.value.problems


def test_status_success_is_a_success(success: dict[str, Any]) -> None:
    """OPS-EXE-001."""
    assert isinstance(parse_envelope(success), SuccessEnvelope)


def test_status_error_is_an_error(failure: dict[str, Any]) -> None:
    """OPS-ERR-002."""
    envelope = parse_envelope(failure)
    assert isinstance(envelope, ErrorEnvelope)
    assert (envelope.error.code, envelope.error.retryable, envelope.error.pointer) == (
        "INVALID_INPUT",
        False,
        "/inputs/vat_rate",
    )


def test_success_that_also_has_an_error_is_still_a_success(success: dict[str, Any], failure: dict[str, Any]) -> None:
    assert isinstance(parse_envelope({**failure, **success}), SuccessEnvelope)


def test_error_without_the_error_is_refused_as_an_error(success: dict[str, Any]) -> None:
    assert _problems({**success, "status": "error"}) == (Problem("/error", "is required"),)


@pytest.mark.parametrize(
    ("status", "shown"),
    [("ok", "'ok'"), ("Success", "'Success'"), (None, "null"), (True, "true"), ([], "an array"), ({}, "an object")],
)
def test_another_status_is_refused(success: dict[str, Any], status: Any, shown: str) -> None:
    assert _problems({**success, "status": status}) == (Problem("/status", f"must be 'success' or 'error', not {shown}"),)


def test_missing_status_is_refused(success: dict[str, Any]) -> None:
    del success["status"]
    assert _problems(success) == (Problem("/status", "is required"),)


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "null"), ([], "an array"), ("success", "'success'"), (1, "1"), (False, "false")]
)
def test_value_that_is_no_object_is_refused(value: Any, shown: str) -> None:
    assert _problems(value) == (Problem("", f"must be an object, not {shown}"),)


def test_success_with_the_required_fields_alone_is_accepted() -> None:
    """OPS-EXE-003: outputs may be empty."""
    envelope = parse_envelope({"status": "success", "module": "m", "outputs": {}})
    assert isinstance(envelope, SuccessEnvelope)
    assert (envelope.artifacts, envelope.evidence, envelope.warnings, envelope.meta) == ((), (), (), {})


@pytest.mark.parametrize("field", ["module", "outputs"])
def test_success_without_a_required_field_is_refused(success: dict[str, Any], field: str) -> None:
    """OPS-EXE-003."""
    del success[field]
    assert _problems(success) == (Problem(f"/{field}", "is required"),)


@pytest.mark.parametrize("outputs", [None, [], "text", 1, True])
def test_success_whose_outputs_are_no_object_is_refused(success: dict[str, Any], outputs: Any) -> None:
    """OPS-EXE-003."""
    assert [problem.pointer for problem in _problems({**success, "outputs": outputs})] == ["/outputs"]


@pytest.mark.parametrize("field", ["artifacts", "evidence", "warnings", "meta"])
def test_success_with_null_for_an_optional_collection_is_refused(success: dict[str, Any], field: str) -> None:
    assert [problem.pointer for problem in _problems({**success, field: None})] == [f"/{field}"]


@pytest.mark.parametrize("field", ["version", "contract_version"])
@pytest.mark.parametrize("document", ["success", "failure"])
def test_null_for_a_version_is_accepted(request: pytest.FixtureRequest, document: str, field: str) -> None:
    envelope = parse_envelope({**request.getfixturevalue(document), field: None})
    assert getattr(envelope, field) is None


@pytest.mark.parametrize("field", ["code", "message", "retryable"])
def test_error_without_a_required_field_is_refused(failure: dict[str, Any], field: str) -> None:
    """OPS-ERR-002."""
    del failure["error"][field]
    assert _problems(failure) == (Problem(f"/error/{field}", "is required"),)


@pytest.mark.parametrize(
    ("field", "value"),
    [("code", ""), ("message", ""), ("code", 422), ("retryable", "false"), ("retryable", 0), ("pointer", 1), ("details", [])],
)
def test_error_with_a_wrong_field_is_refused_at_its_place(failure: dict[str, Any], field: str, value: Any) -> None:
    """OPS-ERR-002, OPS-ERR-005."""
    failure["error"][field] = value
    assert [problem.pointer for problem in _problems(failure)] == [f"/error/{field}"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"module": 1}, Problem("/module", "must be a string, not 1")),
        ({"version": 1.0}, Problem("/version", "must be a string, not 1.0")),
        ({"warnings": "late"}, Problem("/warnings", "must be an array, not 'late'")),
        ({"warnings": ["late", {}]}, Problem("/warnings/1", "must be a string, not an object")),
        ({"artifacts": {}}, Problem("/artifacts", "must be an array, not an object")),
        ({"artifacts": [None]}, Problem("/artifacts/0", "must be an object, not null")),
        ({"evidence": ["e1"]}, Problem("/evidence/0", "must be an object, not 'e1'")),
        ({"meta": []}, Problem("/meta", "must be an object, not an array")),
    ],
)
def test_wrong_field_is_told_in_plain_words(success: dict[str, Any], change: dict[str, Any], problem: Problem) -> None:
    """OPS-ERR-005."""
    assert _problems({**success, **change}) == (problem,)


def test_unknown_fields_are_ignored_at_every_level(success: dict[str, Any]) -> None:
    """OPS-FWD-001."""
    known = parse_envelope(success)
    success["later"] = success["artifacts"][0]["later"] = success["evidence"][0]["later"] = {"x": 1}
    assert parse_envelope(success) == known


def test_wrong_artifact_is_refused_at_its_place(success: dict[str, Any], artifact: dict[str, Any]) -> None:
    success["artifacts"].append({**artifact, "name": "../x"})
    assert [problem.pointer for problem in _problems(success)] == ["/artifacts/1/name"]


@pytest.mark.parametrize("field", ["id", "kind", "title"])
def test_evidence_without_a_required_field_is_refused(success: dict[str, Any], field: str) -> None:
    """OPS-EVD-001."""
    del success["evidence"][0][field]
    assert _problems(success) == (Problem(f"/evidence/0/{field}", "is required"),)


@pytest.mark.parametrize("pointer", ["kpis", "#/kpis", "/a~", "/a~2b", "kpis/gdp"])
def test_evidence_that_supports_no_pointer_is_refused(success: dict[str, Any], pointer: str) -> None:
    """RFC 6901, section 3."""
    success["evidence"][0]["supports"] = ["/kpis", pointer]
    assert [problem.pointer for problem in _problems(success)] == ["/evidence/0/supports/1"]


@pytest.mark.parametrize("field", ["uri", "artifact", "synthetic", "observed_at"])
def test_evidence_with_null_for_an_optional_field_is_accepted(success: dict[str, Any], field: str) -> None:
    success["evidence"][0][field] = None
    envelope = parse_envelope(success)
    assert isinstance(envelope, SuccessEnvelope)
    assert getattr(envelope.evidence[0], field) is None


@pytest.mark.parametrize("details", ["text", 7, [1], {"rows": None}, None], ids=str)
def test_details_of_evidence_may_be_any_value(success: dict[str, Any], details: Any) -> None:
    success["evidence"][0]["details"] = details
    envelope = parse_envelope(success)
    assert isinstance(envelope, SuccessEnvelope)
    assert envelope.evidence[0].details == details


def test_evidence_naming_an_artifact_by_a_hostile_name_is_refused(success: dict[str, Any]) -> None:
    """OPS-ART-005."""
    success["evidence"][0]["artifact"] = "../kpis.json"
    assert [problem.pointer for problem in _problems(success)] == ["/evidence/0/artifact"]


def test_large_value_is_not_repeated_in_a_message(success: dict[str, Any]) -> None:
    with pytest.raises(ShapeError) as caught:
        parse_envelope({**success, "status": "x" * 100_000})
    assert len(str(caught.value)) < 200
