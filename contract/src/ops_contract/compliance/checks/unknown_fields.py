"""Unknown fields in a request: whether they are ignored (OPS-FWD-001), as far as a module that varies by itself can show it."""

from typing import Any, Final

from ops_contract.compliance.checks.results import difference, is_equal
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, met, not_applicable, untested

_UNKNOWN: Final = {"x_unknown": {"a": 1}, "priority": "high"}
_ROUNDS: Final = 2
_VARIES: Final = "outputs differ from call to call without unknown fields too, so nothing can be said of unknown fields"


async def unknown_fields_are_ignored(module: ModuleUnderTest) -> Observation:
    """Send a request with and without unknown fields. When the outputs differ, do it again, to see what they follow."""
    expected = "200 and the outputs of the call without unknown fields"
    plain, grown = await _answers(module)
    if not plain.is_done:
        return untested("OPS-FWD-001", "the module does not answer the request without unknown fields with 200", plain)
    if not grown.is_done:
        return broken("OPS-FWD-001", expected, grown.summary(), grown)
    if is_equal(_outputs(plain), _outputs(grown)):
        return met("OPS-FWD-001", grown)
    for _ in range(_ROUNDS):
        again, grown_again = await _answers(module)
        if not is_equal(_outputs(again), _outputs(plain)) or is_equal(_outputs(grown_again), _outputs(plain)):
            return _varying(module, plain, again)
    where = difference({"outputs": _outputs(plain)}, {"outputs": _outputs(grown)})
    return broken("OPS-FWD-001", expected, f"other outputs: {where}", plain, grown)


def _varying(module: ModuleUnderTest, *seen: Seen) -> Observation:
    """A module need not be deterministic; one that says that it is breaks another requirement than this one."""
    if "deterministic" in module.profiles:
        return untested("OPS-FWD-001", f"not testable: {_VARIES}", *seen, see="OPS-DET-001")
    return not_applicable("OPS-FWD-001", f"not testable: {_VARIES}, as they may without the profile deterministic", *seen)


async def _answers(module: ModuleUnderTest) -> tuple[Seen, Seen]:
    """The answers to a request without unknown fields, and to one with them."""
    plain, request = module.request(), module.request()
    grown: dict[str, Any] = {**request, **_UNKNOWN, "options": {**request["options"], **_UNKNOWN}}
    return Seen(await module.execute(plain)), Seen(await module.execute(grown))


def _outputs(seen: Seen) -> Any:
    return seen.fields.get("outputs")
