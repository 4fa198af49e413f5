"""Violations of the requirements on answers to `POST /execute`, versions, unknown fields and traces."""

from typing import Any, Final

from ops_contract import CONTRACT_VERSION, ExecuteRequest, Options
from ops_stubs.faults.exchange import Reply, error_reply
from ops_stubs.faults.violation import Envelope, Exchange, Violation, on_error, on_success

__all__ = ["EXECUTE"]

_LONGEST_SCENARIO_ID: Final = 200


def _warnings_are_text(envelope: Envelope) -> None:
    envelope["warnings"] = "none"


def _other_module(envelope: Envelope) -> None:
    envelope["module"] += "-other"


def _outputs_in_array(envelope: Envelope) -> None:
    envelope["outputs"] = [envelope["outputs"]]
    # The evidence goes on pointing to what it rests on, so that nothing else is wrong.
    for item in envelope.get("evidence", []):
        item["supports"] = [f"/0{pointer}" for pointer in item.get("supports", [])]


async def _status_twice(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    if not reply.is_success:
        return reply
    # Readers that let duplicates pass find the same value in both places.
    return reply.with_content(reply.content[:-1] + b',"status":"success"}')


def _no_known_actions(envelope: Envelope) -> None:
    envelope["error"] |= {"message": "/action is not one that this module knows", "details": {}}


async def _plain_text(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    return reply.with_header("content-type", "text/plain; charset=utf-8") if reply.is_success else reply


def _no_versions(envelope: Envelope) -> None:
    envelope.pop("version", None)
    envelope.pop("contract_version", None)


async def _any_major(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    if reply.error_code != "UNSUPPORTED_VERSION":
        return reply
    return await exchange.forward(exchange.received.changed(contract_version=CONTRACT_VERSION))


async def _no_higher_minor(exchange: Exchange) -> Reply:
    version = exchange.received.body.get("contract_version")
    reply = await exchange.forward()
    if not reply.is_success or not isinstance(version, str) or version == CONTRACT_VERSION:
        return reply
    message = f"/contract_version {version!r} is not served; this module serves {CONTRACT_VERSION}"
    details = {"supported_versions": [CONTRACT_VERSION]}
    module = reply.json["module"]
    return error_reply(module, 422, "UNSUPPORTED_VERSION", message, pointer="/contract_version", details=details)


async def _counts_unknown_fields(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    unknown = _unknown_fields(exchange.received.body, exchange.received.options)
    if not reply.is_success or not unknown:
        return reply
    envelope = reply.json
    envelope["outputs"]["unknown_fields"] = unknown
    return reply.with_json(envelope)


def _unknown_fields(body: Any, options: Any) -> int:
    return len(body.keys() - ExecuteRequest.model_fields.keys()) + len(options.keys() - Options.model_fields.keys())


async def _no_upstream(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    if not reply.is_success or not exchange.received.body.get("upstream"):
        return reply
    return error_reply(reply.json["module"], 422, "INVALID_REQUEST", "/upstream must be empty", pointer="/upstream")


async def _counts_utf_16_units(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    units = len(str(exchange.received.body.get("scenario_id", "")).encode("utf-16-le", errors="replace")) // 2
    if not reply.is_success or units <= _LONGEST_SCENARIO_ID:
        return reply
    message = f"/scenario_id must have at most {_LONGEST_SCENARIO_ID} characters, not {units}"
    return error_reply(reply.json["module"], 422, "INVALID_REQUEST", message, pointer="/scenario_id")


def _no_trace(envelope: Envelope) -> None:
    envelope["meta"].pop("trace_id", None)


EXECUTE: Final = (
    # Outside the others, which parse the envelope and write it again with each key once.
    Violation(
        "OPS-EXE-004",
        "the success envelope has the key status twice, with one value",
        "a strict reader refuses the duplicate key; a lenient one sees the right answer",
        _status_twice,
    ),
    Violation(
        "OPS-EXE-001",
        "the success envelope has a string where warnings are an array",
        "the schema refuses the envelope at /warnings",
        on_success(_warnings_are_text),
    ),
    Violation(
        "OPS-EXE-002",
        "the success envelope names another module",
        "module is the name that /health gives with -other behind it",
        on_success(_other_module),
    ),
    Violation(
        "OPS-EXE-003",
        "outputs is an array that holds the object",
        "outputs is an array; the pointers of the evidence lead to the same values in it",
        on_success(_outputs_in_array),
    ),
    Violation(
        "OPS-EXE-005",
        "an unknown action is refused without the list of the known ones",
        "neither details nor message of the UNKNOWN_ACTION error list an action",
        on_error(_no_known_actions, "UNKNOWN_ACTION"),
    ),
    Violation(
        "OPS-EXE-006",
        "successful answers are sent as text/plain",
        "Content-Type of a 200 of POST /execute is text/plain",
        _plain_text,
    ),
    Violation(
        "OPS-EXE-007",
        "the success envelope has neither version nor contract_version",
        "both fields are absent",
        on_success(_no_versions),
    ),
    Violation(
        "OPS-VER-001",
        "every major contract_version is served as if it were 1.0",
        "a valid request in contract_version 2.0 is a 200",
        _any_major,
    ),
    Violation(
        "OPS-VER-002",
        "a higher minor contract_version is refused",
        "a valid request in contract_version 1.99 is a 422",
        _no_higher_minor,
    ),
    Violation(
        "OPS-FWD-001",
        "fields that are unknown, at the top or in options, are counted in outputs",
        "outputs of a request with an unknown field have unknown_fields, those of the same request without it do not",
        _counts_unknown_fields,
    ),
    Violation(
        "OPS-FWD-002",
        "a request with anything in upstream is refused",
        "a valid request with one earlier step in upstream is a 422",
        _no_upstream,
    ),
    Violation(
        "OPS-FWD-003",
        "the length of scenario_id is counted in UTF-16 units, so that characters beyond U+FFFF count twice",
        "a valid request with a scenario_id of 200 such characters is a 422",
        _counts_utf_16_units,
    ),
    Violation(
        "OPS-OBS-001",
        "the trace id of traceparent is not repeated on success",
        "meta of the success envelope has no trace_id",
        on_success(_no_trace),
    ),
)
"""OPS-EXE, OPS-VER, OPS-FWD and OPS-OBS."""
