"""Requests made from the schema, each with one change: what breaks the schema is refused, and what it allows is served."""

from collections.abc import AsyncGenerator, Collection, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from ops_contract import is_supported
from ops_contract.compliance.checks.filled_upstream import FILLED_UPSTREAM
from ops_contract.compliance.checks.mutants import Mutant, is_valid, mutants_of
from ops_contract.compliance.module_under_test import ModuleUnderTest
from ops_contract.compliance.observation import Observation, Seen, broken, met, untested

_IDS: Final = ("/run_id", "/step_id")
"""Texts that are refused in other words too, as hostile."""

_UPSTREAM: Final = "/upstream"
_NAMES: Final = ("/name", "/artifact")
"""Names of artifacts in `upstream`, which a module need not judge again."""

_MOST_NAME_BYTES: Final = 255
_OPTIONS: Final = {"seed": 42, "deadline_s": 3600}
_SEEDS: Final = (0, 2**31 - 1)
"""That these work, OPS-DET-004 asks of deterministic modules."""

_LONG_S: Final = 60
_NO_ANSWER: Final = "the module does not answer"


async def run_ids(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Send the texts that the schema refuses as ids, until one of them is taken."""
    upstream, mutants = await _mutants(module)
    for mutant in filter(_is_text_of_id, mutants):
        if must_be_refused(mutant, _request(module, upstream)):
            seen = await _sent(module, upstream, mutant)
            if (found := not_refused(mutant, seen)) is not None:
                yield found
            if found is not None or _is_dead(module, seen):
                return


async def run_refused(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Send whatever else the schema refuses."""
    upstream, mutants = await _mutants(module)
    template = _request(module, upstream)
    wrong = (one for one in mutants if not _is_text_of_id(one) and must_be_refused(one, template))
    async for observation in _refused(module, upstream, wrong):
        yield observation


async def run_served(module: ModuleUnderTest) -> AsyncGenerator[Observation]:
    """Send what the schema allows."""
    if module.works:
        upstream, mutants = await _mutants(module)
        template = _request(module, upstream)
        right = (one for one in mutants if must_be_served(one, template) and not _takes_away(one, module))
        async for observation in _served(module, upstream, right):
            yield observation


async def _mutants(module: ModuleUnderTest) -> tuple[Mapping[str, Any], Iterator[Mutant]]:
    """Changes of a good request, and its `upstream`: with steps that nobody looks for, when the module takes them."""
    # The steps that the module needs come last: the changes are made in the first one.
    upstream: Mapping[str, Any] = {**FILLED_UPSTREAM, **module.upstream}
    if not Seen(await module.execute(_request(module, upstream))).is_done:
        upstream = module.upstream  # that is told already (OPS-FWD-002)
    return upstream, mutants_of(_request(module, upstream))


def _request(module: ModuleUnderTest, upstream: Mapping[str, Any]) -> dict[str, Any]:
    return module.request(upstream=upstream, options=_OPTIONS)


def must_be_refused(mutant: Mutant, request: Mapping[str, Any]) -> bool:
    """Whether the change makes a good request wrong. Names of artifacts in upstream need not be judged again."""
    is_text = isinstance(mutant.value, str) and mutant.value != ""
    is_name = is_text and mutant.pointer.startswith(_UPSTREAM) and mutant.pointer.endswith(_NAMES)
    return not is_name and not is_valid(mutant.applied_to(request))


def must_be_served(mutant: Mutant, request: Mapping[str, Any]) -> bool:
    """Whether a good request with the change has to be served: not with what a module knows better, or may be late with."""
    match mutant.pointer:
        case "/inputs" | "/action":
            return False
        case "/contract_version" if not (isinstance(mutant.value, str) and is_supported(mutant.value)):
            return False
        case "/options/deadline_s" if isinstance(mutant.value, int | float) and mutant.value <= _LONG_S:
            return False
    # Of a time, and of a name that can be stored, SPEC.md says more than the schema.
    text = mutant.value if isinstance(mutant.value, str) and mutant.pointer.startswith(_UPSTREAM) else ""
    is_odd = len(text.encode()) > _MOST_NAME_BYTES or (text != "" and mutant.pointer.endswith("/observed_at"))
    return not is_odd and is_valid(mutant.applied_to(request))


def _takes_away(mutant: Mutant, module: ModuleUnderTest) -> bool:
    """Whether the change replaces earlier steps that the module needs."""
    return mutant.pointer == _UPSTREAM and bool(module.upstream)


def _is_text_of_id(mutant: Mutant) -> bool:
    """Whether the change is hostile (OPS-PTH-001) rather than of the wrong type."""
    return mutant.pointer in _IDS and isinstance(mutant.value, str)


async def _sent(module: ModuleUnderTest, upstream: Mapping[str, Any], mutant: Mutant) -> Seen:
    return Seen(await module.execute(mutant.applied_to(_request(module, upstream)), series=mutant.pointer or "/"))


def _is_dead(module: ModuleUnderTest, seen: Seen) -> bool:
    """Whether nothing comes from a module which has not answered before, either."""
    return seen.exchange.status is None and not module.works


async def _refused(
    module: ModuleUnderTest, upstream: Mapping[str, Any], wrong: Iterable[Mutant]
) -> AsyncGenerator[Observation]:
    open_ones = {"OPS-ERR-004", "OPS-ERR-005"}
    last: Seen | None = None
    for mutant in wrong:
        last = await _sent(module, upstream, mutant)
        found = not_refused(mutant, last)
        if found is not None and found.requirement in open_ones:
            yield await _smallest(module, mutant, found)
            open_ones.discard(found.requirement)
        if not open_ones or _is_dead(module, last):
            break
    for requirement in sorted(open_ones):
        answered = last is not None and last.exchange.status is not None
        yield met(requirement, *([last] if last else [])) if answered else untested(requirement, _NO_ANSWER)


def not_refused(mutant: Mutant, seen: Seen) -> Observation | None:
    """What the answer to a wrong request breaks."""
    expected = f"422 with the pointer {mutant.pointer!r} for {mutant.what}"
    if _is_text_of_id(mutant):
        return None if seen.is_refusal else broken("OPS-PTH-001", f"4xx for {mutant.what}", seen.summary(), seen)
    if seen.is_done and mutant.coerced:
        return broken("OPS-ERR-005", f"422 for {mutant.what}", seen.summary(), seen)
    if seen.exchange.status == HTTPStatus.UNPROCESSABLE_ENTITY and _leads_to(seen.error.get("pointer"), mutant):
        return None
    if mutant.pointer == "/contract_version" and seen.is_refusal:
        return None
    pointer = seen.error.get("pointer")
    actual = seen.explained() if seen.is_done else f"{seen.summary()} with {'no pointer' if pointer is None else repr(pointer)}"
    return broken("OPS-ERR-004", expected, actual, seen)


def _leads_to(pointer: Any, mutant: Mutant) -> bool:
    """Whether a pointer shows the place, or what holds it: validators of JSON Schema show the object that lacks a field."""
    if not isinstance(pointer, str):
        return False
    if pointer == mutant.pointer or pointer.startswith(f"{mutant.pointer}/"):
        return True
    above = mutant.pointer.rpartition("/")[0]
    if mutant.pointer.startswith(f"{_UPSTREAM}/"):
        return pointer.startswith(_UPSTREAM) and f"{mutant.pointer}/".startswith(f"{pointer}/")
    return mutant.is_absent and pointer == above


async def _smallest(module: ModuleUnderTest, mutant: Mutant, found: Observation) -> Observation:
    """The same with the smallest request that shows it: without upstream, unless the change is in there."""
    if mutant.pointer.startswith(_UPSTREAM):
        return found
    again = not_refused(mutant, Seen(await module.execute(mutant.applied_to(_request(module, module.upstream)))))
    return again if again is not None and again.requirement == found.requirement else found


async def _served(module: ModuleUnderTest, upstream: Mapping[str, Any], right: Iterable[Mutant]) -> AsyncGenerator[Observation]:
    """Send many changes in one request, and each alone only when that is refused: of a good module, calls may take long."""
    told: set[str] = set()
    for together in _rounds(right):
        request = _request(module, upstream)
        for mutant in together:
            request = mutant.applied_to(request)
        at_once = Seen(await module.execute(request))
        if at_once.is_done:
            continue
        is_told = False
        for mutant in together:
            requirement = requirement_of(mutant, module.profiles)
            if requirement in told:
                is_told = True
                continue
            seen = Seen(await module.execute(mutant.applied_to(_request(module, upstream))))
            if not seen.is_done:
                told.add(requirement)
                is_told = True
                yield broken(requirement, f"200 for {mutant.what}", seen.explained(), seen)
        if at_once.is_refusal and not is_told:
            told.add("OPS-FWD-003")
            expected = f"200 for {len(together)} valid changes at once, each of which is served alone"
            yield broken("OPS-FWD-003", expected, at_once.explained(), at_once)


def _rounds(mutants: Iterable[Mutant]) -> Iterator[list[Mutant]]:
    """The changes in as few groups as there can be without two that exclude each other."""
    rounds: list[list[Mutant]] = []
    for mutant in mutants:
        for together in rounds:
            if not any(_exclude_each_other(mutant, other) for other in together):
                together.append(mutant)
                break
        else:
            rounds.append([mutant])
    yield from rounds


def _exclude_each_other(one: Mutant, other: Mutant) -> bool:
    """Whether both change the same place, or both ids: the key would be one of an earlier check, which had another body."""
    return one.overlaps(other) or (one.pointer in _IDS and other.pointer in _IDS)


def requirement_of(mutant: Mutant, profiles: Collection[str] = ()) -> str:
    """The requirement that a module of these profiles breaks which does not serve this valid change."""
    if mutant.unknown:
        return "OPS-FWD-001"
    if mutant.pointer.startswith(_UPSTREAM) and not (mutant.pointer == _UPSTREAM and mutant.is_absent):
        return "OPS-FWD-002"
    if mutant.pointer == "/options/seed" and mutant.value in _SEEDS and "deterministic" in profiles:
        return "OPS-DET-004"
    return "OPS-VER-002" if mutant.pointer == "/contract_version" else "OPS-FWD-003"
