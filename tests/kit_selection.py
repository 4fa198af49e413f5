"""What the kit has to be asked for, so that a variant of a stub shows."""

from typing import Final

_ALSO: Final = {"OPS-ERR-002:STATUS-413": "OPS-LIM-003"}
"""By variant, the requirement for whose sake the request is sent that shows it."""


def requirement_of(variant: str) -> str:
    """The requirement that a variant breaks, or a violation is of."""
    return variant.partition(":")[0]


def asked_for(variant: str) -> set[str]:
    """The requirements to select."""
    return {requirement_of(variant)} | {_ALSO[one] for one in (variant,) if one in _ALSO}
