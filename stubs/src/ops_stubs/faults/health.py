"""Violations of the requirements on `GET /health`."""

from typing import Final

from ops_stubs.faults.exchange import Reply
from ops_stubs.faults.violation import Exchange, Violation

__all__ = ["HEALTH"]

_TOO_SLOW_S: Final = 1.5


async def _never_ready(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    if not exchange.received.is_health or exchange.activity.executes:
        return reply
    error = {"code": "NOT_READY", "message": "the module is not ready; ask again later", "retryable": True}
    # The other fields of the health stay, so that a checker still learns the module's profiles.
    return Reply.of_json({**reply.json, "status": "error", "error": error}, 503)


async def _no_version(exchange: Exchange) -> Reply:
    return await _without(exchange, "version")


async def _no_contract_versions(exchange: Exchange) -> Reply:
    return await _without(exchange, "contract_versions")


async def _hangs_while_executing(exchange: Exchange) -> Reply:
    if exchange.received.is_health:
        await exchange.until_idle()
    return await exchange.forward()


async def _slow(exchange: Exchange) -> Reply:
    if exchange.received.is_health and not exchange.activity.executes:
        await exchange.pause(_TOO_SLOW_S)
    return await exchange.forward()


async def _without(exchange: Exchange, field: str) -> Reply:
    reply = await exchange.forward()
    if not exchange.received.is_health:
        return reply
    return reply.with_json({name: value for name, value in reply.json.items() if name != field})


HEALTH: Final = (
    Violation(
        "OPS-HLT-001",
        "/health answers 503 though the module executes, except while an execute is running",
        "GET /health of an idle stub is 503, an error envelope that also has the fields of the health; POST /execute is 200",
        _never_ready,
    ),
    Violation("OPS-HLT-002", "/health leaves out version", "the body of GET /health has no version", _no_version),
    Violation(
        "OPS-HLT-003",
        "/health waits until no execute is running",
        "GET /health is not answered before a slow execute (inputs.__stub_delay_s) is",
        _hangs_while_executing,
    ),
    Violation("OPS-HLT-004", "/health takes 1.5 s when nothing runs", "GET /health of an idle stub takes over 1 s", _slow),
    Violation(
        "OPS-HLT-005",
        "/health leaves out contract_versions",
        "the body of GET /health has no contract_versions",
        _no_contract_versions,
    ),
)
"""OPS-HLT, OPS-HLT-001 first."""
