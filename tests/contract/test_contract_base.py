"""What all models share: nothing is coerced, unknown fields are ignored, problems have a pointer and plain words."""

import json
from typing import Annotated, Any, Final

import pytest
from pydantic import BaseModel, Field, ValidationError

from ops_contract import (
    ContractModel,
    Count,
    ExecuteRequest,
    Health,
    Identifier,
    Problem,
    Seed,
    Sha256,
    ShapeError,
    Version,
    problems_of,
    validate,
)


class Scalars(ContractModel):
    """One field of each scalar type of the contract."""

    count: Count = 0
    seed: Seed = 0
    identifier: Identifier = "x"
    version: Version = "1.0"
    sha256: Sha256 = "0" * 64
    flag: bool = False
    number: float = 0.0
    text: str = ""
    items: Annotated[tuple[str, ...], Field(strict=False)] = ()
    mapping: dict[str, Any] = Field(default_factory=dict)


HOSTILE_IDENTIFIERS: Final = [
    *("", ".", "..", "../x", "a/b", "a\\b", ".hidden", "-option", "_x", "a b", "a\x00", "a\n", "\n", "é", "a%2e", "x" * 129),
    "x" * 300,
]


def _each(field: str, *values: Any) -> list[tuple[str, Any]]:
    return [(field, value) for value in values]


def _problem(field: str, value: Any) -> Problem:
    with pytest.raises(ShapeError) as caught:
        validate(Scalars, {field: value}, "scalars")
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("field", ["count", "seed"])
@pytest.mark.parametrize("value", ["1", "", True, False, 1.5, None, [], [1], {}, 1e-9])
def test_integer_is_not_made_of_something_else(field: str, value: Any) -> None:
    """OPS-ERR-005."""
    assert _problem(field, value).pointer == f"/{field}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *_each("identifier", 1, True, None, ["x"], {"x": 1}),
        *_each("text", 1, 1.0, True, None, []),
        *_each("flag", 0, 1, "true", "false", "", None, 1.0),
        *_each("number", "1", True, None, []),
        *_each("items", "text", {"a": 1}, None, 1, [1], [None], [["x"]]),
        *_each("mapping", [], [["a", 1]], "{}", None, 1),
    ],
)
def test_value_of_another_type_is_not_coerced(field: str, value: Any) -> None:
    """OPS-ERR-005."""
    assert _problem(field, value).pointer.startswith(f"/{field}")


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, -0.0, 42.0, 2147483647, 2147483647.0])
def test_integral_number_is_an_integer_however_it_is_written(value: float) -> None:
    seed = validate(Scalars, {"seed": value}, "scalars").seed
    assert seed == value
    assert type(seed) is int


@pytest.mark.parametrize("value", [-1, 2147483648, -1.0, 2147483648.0, 1e300])
def test_seed_out_of_range_is_refused(value: float) -> None:
    """OPS-DET-004 names both ends of the range."""
    assert _problem("seed", value).pointer == "/seed"


def test_negative_count_is_refused() -> None:
    assert _problem("count", -1) == Problem("/count", "must be greater than or equal to 0, not -1")


def test_integer_is_a_number() -> None:
    assert validate(Scalars, {"number": 60}, "scalars").number == 60.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_number_that_a_double_cannot_hold_is_refused(value: float) -> None:
    assert _problem("number", value).pointer == "/number"


@pytest.mark.parametrize("value", ["a", "9", "policy-simulator", "run_2026-01-09T12-34-56Z_ab12cd", "a..b", "A._-", "x" * 128])
def test_identifier_is_accepted(value: str) -> None:
    assert validate(Scalars, {"identifier": value}, "scalars").identifier == value


@pytest.mark.parametrize("value", HOSTILE_IDENTIFIERS)
def test_hostile_identifier_is_refused(value: str) -> None:
    """OPS-PTH-001."""
    assert _problem("identifier", value).pointer == "/identifier"


@pytest.mark.parametrize("value", ["1.0", "1.10", "0.0", "10.2"])
def test_version_is_accepted(value: str) -> None:
    assert validate(Scalars, {"version": value}, "scalars").version == value


@pytest.mark.parametrize(
    "value", ["", "1", "1.", ".1", "1.0.0", "v1.0", "1.0\n", " 1.0", "1,0", "-1.0", "1.0-beta", "1." + "0" * 15]
)
def test_version_that_is_not_major_and_minor_is_refused(value: str) -> None:
    assert _problem("version", value).pointer == "/version"


