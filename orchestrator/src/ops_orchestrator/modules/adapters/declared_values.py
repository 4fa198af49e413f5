"""The values that a declaration is made of: expressions, compiled when they are read, over the names that each may use."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ConfigDict, InstanceOf, PlainSerializer
from pydantic_core import PydanticCustomError

from ops_contract import ContractModel, NumberError, canonical_json
from ops_orchestrator.errors import ExpressionError
from ops_orchestrator.modules.adapters.expression import Expression
from ops_orchestrator.modules.adapters.path_template import PathTemplate

REQUEST_NAMES: Final = ("inputs", "scenario_id", "run_id", "step_id", "seed", "options", "upstream", "needs")
JOB_NAMES: Final = (*REQUEST_NAMES, "submitted")
ANSWER_NAMES: Final = (*JOB_NAMES, "response")
ITEM_NAMES: Final = (*ANSWER_NAMES, "item")
HEALTH_NAMES: Final = ("response",)


def compiled(value: Any, names: tuple[str, ...]) -> Expression:
    """The expression that a declaration holds as `value`. Raises PydanticCustomError."""
    if isinstance(value, bool | int | float):
        value = _constant(value)
    if not isinstance(value, str):
        raise PydanticCustomError("complete", "must be a JSONata expression; write it as text, in quotes or after |")
    with _explained():
        return Expression(value, names)


def _constant(value: float) -> str:
    """`last: 5` says what it means without quotes."""
    try:
        return canonical_json(value).decode()
    except NumberError as error:
        raise PydanticCustomError("complete", "{reason}", {"reason": str(error.reason)}) from error


def _path(value: Any, names: tuple[str, ...]) -> PathTemplate:
    if not isinstance(value, str):
        raise PydanticCustomError("complete", "must be a path like /score")
    with _explained():
        return PathTemplate(value, names)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ExpressionError as error:
        raise PydanticCustomError("complete", "{reason}", {"reason": str(error)}) from error


_as_text: Final = PlainSerializer(lambda value: value.text, return_type=str)


def _expression(names: tuple[str, ...]) -> Any:
    return BeforeValidator(partial(compiled, names=names))


RequestExpression = Annotated[InstanceOf[Expression], _expression(REQUEST_NAMES), _as_text]
JobExpression = Annotated[InstanceOf[Expression], _expression(JOB_NAMES), _as_text]
AnswerExpression = Annotated[InstanceOf[Expression], _expression(ANSWER_NAMES), _as_text]
ItemExpression = Annotated[InstanceOf[Expression], _expression(ITEM_NAMES), _as_text]
HealthExpression = Annotated[InstanceOf[Expression], _expression(HEALTH_NAMES), _as_text]
RequestPath = Annotated[InstanceOf[PathTemplate], BeforeValidator(partial(_path, names=REQUEST_NAMES)), _as_text]
JobPath = Annotated[InstanceOf[PathTemplate], BeforeValidator(partial(_path, names=JOB_NAMES)), _as_text]
AnswerPath = Annotated[InstanceOf[PathTemplate], BeforeValidator(partial(_path, names=ANSWER_NAMES)), _as_text]
HealthPath = Annotated[InstanceOf[PathTemplate], BeforeValidator(partial(_path, names=())), _as_text]


class Declaration(ContractModel):
    """What stands in an adapter; a key that nobody knows is refused."""

    model_config = ConfigDict(extra="forbid")
