"""The same request again, in every situation that makes no difference: whether the answer is the same, for any seed."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from ops_contract.compliance.checks.results import Result, difference, is_equal, result_of
from ops_contract.compliance.checks.writings import WRITINGS
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, met, untested
from ops_contract.compliance.result import Exchange

_SEED: Final = 42
_SEEDS: Final = (0, 1, _SEED, 2**31 - 1)
_FIRST_AND_LAST: Final = (0, 2**31 - 1)
_AMPLE_S: Final = 3600
_AT_ONCE: Final = 8
_SEEDS_AT_ONCE: Final = (_SEED, 1)
"""Seeds of calls that overlap: with one seed alone, a module whose calls share a random generator may be lucky."""

_OUTPUTS, _FILES = "OPS-DET-001", "OPS-DET-002"
_EXPECTED: Final = {
    _OUTPUTS: "equal outputs, and evidence that differs in observed_at at most, for the same action, inputs and seed",
    _FILES: "equal artifacts, by name and sha256, for the same action, inputs and seed",
}

Send = Callable[[ModuleUnderTest], Awaitable[Exchange]]


async def _again(module: ModuleUnderTest, **changes: Any) -> Exchange:
    return await module.execute(module.request(**changes))


async def _twice(module: ModuleUnderTest) -> Exchange:
    await _again(module)
    return await _again(module)


async def _of_another_scenario(module: ModuleUnderTest) -> Exchange:
    return await _again(module, scenario_id="compliance-kit, another scenario")


async def _after_an_error(module: ModuleUnderTest) -> Exchange:
    # In one series, since a request in between would hide what the error did to the next one.
    await module.execute(b"{", series="seeds")
    return await module.execute(module.request(), series="seeds")


async def _with_headers(module: ModuleUnderTest) -> Exchange:
    """The headers that the orchestrator sends, which are no part of a request."""
    request = module.request()
    traced = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    return await module.execute(request, headers={**traced, "OPS-Run-Id": request["run_id"], "OPS-Step-Id": request["step_id"]})


async def _written(write: Callable[[Mapping[str, Any]], bytes], module: ModuleUnderTest) -> Exchange:
    return await module.execute(write(module.request()))


_SITUATIONS: Final[Mapping[str, Send]] = {
    "twice in a row": _twice,
    "under another scenario_id": _of_another_scenario,
    "after a request that was refused": _after_an_error,
    "with an ample deadline": partial(_again, options={"seed": _SEED, "deadline_s": _AMPLE_S}),
    "with a later minor version of the contract": partial(_again, contract_version="1.1"),
    "with the orchestrator's headers": _with_headers,
    **{what: partial(_written, write) for what, write in WRITINGS.items()},
}
"""What must not change the answer to a request with the seed 42, one after the other."""


async def run(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Send each seed, each again after the others, then one of them in every situation, then several at once."""
    first = {seed: await _result(module, partial(_again, options={"seed": seed})) for seed in _SEEDS}
    again: dict[int, Result] = {}
    differing: dict[str, Observation] = {}
    for what, seed, send in _repeats():
        result = await _result(module, send)
        again.setdefault(seed, result)
        # What is refused here is for OPS-FWD-003, OPS-ERR-009 and OPS-DET-004.
        if result.seen.is_done and first[seed].seen.is_done:
            differing = dict(_differences(f"with the seed {seed}, {what}", first[seed], result)) | differing
    twice = (first[_SEED].seen, again[_SEED].seen)
    for requirement in _EXPECTED:
        if all(seen.is_done for seen in twice):
            yield differing.get(requirement, met(requirement, *twice))
        else:
            yield untested(requirement, "the module does not answer the same valid request twice with 200", *twice)
    yield await _at_once(module, first, varies=bool(differing))
    yield _first_and_last(first)


def _repeats() -> Iterator[tuple[str, int, Send]]:
    for seed in _SEEDS:
        yield "under another run_id and step_id, after calls with other seeds", seed, partial(_again, options={"seed": seed})
    for what, send in _SITUATIONS.items():
        yield what, _SEED, send


async def _result(module: ModuleUnderTest, send: Send) -> Result:
    return await result_of(module, Seen(await send(module)))


def _differences(what: str, first: Result, again: Result) -> Iterator[tuple[str, Observation]]:
    """By requirement, how the two differ."""
    for requirement, one, other in ((_OUTPUTS, first.found, again.found), (_FILES, first.artifacts, again.artifacts)):
        if not is_equal(one, other):
            actual = f"{what}: {difference(one, other)}"
            yield requirement, broken(requirement, _EXPECTED[requirement], actual, first.seen, again.seen)


async def _at_once(module: ModuleUnderTest, first: Mapping[int, Result], *, varies: bool) -> Observation:
    seeds = [_SEEDS_AT_ONCE[number % len(_SEEDS_AT_ONCE)] for number in range(_AT_ONCE)]
    wait_s = module.patience_s(_AT_ONCE)
    requests = [module.request(options={"seed": seed}) for seed in seeds]
    answers = [Seen(one) for one in await asyncio.gather(*(module.execute(one, timeout_s=wait_s) for one in requests))]
    expected = f"the same outputs, evidence and artifacts for {_AT_ONCE} calls at once"
    failed = next((seen for seen in answers if not seen.is_done), None)
    if failed is not None and not any(seen.is_done for seen in answers):
        return untested("OPS-DET-003", f"none of {_AT_ONCE} calls at once succeeds", failed)
    if failed is not None:
        return broken("OPS-DET-003", expected, failed.summary(), failed)
    results = [await result_of(module, seen) for seen in answers]
    for number, (seed, result) in enumerate(zip(seeds, results, strict=True)):
        # Differences between calls one after the other belong to OPS-DET-001 and OPS-DET-002.
        alone = results[seeds.index(seed)] if varies else first[seed]
        if alone.seen.is_done and (found := next(_differences("", alone, result), None)):
            seen = (alone.seen, result.seen)
            if varies:
                return untested("OPS-DET-003", "answers differ one after the other too", *seen, see=found[0])
            return broken("OPS-DET-003", expected, f"call {number + 1} of {_AT_ONCE}, seed {seed}{found[1].actual}", *seen)
    return met("OPS-DET-003", *answers)


def _first_and_last(first: Mapping[int, Result]) -> Observation:
    for seed in _FIRST_AND_LAST:
        seen = first[seed].seen
        if not seen.is_done:
            return broken("OPS-DET-004", f"200 with the seed {seed}", seen.summary(), seen)
    return met("OPS-DET-004", seen)
