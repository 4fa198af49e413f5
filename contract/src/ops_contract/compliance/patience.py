"""How long a module is waited for: for one answer, for the calls of one check, and when to ask a person before a long check."""

from typing import Final

from ops_contract.compliance.module_under_test import DEFAULT_TIMEOUT_S, ModuleUnderTest

# Seconds after which a check of a module with fast answers is given up.
_LONGEST_S: Final = 120.0
# A container alone has a minute to get ready, and of the shapes there are hundreds.
_LONGER_S: Final = {"container": 240.0, "refused_shapes": 240.0}

# How many calls a check makes one after another that a good answer takes as long for, roughly and on average.
_CALLS: Final = 6
_LONGEST_UNASKED_S: Final = 300.0


def longest_s(check: str, module: ModuleUnderTest) -> float:
    """Seconds after which a check is given up: more for a module whose answers take longer, or may take longer (--timeout)."""
    return _LONGER_S.get(check, _LONGEST_S) * max(1.0, module.good_s, module.timeout_s / DEFAULT_TIMEOUT_S)


def too_slow(module: ModuleUnderTest, checks: int) -> str | None:
    """Why so many checks of the module take longer than anybody expects who did not ask for it; None when they do not."""
    whole_s = _CALLS * checks * module.good_s
    if whole_s <= _LONGEST_UNASKED_S:
        return None
    return (
        f"answers take {module.good_s:.0f} s; give --timeout {round(2 * module.good_s)},"
        f" and the check waits for them, which takes about {whole_s / 60:.0f} minutes"
    )


def unfinished(check: str, module: ModuleUnderTest) -> str:
    """Why a requirement of a check has no result when the check was given up."""
    return (
        f"not finished within {longest_s(check, module):.0f} s, and a good answer takes {module.good_s:.1f} s;"
        " give inputs that take the module less time (--inputs), or more time for each answer (--timeout)"
    )
