"""The progress of a run that a service executes, live on a terminal."""

import asyncio
import json
from contextlib import aclosing, nullcontext, suppress
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import RenderableType
from rich.live import Live

from ops_orchestrator.cli.display import steps_view
from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.errors import CannotReachError, RefusedError

# Between two streams; a service that has none, or does not execute the run itself, is asked for the record so often.
_PAUSE_S: Final = 0.2
# Most modules are ready at once.
_MENTION_WAITING_S: Final = 2.0
_UNDER_WAY: Final = ("queued", "running")


class _Progress:
    """A run as it is displayed: its record, and the last line of its log."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record
        self.seq = 0
        self.line = b""

    def view(self) -> RenderableType:
        """The steps as of now."""
        now = _now()
        return steps_view(self.record, now, _waiting(self.record, self.line, now))


async def run_ended(service: ServiceClient, run_id: str, *, visibly: bool) -> dict[str, Any]:
    """The record of a run once it is over; until then its steps are displayed when `visibly`."""
    progress = _Progress(await service.run(run_id))
    with Live(get_renderable=progress.view, transient=True) if visibly else nullcontext():
        while progress.record["status"] in _UNDER_WAY:
            with suppress(CannotReachError, RefusedError):
                await _follow(service, run_id, progress, visibly=visibly)
            progress.record = await service.run(run_id)
            if progress.record["status"] in _UNDER_WAY:
                await asyncio.sleep(_PAUSE_S)
    return progress.record


async def _follow(service: ServiceClient, run_id: str, progress: _Progress, *, visibly: bool) -> None:
    async with aclosing(service.events(run_id, progress.seq)) as events:
        async for progress.seq, progress.line in events:
            if visibly:
                progress.record = await service.run(run_id)


def waiting_note(line: bytes, step: str, now: datetime) -> str:
    """What the step under way waits for, as the last `line` of its run's log has it: its module, or else nothing."""
    try:
        fields = json.loads(line)
        if (fields["event"], fields["step"]) != ("step.started", step):
            return ""
        waited_s = (now - datetime.fromisoformat(fields["timestamp"])).total_seconds()
        limit = f" of {fields['ready_timeout_s']:.0f} s" if "ready_timeout_s" in fields else ""
        return f"waiting for {fields['url']} to become ready, {max(waited_s, 0):.0f} s{limit}"
    except (ValueError, LookupError, TypeError):
        return ""


def _waiting(record: dict[str, Any], last_line: bytes, now: datetime) -> str:
    step = next((step for step in record["steps"] if step["status"] == "running"), None)
    if step is None or not step["started_at"]:
        return ""
    if (now - datetime.fromisoformat(step["started_at"])).total_seconds() < _MENTION_WAITING_S:
        return ""
    return waiting_note(last_line, step["id"], now)


def _now() -> datetime:
    return datetime.now(UTC)
