"""Violations of the requirements on errors, hostile ids and limits."""

import hashlib
import re
from dataclasses import replace
from typing import Any, Final

from ops_stubs.faults.exchange import Received, Reply, error_reply
from ops_stubs.faults.lenient_json import carried, read_leniently
from ops_stubs.faults.violation import Envelope, Exchange, Violation, on_error

__all__ = ["REFUSALS"]

_TOO_SLOW_S: Final = 5.5
_MANY_KEYS: Final = 50_000
_DEEP: Final = 500
_HOSTILE: Final = re.compile(r"[\x00-\x1f/\\]|\.\.|.{129}", re.DOTALL)
_BRACKET: Final = re.compile(rb"[\[\]{}]")
_A_DAY_S: Final = 86_400


async def _bare_detail(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    if reply.status not in {404, 405} or reply.error_code is None:
        return reply
    return reply.with_json({"detail": reply.json["error"]["message"]})


def _no_code(envelope: Envelope) -> None:
    del envelope["error"]["code"]


async def _malformed_is_422(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    if reply.error_code != "MALFORMED_JSON" or read_leniently(exchange.received.raw) is not None:
        return reply
    envelope = reply.json
    # With a pointer, which every 422 about a body must have.
    envelope["error"]["pointer"] = ""
    return Reply.of_json(envelope, 422)


async def _reads_leniently(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    body = read_leniently(exchange.received.raw) if reply.error_code == "MALFORMED_JSON" else None
    if not isinstance(body, dict):
        return reply
    return await exchange.forward(replace(exchange.received, raw=b"{}").changed(**carried(body)))


def _no_pointer(envelope: Envelope) -> None:
    envelope["error"].pop("pointer", None)
    envelope["error"].pop("details", None)


async def _coerces_seed(exchange: Exchange) -> Reply:
    seed = exchange.received.options.get("seed")
    integer = _coerced(seed)
    if integer is None:
        return await exchange.forward()
    return await exchange.forward(exchange.received.changed(options={**exchange.received.options, "seed": integer}))


def _coerced(value: Any) -> int | None:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        return int(value)
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,10}", value) else None


async def _fails_on_input(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    body = exchange.received.json
    is_scalar = exchange.received.is_execute and reply.status == 422 and not isinstance(body, dict | list)
    if reply.error_code != "INVALID_INPUT" and not is_scalar:
        return reply
    return error_reply(reply.json["module"], 500, "INTERNAL", "the module failed; its log says why")


def _file_in_message(envelope: Envelope) -> None:
    envelope["error"]["message"] += ' (File "/srv/module/app/main.py", line 97, in execute)'


async def _error_in_200(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    if reply.error_code not in {"UNKNOWN_ACTION", "INVALID_INPUT"}:
        return reply
    return Reply.of_json(reply.json)


async def _stays_broken(exchange: Exchange) -> Reply:
    activity = exchange.activity
    if exchange.received.is_health:
        activity.has_failed = False
    reply = await exchange.forward()
    if exchange.received.path != "/execute":
        return reply
    if reply.status >= 400:
        activity.has_failed = True
        return reply
    if not activity.has_failed:
        return reply
    activity.has_failed = False
    return error_reply(reply.json["module"], 409, "NOT_RECOVERED", "the module has not recovered from the last error")


async def _no_allow(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    return reply.with_header("allow", None) if reply.status == 405 else reply


async def _takes_hostile_ids(exchange: Exchange) -> Reply:
    ids = {name: exchange.received.body.get(name) for name in ("run_id", "step_id")}
    hostile = {name: _tamed(value) for name, value in ids.items() if isinstance(value, str) and _HOSTILE.search(value)}
    return await exchange.forward(exchange.received.changed(**hostile) if hostile else None)


def _tamed(value: str) -> str:
    return f"tamed-{hashlib.sha256(value.encode()).hexdigest()}"


async def _slow_on_large_bodies(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    if exchange.received.is_execute and _is_large(exchange.received):
        await exchange.pause(_TOO_SLOW_S)
    return reply


def _is_large(received: Received) -> bool:
    if received.raw.count(b":") > _MANY_KEYS:
        return True
    depth = deepest = 0
    for bracket in _BRACKET.findall(received.raw):
        depth += 1 if bracket in {b"[", b"{"} else -1
        deepest = max(deepest, depth)
    return deepest > _DEEP


async def _ignores_deadline(exchange: Exchange) -> Reply:
    deadline = exchange.received.options.get("deadline_s")
    if isinstance(deadline, bool) or not isinstance(deadline, int | float) or deadline <= 0:
        return await exchange.forward()
    # A day later instead of removed: bodies that differ in nothing but their deadline must stay different.
    options = {**exchange.received.options, "deadline_s": deadline + _A_DAY_S}
    return await exchange.forward(exchange.received.changed(options=options))


async def _too_large_is_400(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    return Reply.of_json(reply.json, 400) if reply.status == 413 else reply


REFUSALS: Final = (
    Violation(
        "OPS-ERR-001",
        "404 and 405 answers are {detail} instead of error envelopes",
        "the body of a GET /execute (405) has no status and no error",
        _bare_detail,
    ),
    Violation("OPS-ERR-002", "errors have no code", "error.code is absent in every error envelope", on_error(_no_code)),
    Violation("OPS-ERR-003", "malformed JSON is 422", "POST /execute of { is a 422", _malformed_is_422),
    Violation(
        "OPS-ERR-004",
        "a request that breaks the schema is refused without a pointer",
        "the 422 has neither error.pointer nor details",
        on_error(_no_pointer, "INVALID_REQUEST"),
    ),
    Violation(
        "OPS-ERR-005",
        'options.seed may be "1", false or 1.5 and is made an integer',
        'a request with the seed "1", false or 1.5 is a 200',
        _coerces_seed,
    ),
    Violation(
        "OPS-ERR-006",
        "inputs that the module cannot work with, and bodies that are a JSON scalar, are 500",
        "POST /execute of null, or of inputs that the module refuses, is a 500",
        _fails_on_input,
    ),
    Violation(
        "OPS-ERR-007",
        "error messages name a source file and a line",
        "error.message of every error has the path /srv/module/app/main.py",
        on_error(_file_in_message),
    ),
    Violation(
        "OPS-ERR-008",
        "an unknown action and inputs that the module refuses are error envelopes with the status 200",
        "the status is 200 where the envelope says error",
        _error_in_200,
    ),
    Violation(
        "OPS-ERR-009",
        "the first valid execute after an error on /execute fails; GET /health clears this state, too",
        "a malformed request and then a valid one: the second is a 409 (NOT_RECOVERED), a third is a 200",
        _stays_broken,
    ),
    Violation("OPS-ERR-010", "405 answers lack Allow", "a GET /execute is a 405 without the header Allow", _no_allow),
    Violation(
        "OPS-ERR-011",
        "duplicate keys, large integers, half characters, a byte order mark and deep nesting are read all the same",
        "a request with a key twice in its inputs is a 200",
        _reads_leniently,
    ),
    Violation(
        "OPS-PTH-001",
        "run_id and step_id may hold slashes, .., control characters and 300 characters",
        "a request with the run_id ../x is a 200",
        _takes_hostile_ids,
    ),
    Violation(
        "OPS-LIM-001",
        "bodies with over 50,000 keys or 500 levels are answered 5.5 s late",
        "the right answer to a body of a thousand levels or 100,000 keys comes after more than 5 s",
        _slow_on_large_bodies,
    ),
    Violation(
        "OPS-LIM-002",
        "options.deadline_s is ignored",
        "a slow execute (inputs.__stub_delay_s) with a shorter deadline answers when it is done, with a 200",
        _ignores_deadline,
    ),
    Violation("OPS-LIM-003", "a body over the limit is 400", "POST /execute of over 1 MiB is a 400", _too_large_is_400),
)
"""OPS-ERR, OPS-PTH and OPS-LIM."""
