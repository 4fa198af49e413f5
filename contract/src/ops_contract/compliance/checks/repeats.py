"""The same key again: whether it gives the same answer, never executes again, and refuses another body."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, judged, met, untested
from ops_contract.compliance.requirement import ids_of

_DELAY_S = 1


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Repeat a call unchanged, with another body, and while the first is running."""
    request = module.request()
    first, again = [Seen(await module.execute(request)) for _ in range(2)]
    if not first.is_done:
        for requirement in ids_of("repeats"):
            yield untested(requirement, "the module does not answer a valid request", first)
        return
    same = again.is_done and _lasting(again) == _lasting(first)
    actual = "another answer" if again.is_done else again.summary()
    yield judged("OPS-IDM-001", same, "the answer of the first call (meta and observed_at may differ)", actual, first, again)
    other = Seen(await module.execute({**request, "options": {"seed": 43}}))
    yield judged("OPS-IDM-002", other.exchange.status == 422, "422 for the same key with another body", other.summary(), other)
    yield await _while_running(module)


async def _while_running(module: ModuleUnderTest) -> Observation:
    answers = await _twice_at_once(module, module.slowed(module.request(), _DELAY_S))
    if all(seen.is_refusal and seen.exchange.status != 409 for seen in answers):
        # A module that refuses unknown inputs gets the request without the one that makes a stub slow.
        answers = await _twice_at_once(module, module.request())
    done = [seen for seen in answers if seen.is_done]
    expected = "one execution: equal answers, or 409 for the second"
    strange = [seen for seen in answers if not seen.is_done and seen.exchange.status != 409]
    if strange or not done:
        seen = (strange or answers)[0]
        return broken("OPS-IDM-003", expected, seen.summary(), seen)
    if len(done) == 2 and _lasting(done[0]) != _lasting(done[1]):
        return broken("OPS-IDM-003", expected, "two different answers", *done)
    return met("OPS-IDM-003", *answers)


async def _twice_at_once(module: ModuleUnderTest, request: dict[str, Any]) -> list[Seen]:
    return [Seen(one) for one in await asyncio.gather(module.execute(request), module.execute(request))]


def _lasting(seen: Seen) -> dict[str, Any]:
    """The answer without the two places that may differ between equal answers: `meta` and `evidence[].observed_at`."""
    fields = {name: value for name, value in seen.fields.items() if name != "meta"}
    if isinstance(fields.get("evidence"), list):
        fields["evidence"] = [_timeless(item) for item in fields["evidence"]]
    return fields


def _timeless(item: Any) -> Any:
    return {name: value for name, value in item.items() if name != "observed_at"} if isinstance(item, dict) else item
