"""The same key again: whether it gives the same answer, never executes again, and refuses another body."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Final

from ops_contract.compliance.checks.results import difference, is_equal, timeless
from ops_contract.compliance.checks.writings import WRITINGS
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, met, untested
from ops_contract.compliance.requirement import ids_of

_DELAY_S: Final = 1
_TRIES: Final = 3
_OTHER_SEED: Final = {"seed": 43}
_AMPLE_S: Final = 3600

_RIGHT_AFTER: Final = "repeats"
"""The series of calls that follow each other: a request between an error and the repeat would hide what the error did."""

Request = dict[str, Any]
Change = Callable[[Request], Request]
Situation = Callable[[ModuleUnderTest, Request], Awaitable[None]]


async def _nothing(_module: ModuleUnderTest, _request: Request) -> None:
    """The repeat follows at once."""


async def _other_calls(module: ModuleUnderTest, request: Request) -> None:
    await module.execute(module.request(options=_OTHER_SEED))
    await module.execute(module.request(run_id=request["run_id"]))


async def _refused_request(module: ModuleUnderTest, _request: Request) -> None:
    await module.execute(b"{", series=_RIGHT_AFTER)


async def _refused_body(module: ModuleUnderTest, request: Request) -> None:
    await module.execute({**request, "options": _OTHER_SEED}, series=_RIGHT_AFTER)


_BEFORE: Final[Mapping[str, Situation]] = {
    "at once": _nothing,
    "after other calls": _other_calls,
    "after a request that was refused": _refused_request,
    "after the key was used with another body": _refused_body,
}
"""What happens before a repeat that must get the answer of the first call."""

_OTHER_BODIES: Final[Mapping[str, Change]] = {
    "another seed": lambda request: {**request, "options": _OTHER_SEED},
    "another scenario_id": lambda request: {**request, "scenario_id": "compliance-kit, another scenario"},
    "other inputs": lambda request: {**request, "inputs": {**request["inputs"], "kit_other": 1}},
    "an earlier step in upstream": lambda request: {
        **request,
        "upstream": {**request["upstream"], "kit": {"module": "kit", "outputs": {}}},
    },
    "a deadline": lambda request: {**request, "options": {**request["options"], "deadline_s": _AMPLE_S}},
}
"""Bodies that are not the same as the first one, as canonical JSON."""

_OTHER_KEYS: Final[Mapping[str, Callable[[Request, Request], Request]]] = {
    "another run_id": lambda _, new: {"run_id": new["run_id"]},
    "another step_id": lambda _, new: {"step_id": new["step_id"]},
    "a run_id in capital letters": lambda first, _: {"run_id": first["run_id"].upper()},
    "a run_id and a step_id that join to the same text": lambda first, _: _moved(first),
}
"""Keys that are not the same as the first one, made from the first request and a new one."""


def _moved(first: Request) -> Request:
    """The ids of a request with the beginning of the step's at the end of the run's."""
    begin, _, rest = first["step_id"].partition("-")
    return {"run_id": f"{first['run_id']}-{begin}", "step_id": rest}


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Repeat a call in every situation, with other bodies, under other keys, and while the first is running."""
    request = module.request()
    first = Seen(await module.execute(request))
    if not first.is_done:
        for requirement in ids_of("repeats"):
            yield untested(requirement, "the module does not answer a valid request", first)
        return
    yield await _repeats(module, request, first)
    yield await _other_bodies(module, request, first)
    yield await _while_running(module)


async def _repeats(module: ModuleUnderTest, request: Request, first: Seen) -> Observation:
    expected = "the answer of the first call (meta and observed_at may differ)"
    again = first
    for what, before in _BEFORE.items():
        await before(module, request)
        again = Seen(await module.execute(request, series=_RIGHT_AFTER))
        actual = _other_answer(first, again)
        if actual and (again.is_done or await _is_new_one_served(module, request, before)):
            return broken("OPS-IDM-001", expected, f"{what}: {actual}", first, again)
    for what, write in WRITINGS.items():
        again = Seen(await module.execute(write(request)))
        if actual := _other_answer(first, again):
            return broken("OPS-IDM-001", f"{expected}, since it is the same body", f"{what}: {actual}", first, again)
    return met("OPS-IDM-001", first, again)