@pytest.mark.parametrize("value", ["", "A" * 64, "0" * 63, "0" * 65, "g" * 64, "0" * 64 + "\n"])
def test_sha256_in_another_notation_is_refused(value: str) -> None:
    assert _problem("sha256", value).pointer == "/sha256"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seed", "1", "must be an integer, not '1'"),
        ("seed", True, "must be an integer, not true"),
        ("seed", None, "must be an integer, not null"),
        ("text", 1, "must be a string, not 1"),
        ("text", {}, "must be a string, not an object"),
        ("flag", 0, "must be true or false, not 0"),
        ("number", "1", "must be a number, not '1'"),
        ("mapping", [], "must be an object, not an array"),
        ("items", "x", "must be an array, not 'x'"),
    ],
)
def test_problem_is_told_in_plain_words(field: str, value: Any, message: str) -> None:
    assert _problem(field, value) == Problem(f"/{field}", message)


def test_missing_field_is_told_without_its_surroundings(health: dict[str, Any]) -> None:
    del health["module"]
    with pytest.raises(ShapeError) as caught:
        validate(Health, health, "health")
    assert caught.value.problems == (Problem("/module", "is required"),)


def test_long_value_is_shortened_in_a_problem() -> None:
    assert _problem("seed", "9" * 10_000).message == f"must be an integer, not '{'9' * 56}..."


def test_every_problem_is_found(execute_request: dict[str, Any]) -> None:
    with pytest.raises(ShapeError) as caught:
        validate(ExecuteRequest, {**execute_request, "run_id": "../x", "inputs": [], "options": {"seed": "1"}}, "request")
    assert {problem.pointer for problem in caught.value.problems} == {"/run_id", "/inputs", "/options/seed"}


def test_pointer_leads_into_arrays_and_escaped_keys() -> None:
    with pytest.raises(ShapeError) as caught:
        validate(_Deep, {"steps": {"a/b~c": [{"seed": 1}, {"seed": "1"}]}}, "deep")
    assert caught.value.problems[0].pointer == "/steps/a~1b~0c/1/seed"


def test_subject_leads_the_message() -> None:
    with pytest.raises(ShapeError, match=r"^health: \(the whole value\): must be an object, not null$"):
        validate(Health, None, "health")


def test_problems_of_a_validation_error_can_be_had_alone() -> None:
    with pytest.raises(ValidationError) as caught:
        Scalars.model_validate({"seed": None})
    assert problems_of(caught.value) == (Problem("/seed", "must be an integer, not null"),)


def test_unknown_fields_are_ignored() -> None:
    """OPS-FWD-001."""
    assert validate(Scalars, {"seed": 1, "unknown": {"deep": [1]}}, "scalars") == Scalars(seed=1)


def test_model_that_forbids_unknown_fields_names_them() -> None:
    class Closed(ContractModel, extra="forbid"):
        """As the orchestrator's own requests are."""

        seed: int = 0
        inner: "tuple[Closed, ...]" = ()

    with pytest.raises(ShapeError) as caught:
        validate(Closed, {"sed": 1, "xyz": 2, "inner": ({"sede": 1},)}, "closed")
    assert caught.value.problems == (
        Problem("/inner/0/sede", "is not a known field; did you mean 'seed'?"),
        Problem("/sed", "is not a known field; did you mean 'seed'?"),
        Problem("/xyz", "is not a known field"),
    )


def test_field_that_is_missing_because_it_is_misspelt_comes_with_the_one_that_was_given() -> None:
    class Named(ContractModel):
        """With a field that is required."""

        name: str

    for value, hint in (({"nmae": "x"}, "; 'nmae' is not a known field"), ({"other": "x"}, "")):
        with pytest.raises(ShapeError) as caught:
            validate(Named, value, "named")
        assert caught.value.problems == (Problem("/name", f"is required{hint}"),)


def test_model_does_not_change() -> None:
    scalars = Scalars(seed=1)
    with pytest.raises(ValidationError, match="frozen"):
        scalars.seed = 2  # type: ignore[misc]


def test_model_is_written_as_it_was_read(execute_request: dict[str, Any]) -> None:
    made = validate(ExecuteRequest, execute_request, "request")
    assert json.loads(made.model_dump_json(exclude_unset=True)) == execute_request


class _Deep(BaseModel):
    steps: dict[str, list[Scalars]]
