"""The progress of a run that a service executes, live on a terminal."""

import asyncio
import json
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from typing import Any, Final

from rich.live import Live

from ops_orchestrator.cli.display import steps_view
from ops_orchestrator.cli.service_client import ServiceClient

_POLL_S: Final = 0.2
# Most modules are ready at once, and the log need not be read for them.
_MENTION_WAITING_S: Final = 2.0


async def run_ended(service: ServiceClient, run_id: str, *, visibly: bool) -> dict[str, Any]:
    """The record of a run once it is over; until then its steps are displayed when `visibly`."""
    record = await service.run(run_id)
    view = Live(steps_view(record, _now()), transient=True) if visibly else nullcontext()
    with view as live:
        while record["status"] == "running":
            await asyncio.sleep(_POLL_S)
            record = await service.run(run_id)
            if live is not None:
                now = _now()
                live.update(steps_view(record, now, await _waiting(service, record, now)))
    return record


def waiting_note(log: bytes, step: str, now: datetime) -> str:
    """What the step under way waits for, as its run's log has it: its module, or else nothing."""
    note = ""
    for line in _lines(log):
        if line.get("step") != step:
            continue
        if line.get("event") == "step.started":
            waited = (now - datetime.fromisoformat(line["timestamp"])).total_seconds()
            limit = f" of {line['ready_timeout_s']:.0f} s" if "ready_timeout_s" in line else ""
            note = f"waiting for {line['url']} to become ready, {max(waited, 0):.0f} s{limit}"
        else:
            note = ""
    return note


async def _waiting(service: ServiceClient, record: dict[str, Any], now: datetime) -> str:
    step = next((step for step in record["steps"] if step["status"] == "running"), None)
    if step is None or step["module_version"] is not None or not step["started_at"]:
        return ""
    if (now - datetime.fromisoformat(step["started_at"])).total_seconds() < _MENTION_WAITING_S:
        return ""
    return waiting_note(await service.log(record["run_id"]), step["id"], now)


def _lines(log: bytes) -> list[dict[str, Any]]:
    """The lines of a log that are whole; the last one may still be written."""
    lines = []
    for raw in log.splitlines():
        with suppress(ValueError):
            lines.append(json.loads(raw))
    return [line for line in lines if isinstance(line, dict)]


def _now() -> datetime:
    return datetime.now(UTC)
