from dataclasses import replace
from typing import Any

import pytest

from ops_orchestrator.errors import Failure, StepError
from ops_orchestrator.modules.adapters.evaluation import Evaluation
from ops_orchestrator.modules.adapters.expression import Expression

EVALUATION = Evaluation("legacy", "score", {"inputs": {"country": "DO", "nothing": None}})


def expression(text: str) -> Expression:
    return Expression(text, ("inputs", "item"))


def failure_of(where: str, text: str) -> Failure:
    with pytest.raises(StepError) as caught:
        EVALUATION.as_text(where, EVALUATION.required(where, expression(text)))
    return caught.value.failure


def test_expression_that_is_not_declared_yields_nothing() -> None:
    assert EVALUATION.value("version", None) is None
    assert EVALUATION.text("version", None) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [("inputs.country", "DO"), ("7", "7"), ("0.5", "0.5"), ("true", "true"), ("false", "false"), ("''", ""), ("null", None)],
)
def test_scalar_is_text(text: str, found: str | None) -> None:
    assert EVALUATION.text("version", expression(text)) == found


@pytest.mark.parametrize(("text", "kind"), [("{}", "an object"), ("[1]", "an array")])
def test_anything_else_is_no_text(text: str, kind: str) -> None:
    failure = failure_of("query.iso", text)
    assert (failure.code, failure.module, failure.retryable) == ("MAPPING_FAILED", "legacy", False)
    assert failure.message.startswith("legacy is not mapped as it should be: query.iso of its action 'score'")
    assert f"must yield text, not {kind}" in failure.message


@pytest.mark.parametrize("text", ["inputs.absent", "inputs.nothing"])
def test_nothing_where_something_is_needed_names_the_expression(text: str) -> None:
    message = failure_of("query.iso", text).message
    assert "query.iso of its action 'score'" in message
    assert "yields nothing" in message
    assert text in message


def test_expression_that_fails_is_the_module_s_step_that_failed() -> None:
    failure = failure_of("body", "inputs.country + 1")
    assert failure.code == "MAPPING_FAILED"
    assert "at character 18 of 'inputs.country + 1'" in failure.message


@pytest.mark.parametrize("where", ["headers.Authorization", "headers.X-Api-Key", "query.access_token"])
@pytest.mark.parametrize("text", ["'s3cret' + 1", "{ 's3cret': 1 }", "['s3cret']", "inputs.absent[$ = 's3cret']"])
def test_secret_of_the_declaration_is_in_no_message(where: str, text: str) -> None:
    message = failure_of(where, text).message
    assert where in message
    assert "s3cret" not in message


def test_secret_of_a_header_that_is_declared_secret_is_in_no_message() -> None:
    evaluation = replace(EVALUATION, secret_headers=("X-Entry",))
    with pytest.raises(StepError) as caught:
        evaluation.value("headers.x-entry", expression("'s3cret' + 1"))
    assert "s3cret" not in caught.value.failure.message


@pytest.mark.parametrize(
    "text", ["$number('s3cret')", "$error('s3cret')", "$toMillis('s3cret')", "{ 'a': 1, 's3cret': 1, 's3cret': 2 }"]
)
def test_secret_that_the_library_s_reason_quotes_is_in_no_message(text: str) -> None:
    assert "s3cret" not in failure_of("headers.Authorization", text).message


def test_item_is_in_the_context_beside_everything_else() -> None:
    with_item = EVALUATION.with_item({"name": "a.csv"})
    assert with_item.text("name", expression("inputs.country & '/' & item.name")) == "DO/a.csv"
    assert "item" not in EVALUATION.context


def test_null_in_a_list_is_called_so() -> None:
    with pytest.raises(StepError, match="must yield text, not null"):
        EVALUATION.as_text("warnings", None)


def as_text(value: Any) -> str:
    return EVALUATION.as_text("query.n", value)


def test_number_is_written_without_loss() -> None:
    assert [as_text(2**60), as_text(0.1), as_text(-0.5)] == ["1152921504606846976", "0.1", "-0.5"]
