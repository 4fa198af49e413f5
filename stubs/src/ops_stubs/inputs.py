"""How a stub reads the inputs of a scenario: strictly in the fields that it uses, ignoring all others.

All modules of a run get the same inputs, so a field that one of them does not know is meant for another.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, Field

from ops_contract import ContractModel, Count, ShapeError, validate
from ops_stubs.errors import InputError
from ops_stubs.figures import percent

__all__ = ["BASE_YEAR", "Horizon", "Rate", "TaxRate", "read_inputs"]

BASE_YEAR: Final = 2025
"""The last year with known figures; a scenario begins with the next."""

Model = TypeVar("Model", bound=ContractModel)


def _horizon(years: int) -> int:
    if not 1 <= years <= 30:
        raise ValueError(f"must be a number of years from 1 to 30, not {years}")
    return years


def _share_up_to(limit: float) -> AfterValidator:
    def check(value: float) -> float:
        if not 0 <= value <= limit:
            raise ValueError(f"must be a share from 0 to {limit:g} (0.18 stands for {percent(0.18)}), not {value:g}")
        return value

    return AfterValidator(check)


Horizon = Annotated[Count, AfterValidator(_horizon), Field(description="years, 1 to 30")]
"""How many years a scenario looks ahead."""

TaxRate = Annotated[float, _share_up_to(0.5)]
"""A tax rate as a share, at most one half."""

Rate = Annotated[float, _share_up_to(1)]
"""Any other share of one."""


def read_inputs(model: type[Model], inputs: Mapping[str, Any]) -> Model:
    """Read the fields of `model` from the inputs of a request. Raises InputError with pointers below `/inputs`."""
    try:
        return validate(model, dict(inputs), "inputs")
    except ShapeError as error:
        raise InputError.of(error, "/inputs") from error
