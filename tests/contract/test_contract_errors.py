"""How errors and problems read."""

import pytest

from ops_contract import ContractError, JsonError, NumberError, Problem, ShapeError, Violation


def _problems(count: int) -> tuple[Problem, ...]:
    return tuple(Problem(f"/{index}", "is required") for index in range(count))


@pytest.mark.parametrize(("pointer", "text"), [("/a/0", "/a/0: is required"), ("", "(the whole value): is required")])
def test_problem_reads_as_place_and_sentence(pointer: str, text: str) -> None:
    assert str(Problem(pointer, "is required")) == text


def test_shape_error_reads_as_its_subject_and_problems() -> None:
    assert str(ShapeError("envelope", _problems(2))) == "envelope: /0: is required; /1: is required"


def test_shape_error_with_ten_problems_tells_all() -> None:
    assert str(ShapeError("envelope", _problems(10))).endswith("/9: is required")


def test_shape_error_with_more_problems_tells_ten_and_keeps_all() -> None:
    error = ShapeError("envelope", _problems(13))
    assert str(error).endswith("/9: is required; and 3 more")
    assert error.problems == _problems(13)


def test_shape_error_keeps_its_subject() -> None:
    assert ShapeError("health", _problems(1)).subject == "health"


def test_number_error_keeps_place_and_reason() -> None:
    error = NumberError("/kpis/0", "is too large")
    assert (error.pointer, error.reason, str(error)) == ("/kpis/0", "is too large", "/kpis/0: is too large")


@pytest.mark.parametrize("error", [JsonError("x"), NumberError("", "x"), ShapeError("x", ())])
def test_every_error_is_a_contract_error(error: Exception) -> None:
    assert isinstance(error, ContractError)


@pytest.mark.parametrize(
    ("pointer", "text"),
    [("/module", "OPS-EXE-002 at /module: is 'a'"), ("", "OPS-EXE-002 at the whole answer: is 'a'")],
)
def test_violation_reads_as_requirement_place_and_sentence(pointer: str, text: str) -> None:
    assert str(Violation("OPS-EXE-002", pointer, "is 'a'")) == text
