"""The model of `evidence` in an adapter: an expression, or how each entry of a list becomes a piece."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, InstanceOf, PlainSerializer

from ops_orchestrator.modules.adapters.declared_values import (
    ANSWER_NAMES,
    AnswerExpression,
    Declaration,
    ItemExpression,
    compiled,
)
from ops_orchestrator.modules.adapters.expression import Expression

_ITEM = "item"


class EvidenceMapping(Declaration):
    """One piece of evidence for every entry of the list `each`, its fields as declared.

    A field that is not declared is looked for in the entry under its usual names; what is left of the entry are `details`.
    """

    each: Annotated[AnswerExpression, Field(description="a list; its entries are `item` below")]
    id: ItemExpression | None = None
    kind: ItemExpression | None = None
    title: ItemExpression | None = None
    uri: ItemExpression | None = None
    supports: ItemExpression | None = None
    artifact: ItemExpression | None = None
    synthetic: ItemExpression | None = None
    observed_at: ItemExpression | None = None
    details: ItemExpression | None = None

    @property
    def fields(self) -> Iterator[tuple[str, Expression]]:
        """The declared fields of a piece."""
        return ((name, value) for name, value in self if name != "each" and isinstance(value, Expression))

    @property
    def read_of_item(self) -> frozenset[str]:
        """The members of an entry that the declared fields are made from."""
        reads = (path for _, expression in self.fields for path in expression.reads)
        return frozenset(path[1] for path in reads if path[:1] == (_ITEM,) and len(path) > 1)


def _evidence(value: Any) -> Expression | EvidenceMapping:
    if isinstance(value, Expression | EvidenceMapping):
        return value
    return EvidenceMapping.model_validate(value) if isinstance(value, dict) else compiled(value, ANSWER_NAMES)


def _as_declared(value: Expression | EvidenceMapping) -> Any:
    return value.text if isinstance(value, Expression) else value.model_dump(mode="json", exclude_none=True)


EvidenceField = Annotated[
    InstanceOf[Expression] | InstanceOf[EvidenceMapping], BeforeValidator(_evidence), PlainSerializer(_as_declared)
]
