"""The model of an entry of `artifacts` in an adapter."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ops_orchestrator.modules.adapters.declared_values import AnswerExpression, Declaration, ItemExpression
from ops_orchestrator.modules.adapters.expression import Expression


class ArtifactMapping(Declaration):
    """One artifact, or with `each` one for every item of a list.

    Its bytes are `text`, `base64`, the file at `path` on the shared volume, what is at `url` below the module's own address, or
    with none of them the answer itself.
    """

    each: Annotated[AnswerExpression | None, Field(description="a list; its entries are `item` below")] = None
    name: ItemExpression | None = None
    media_type: ItemExpression | None = None
    text: ItemExpression | None = None
    base64: ItemExpression | None = None
    path: ItemExpression | None = None
    url: Annotated[ItemExpression | None, Field(description="an address below the module's own, or a path there")] = None
    sha256: Annotated[ItemExpression | None, Field(description="hex digest that the file at `path` or `url` must have")] = None
    title: Annotated[ItemExpression | None, Field(description="what a person calls it")] = None
    description: Annotated[ItemExpression | None, Field(description="what it shows, for somebody who does not see it")] = None

    @property
    def is_answer(self) -> bool:
        """Is it the answer itself, byte for byte?"""
        return not self.is_in_answer and self.path is None and self.url is None

    @property
    def is_in_answer(self) -> bool:
        """Are its bytes part of the answer?"""
        return self.text is not None or self.base64 is not None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in ("text", "base64", "path", "url") if getattr(self, name) is not None]
        if len(given) > 1:
            raise PydanticCustomError("complete", "{reason}", {"reason": f"must have one of {', '.join(given)}"})
        if self.sha256 is not None and self.path is None and self.url is None:
            raise PydanticCustomError("complete", "has a sha256 but no path or url")
        if self.text is not None and self.name is None:
            raise PydanticCustomError("complete", "has text but no name")
        if self.base64 is not None and self.name is None:
            raise PydanticCustomError("complete", "has base64 but no name")
        expressions = (value for _, value in self if isinstance(value, Expression))
        if self.each is None and any("item" in expression.names for expression in expressions):
            raise PydanticCustomError("complete", "uses 'item', which is there with each only")
        return self
