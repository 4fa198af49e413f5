"""Violations of the requirements on equal calls: determinism and idempotency.

A module that is not deterministic easily seems to break other requirements, too, for example as if unknown fields changed its
outputs. So each violation varies in one situation only. The number of `_drifting` grows when a call repeats the body of the
one before under other ids, and stays the same for every other call and for calls that overlap.
"""

import hashlib
import time
import zlib
from dataclasses import replace
from typing import Final

from ops_stubs.errors import InputError
from ops_stubs.faults.exchange import Reply
from ops_stubs.faults.violation import Exchange, Execution, Violation
from ops_stubs.module import File, Result

__all__ = ["REPEATS"]

_HOLD_S: Final = 0.2
"""The shortest execution, so that calls sent at once overlap, however fast the stub is."""

_LARGEST_SEED: Final = 2147483647
_PNG_END: Final = 12
"""The bytes of the chunk that ends every PNG."""


def _outputs_drift(execution: Execution) -> Result:
    result, drift = _drifting(execution)
    return replace(result, outputs={**result.outputs, "drift": drift}) if drift else result


def _artifacts_drift(execution: Execution) -> Result:
    result, drift = _drifting(execution)
    if not drift or not result.artifacts:
        return result
    first, *others = result.artifacts
    return replace(result, artifacts=(_stamped(first, drift), *others))


def _drifting(execution: Execution) -> tuple[Result, int]:
    activity = execution.activity
    with activity.overlapping() as overlap:
        result = execution.action(execution.call)
        time.sleep(_HOLD_S)
        body = execution.body
        with activity.lock:
            if body == activity.latest and not overlap.happened:
                activity.drift += 1
            activity.latest = body
            return result, activity.drift


def _stamped(file: File, number: int) -> File:
    """The same file with a few more bytes that readers ignore: a comment in a PNG, line ends after a text."""
    if file.media_type == "image/png":
        chunk = b"tEXtComment\0drift %d" % number
        length, checksum = len(chunk) - 4, zlib.crc32(chunk)
        stamp = length.to_bytes(4, "big") + chunk + checksum.to_bytes(4, "big")
        return replace(file, content=file.content[:-_PNG_END] + stamp + file.content[-_PNG_END:])
    return replace(file, content=file.content + b"\n" * number)


def _outputs_differ_when_overlapping(execution: Execution) -> Result:
    with execution.activity.overlapping() as overlap:
        result = execution.action(execution.call)
        time.sleep(_HOLD_S)
    if not overlap.happened:
        return result
    ids = f"{execution.call.run_id} {execution.call.step_id}"
    return replace(result, outputs={**result.outputs, "overlap": hashlib.sha256(ids.encode()).hexdigest()[:16]})


def _no_largest_seed(execution: Execution) -> Result:
    if execution.call.options.seed == _LARGEST_SEED:
        raise InputError("/options/seed", f"must be below {_LARGEST_SEED}")
    return execution.action(execution.call)


async def _counts_repeats(exchange: Exchange) -> Reply:
    key, answered = exchange.received.key, exchange.activity.answered
    # Counted on arrival: a duplicate that arrives while the first is running still gets the answer of the first.
    before = answered[key] if key else 0
    reply = await exchange.forward()
    if key is None or not reply.is_success:
        return reply
    answered[key] += 1
    if not before:
        return reply
    envelope = reply.json
    envelope["outputs"]["repeats"] = before
    return reply.with_json(envelope)


async def _takes_other_body(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    key = exchange.received.key
    if reply.error_code != "IDEMPOTENCY_KEY_REUSED" or key is None:
        return reply
    digest = hashlib.sha256(exchange.received.raw).hexdigest()[:16]
    return await exchange.forward(exchange.received.changed(step_id=f"{key[1][:100]}.{digest}"))


async def _executes_duplicates(exchange: Exchange) -> Reply:
    key, raw = exchange.received.key, exchange.received.raw
    if key is None:
        return await exchange.forward()
    running = exchange.activity.calls.setdefault(key, [])
    number = running.count(raw) + 1
    running.append(raw)
    try:
        reply = await _execution(exchange, key[1], number)
        if reply.is_success:
            await exchange.pause(_HOLD_S)
    finally:
        running.remove(raw)
        if not running:
            exchange.activity.calls.pop(key, None)
    return reply


async def _execution(exchange: Exchange, step_id: str, number: int) -> Reply:
    if number == 1:
        return await exchange.forward()
    reply = await exchange.forward(exchange.received.changed(step_id=f"{step_id[:100]}.{number}"))
    if not reply.is_success:
        return reply
    envelope = reply.json
    envelope["outputs"]["execution"] = number
    return reply.with_json(envelope)


REPEATS: Final = (
    Violation(
        "OPS-DET-001",
        "a call that repeats the body of the one before under other ids has another number in outputs.drift",
        "two calls in a row, equal but for run_id or step_id, have different outputs and equal artifacts",
        execution=_outputs_drift,
    ),
    Violation(
        "OPS-DET-002",
        "a call that repeats the body of the one before under other ids has other bytes in its first artifact",
        "two calls in a row, equal but for run_id or step_id, have different sha256, each right for its bytes; equal outputs",
        execution=_artifacts_drift,
    ),
    Violation(
        "OPS-DET-003",
        "calls that overlap have outputs.overlap, made of their ids",
        "eight calls at once have eight different outputs; one at a time they are equal",
        execution=_outputs_differ_when_overlapping,
    ),
    Violation(
        "OPS-DET-004",
        "the seed 2147483647 is refused",
        "a request with that seed is a 422 (INVALID_INPUT); the seed 0 works",
        execution=_no_largest_seed,
    ),
    Violation(
        "OPS-IDM-001",
        "a repeat that arrives after the first was answered has a count in outputs.repeats",
        "the same body twice, one after the other: outputs differ",
        _counts_repeats,
    ),
    Violation(
        "OPS-IDM-002",
        "a used key with another body is executed",
        "the second body with the same run_id and step_id is a 200",
        _takes_other_body,
    ),
    Violation(
        "OPS-IDM-003",
        "a duplicate that arrives while the first is running is executed again; what succeeds takes 0.2 s longer",
        "the same body twice at once: both are 200, and the second has outputs.execution = 2, so the outputs differ",
        _executes_duplicates,
    ),
)
"""OPS-DET and OPS-IDM."""
