"""Further ways to break a requirement, each so narrow that one probe of the compliance kit alone shows it.

They prove that no probe of the kit can be left out. `OPS-DET-001:SEED-0` breaks OPS-DET-001, and only with the seed 0.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from ops_stubs.faults.exchange import Received, Reply, error_reply
from ops_stubs.faults.variants_of_answers import VARIANTS_OF_ANSWERS
from ops_stubs.faults.violation import Exchange, ExchangeHook, Violation

__all__ = ["VARIANTS"]

_REUSED: Final = "IDEMPOTENCY_KEY_REUSED"
_MIXING_S: Final = 0.2
_MOST_KEPT_BYTES: Final = 64 * 1024
_BUSY_S: Final = 1.3
_SEEDS: Final = (0, 1, 42, 2147483647)
_HOSTILE: Final = {"PARENT": "../x", "NUL": "a\x00b", "LONG": "x" * 300, "DOTS": "..", "ABSOLUTE": "/etc/passwd", "EMPTY": ""}
_DECLARED: Final = ("contract_versions", "profiles", "actions")
_LARGE: Final = {"DEEP": b"[" * 500, "KEYS": b'"key_9999"'}
_OTHER_FIELDS: Final = {"SEED": "options", "SCENARIO": "scenario_id", "INPUTS": "inputs", "UPSTREAM": "upstream"}


def _exponents(received: Received) -> bool:
    fractions: list[str] = []
    json.loads(received.raw, parse_float=fractions.append)
    return any("e" in text.lower() for text in fractions)


_WRITINGS: Final[dict[str, Callable[[Received], Any]]] = {
    "ORDER": lambda received: " ".join(received.body),
    "SPACE": lambda received: received.raw.count(b"\n"),
    "FRACTION": lambda received: str(json.loads(received.raw)["options"]["seed"]),
    "EXPONENT": _exponents,
    "ESCAPES": lambda received: received.raw.count(b"\\u"),
}
"""What depends on how a request is written."""


def _shows(read: Callable[[Exchange], Any]) -> ExchangeHook:
    """A hook that adds what it reads of an execute that succeeds to its outputs."""

    async def hook(exchange: Exchange) -> Reply:
        reply = await exchange.forward()
        if not exchange.received.is_execute or len(exchange.received.raw) > _MOST_KEPT_BYTES:
            return reply
        exchange.activity.history.append((exchange.received, reply.error_code or ""))
        if not reply.is_success:
            return reply
        envelope = reply.json
        envelope["outputs"]["variant"] = read(exchange)
        return reply.with_json(envelope)

    return hook


def _call_number(exchange: Exchange) -> int:
    return len(exchange.activity.history)


def _of_seed(seed: int) -> Callable[[Exchange], int]:
    return lambda exchange: _call_number(exchange) if exchange.received.options.get("seed") == seed else 0


def _written(read: Callable[[Received], Any]) -> ExchangeHook:
    return _shows(lambda exchange: read(exchange.received))


def _errors(exchange: Exchange) -> int:
    return sum(bool(code) for _, code in exchange.activity.history)


def _is_like_the_last(exchange: Exchange) -> bool:
    requests = [received for received, _ in exchange.activity.history[-2:]]
    sent = [_without_ids(received) for received in requests]
    return len(sent) == 2 and sent[0] == sent[1]


def _is_traced(received: Received) -> bool:
    return any(name == "traceparent" for name, _ in received.headers)


def _without_ids(received: Received) -> tuple[object, bytes]:
    raw = received.raw
    for part in received.key or ():
        raw = raw.replace(part.encode(), b"")
    return _is_traced(received), raw


def _is_the_last(exchange: Exchange) -> bool:
    requests = [received.raw for received, _ in exchange.activity.history[-2:]]
    return len(requests) == 2 and requests[0] == requests[1]


def _since_first(counts: Callable[[Exchange, Received, str], bool]) -> Callable[[Exchange], int]:
    """How many requests `counts` says since the first one with the key."""

    def count(exchange: Exchange) -> int:
        history = exchange.activity.history
        keys = [received.key for received, _ in history]
        return sum(counts(exchange, *entry) for entry in history[keys.index(exchange.received.key) :])

    return count


async def _mixes_seeds(exchange: Exchange) -> Reply:
    if not exchange.received.is_execute:
        return await exchange.forward()
    exchange.activity.seed = exchange.received.options.get("seed")
    await exchange.pause(_MIXING_S)
    seed = exchange.activity.seed
    return await _shows(lambda _: seed)(exchange)


def _ignores(field: str) -> ExchangeHook:
    """A hook that takes a body under a used key for the same when only `field` differs."""

    async def hook(exchange: Exchange) -> Reply:
        key, first = exchange.received.key, exchange.activity.bodies
        body = dict(exchange.received.body)
        reply = await exchange.forward()
        if reply.is_success and key is not None:
            first.setdefault(key, body)
        if reply.error_code != _REUSED or key is None or {**first.get(key, {}), field: None} != {**body, field: None}:
            return reply
        return await exchange.forward(exchange.received.changed(**first[key]))

    return hook


def _keyed_by(part: int) -> ExchangeHook:
    """A hook that refuses another body under the same `run_id` (0) or `step_id` (1), whatever the other id is."""

    async def hook(exchange: Exchange) -> Reply:
        key, bodies = exchange.received.key, exchange.activity.bodies
        if key is None:
            return await exchange.forward()
        ids = {"run_id": "", "step_id": ""}
        same = [body for known, body in bodies.items() if known[part] == key[part]]
        reply = await exchange.forward()
        body = dict(exchange.received.body)
        if not reply.is_success or not same or {**same[0], **ids} == {**body, **ids}:
            bodies.setdefault(key, body)
            return reply
        return error_reply(reply.json["module"], 422, _REUSED, "the id was used with another body", pointer="/run_id")

    return hook


def _accepts(field: str, value: str) -> ExchangeHook:
    async def hook(exchange: Exchange) -> Reply:
        if exchange.received.body.get(field) != value:
            return await exchange.forward()
        return await exchange.forward(exchange.received.changed(**{field: "accepted"}))

    return hook


def _fails_for(part: bytes) -> ExchangeHook:
    async def hook(exchange: Exchange) -> Reply:
        reply = await exchange.forward()
        if part not in exchange.received.raw:
            return reply
        return error_reply(reply.json["module"], 500, "INTERNAL", "the module failed; its log says why")

    return hook


def _refuses_seed(seed: int) -> ExchangeHook:
    async def hook(exchange: Exchange) -> Reply:
        reply = await exchange.forward()
        if not reply.is_success or exchange.received.options.get("seed") != seed:
            return reply
        return error_reply(reply.json["module"], 422, "INVALID_INPUT", "the seed is not served", pointer="/options/seed")

    return hook


def _declares_none_of(field: str) -> ExchangeHook:
    async def hook(exchange: Exchange) -> Reply:
        reply = await exchange.forward()
        if not exchange.received.is_health:
            return reply
        # The profiles stay readable, so that a checker still knows what binds the module.
        return reply.with_json({**reply.json, field: None})

    return hook


async def _slow_while_executing(exchange: Exchange) -> Reply:
    if exchange.received.is_health and exchange.activity.executes:
        await exchange.pause(_BUSY_S)
    return await exchange.forward()


_Row = tuple[str, str, ExchangeHook]
"""Name, what is broken, and how."""


def _of_determinism() -> Iterator[_Row]:
    for seed in _SEEDS:
        yield f"OPS-DET-001:SEED-{seed}", f"outputs count calls with the seed {seed}", _shows(_of_seed(seed))
    yield "OPS-DET-001:SCENARIO", "outputs hold the scenario_id", _shows(lambda exchange: exchange.received.body["scenario_id"])
    yield "OPS-DET-001:ERROR", "outputs count the errors so far", _shows(_errors)
    yield "OPS-DET-001:ROW", "outputs tell a call that repeats the one before under other ids", _shows(_is_like_the_last)
    yield (
        "OPS-DET-001:HEADERS",
        "outputs tell calls with the header traceparent",
        _shows(lambda exchange: _is_traced(exchange.received)),
    )
    for case, read in _WRITINGS.items():
        yield f"OPS-DET-001:{case}", f"outputs depend on how the request is written ({case.lower()})", _written(read)
    yield "OPS-DET-003:MIXED", "outputs hold the seed of whichever overlapping call came last", _mixes_seeds
    for seed in (_SEEDS[0], _SEEDS[-1]):
        yield f"OPS-DET-004:SEED-{seed}", f"only the seed {seed} is refused", _refuses_seed(seed)


def _of_idempotency() -> Iterator[_Row]:
    for case, read in _WRITINGS.items():
        yield f"OPS-IDM-001:{case}", f"a repeat that is written otherwise ({case.lower()}) has other outputs", _written(read)
    yield "OPS-IDM-001:ONCE", "outputs of a repeat that follows at once say so", _shows(_is_the_last)
    for case, counts in _REPEATED_LATER.items():
        broken = f"outputs of a repeat change after what came in between ({case.lower()})"
        yield f"OPS-IDM-001:{case}", broken, _shows(_since_first(counts))
    for case, field in _OTHER_FIELDS.items():
        yield f"OPS-IDM-002:{case}", f"a body that differs in {field} counts as the same", _ignores(field)
    for part, name in enumerate(("run_id", "step_id")):
        yield f"OPS-IDM-002:{name.upper()}", f"answers are kept by {name} alone", _keyed_by(part)


def _of_limits_and_health() -> Iterator[_Row]:
    for field in ("run_id", "step_id"):
        for case, value in _HOSTILE.items():
            name = f"OPS-PTH-001:{field.upper()}-{case}"
            yield name, f"the {field} {value[:5]!r} ({case.lower()}) is served", _accepts(field, value)
    for case, part in _LARGE.items():
        yield f"OPS-LIM-001:{case}", f"a large body ({case.lower()}) is a 500", _fails_for(part)
    yield "OPS-HLT-004:BUSY", "/health takes 1.3 s while an execute is running", _slow_while_executing
    for field in _DECLARED:
        yield f"OPS-HLT-005:{field.upper()}", f"/health says null for {field}", _declares_none_of(field)


_REPEATED_LATER: Final[dict[str, Callable[[Exchange, Received, str], bool]]] = {
    "CALLS": lambda exchange, received, code: not code and received.key != exchange.received.key,
    "ERROR": lambda _, _received, code: code == "MALFORMED_JSON",
    "OTHER-BODY": lambda _, _received, code: code == _REUSED,
}
"""By case, what is counted between the first call with a key and a repeat."""

_ROWS: Final = (*_of_determinism(), *_of_idempotency(), *_of_limits_and_health(), *VARIANTS_OF_ANSWERS)

VARIANTS: Final[dict[str, Violation]] = {
    name: Violation(name, broken, f"by one probe of the kit alone: {broken}", hook) for name, broken, hook in _ROWS
}
"""By name, the requirement's id and the case."""