async def _is_new_one_served(module: ModuleUnderTest, request: Request, before: Situation) -> bool:
    """Whether a new request is served in the same situation. When it is not, nothing was said of repeats (OPS-ERR-009)."""
    await before(module, request)
    return Seen(await module.execute(module.request(), series=_RIGHT_AFTER)).is_done


def _other_answer(first: Seen, again: Seen) -> str | None:
    """How the second answer differs from the first; None when it is the same."""
    if not again.is_done:
        return again.summary()
    one, other = _lasting(first), _lasting(again)
    return None if is_equal(one, other) else f"another answer: {difference(one, other)}"


async def _other_bodies(module: ModuleUnderTest, request: Request, first: Seen) -> Observation:
    for what, change in _OTHER_BODIES.items():
        other = Seen(await module.execute(change(request)))
        if other.exchange.status != 422:
            expected = f"422 for the same key with {what} in the body"
            return broken("OPS-IDM-002", expected, other.summary(), first, other)
    return await _other_keys(module, request, first) or met("OPS-IDM-002", other)


async def _other_keys(module: ModuleUnderTest, request: Request, first: Seen) -> Observation | None:
    """What is wrong with calls under a key like the first one, with another body; None when they are served as any other."""
    fresh = Seen(await module.execute(module.request(options=_OTHER_SEED)))
    for what, other_key in _OTHER_KEYS.items() if fresh.is_done else ():
        other = Seen(await module.execute({**request, "options": _OTHER_SEED, **other_key(request, module.request())}))
        expected = f"an answer of its own to another body under {what}"
        if not other.is_done:
            return broken("OPS-IDM-002", expected, other.summary(), first, other)
        if "deterministic" in module.profiles and _is_answer_of(first, other, fresh):
            return broken("OPS-IDM-002", expected, "the answer to the first body", first, other, fresh)
    return None


def _is_answer_of(first: Seen, other: Seen, fresh: Seen) -> bool:
    """Whether `other` has the outputs of `first`, and not those that its own body has under a key of its own."""
    one, found, right = (seen.fields.get("outputs") for seen in (first, other, fresh))
    return is_equal(found, one) and not is_equal(found, right)


async def _while_running(module: ModuleUnderTest) -> Observation:
    answers = await _answered_twice(module, module.slowed(module.request(), _DELAY_S))
    if all(seen.is_refusal and seen.exchange.status != 409 for seen in answers):
        # A module that refuses unknown inputs gets the request without the one that makes a stub slow.
        answers = await _answered_twice(module, module.request())
    done = [seen for seen in answers if seen.is_done]
    expected = "one execution: equal answers, or 409 for the second"
    strange = [seen for seen in answers if not seen.is_done and seen.exchange.status != 409]
    if strange or not done:
        seen = (strange or answers)[0]
        return broken("OPS-IDM-003", expected, seen.summary(), seen)
    if len(done) == 2 and (actual := _other_answer(*done)):
        return broken("OPS-IDM-003", expected, f"two different answers: {actual}", *done)
    return met("OPS-IDM-003", *answers)


async def _answered_twice(module: ModuleUnderTest, request: Request) -> list[Seen]:
    """Both answers to a request that is sent twice at once; tried again, under other keys, while one does not come in time."""
    for _ in range(_TRIES):
        fresh = module.request()
        sent = {**request, "run_id": fresh["run_id"], "step_id": fresh["step_id"]}
        wait_s = module.patience_s(2) + _DELAY_S
        both = await asyncio.gather(*(module.execute(sent, timeout_s=wait_s) for _ in range(2)))
        if all(one.status is not None or one.seconds < wait_s for one in both):
            break
    return [Seen(one) for one in both]


def _lasting(seen: Seen) -> dict[str, Any]:
    """The answer without the two places that may differ between equal answers: `meta` and `evidence[].observed_at`."""
    fields = {name: value for name, value in seen.fields.items() if name != "meta"}
    return {**fields, "evidence": timeless(fields["evidence"])} if "evidence" in fields else fields
