"""`GET /runs/{run_id}/events`: a run's log as a stream, live while the run goes on."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from ops_orchestrator.errors import DamagedRunError, NotFoundError
from ops_orchestrator.runs.log_follower import FollowsRuns
from ops_orchestrator.runs.log_reader import LogReader
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.service.event_source import HEADERS, HEARTBEAT_S, MEDIA_TYPE, EventSource, Streamed
from ops_orchestrator.service.head import is_head
from ops_orchestrator.service.openapi import Responses, problems
from ops_orchestrator.service.routes.parameters import refuse_repeated_header, refuse_unusable_parameters

_ID: Final = r"^[0-9]{0,15}$"
# One event: before OpenAPI 3.2, which has `itemSchema` for it, a stream has no other place for this.
_EVENT: Final = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "`seq` of the line"},
        "data": {"type": "string", "contentMediaType": "application/json", "description": "the line of the log"},
        "retry": {"type": "integer", "minimum": 0},
    },
}
_RESPONSES: Final[Responses] = {
    200: {
        "description": "The events: `id` is `seq`, `data` the line of the log; the stream ends with the run.",
        "content": {MEDIA_TYPE: {"schema": _EVENT}},
    },
    204: {"description": "The run is over, and the caller has its last event."},
    **problems(404, 422, 500, 503),
}

EventId = Annotated[str, Header(alias="Last-Event-ID", pattern=_ID, description="go on after this event")]
EventIdInQuery = Annotated[str, Query(pattern=_ID, description="the same for callers who cannot set a header")]


def events_routes(
    store: RunStore,
    events: FollowsRuns,
    is_here: Callable[[str], bool],
    is_active: Callable[[str], bool],
    heartbeat_s: float = HEARTBEAT_S,
) -> APIRouter:
    """The route over the runs in `store`.

    `is_here` says which of them this process executes, and `is_active` of which `events` brings the lines.
    """
    router = APIRouter(prefix="/runs", tags=["runs"])

    @router.get(
        "/{run_id}/events",
        summary="A run's log as server-sent events, live while the run goes on",
        response_class=Response,
        responses=_RESPONSES,
    )
    async def get_events(request: Request, run_id: str, header: EventId = "", last_event_id: EventIdInQuery = "") -> Response:
        refuse_unusable_parameters(request, ("last_event_id",), "stream")
        refuse_repeated_header(request, "Last-Event-ID")
        # A browser that comes again repeats the address and adds the header, which is newer.
        after = int(header or last_event_id or 0)
        log, has_more = await asyncio.to_thread(_opened, store, run_id, after)
        if has_more and not is_here(run_id):
            await asyncio.to_thread(_check_that_more_may_come, store, log)
        if has_more and not is_head(request.scope):
            run = Streamed(partial(is_active, run_id), partial(_is_recorded, store, run_id))
            return EventSource(log, events, run, heartbeat_s)
        await asyncio.to_thread(log.close)
        # Without a length, which nobody knows.
        return StreamingResponse(iter(()), headers=HEADERS) if has_more else Response(status_code=204)

    return router


def _opened(store: RunStore, run_id: str, after: int) -> tuple[LogReader, bool]:
    """The log of a run at the first line after `after`, and whether a caller who has it still misses something, or will."""
    log = store.log(run_id)
    try:
        last = log.skip(after) if after else None
    except BaseException:
        log.close()
        raise
    return log, last is None or last.seq != after or not last.is_last


def _is_recorded(store: RunStore, run_id: str) -> bool:
    """Whether the record of a run is final: until then, a caller who has the run's last line would read that it is running."""
    try:
        return store.record(run_id).status != "running"
    except (NotFoundError, DamagedRunError):
        return True


def _check_that_more_may_come(store: RunStore, log: LogReader) -> None:
    """Raise DamagedRunError where nothing is left to send of a run that nobody can end: callers would come again for ever."""
    try:
        if not log.has_next:
            store.record(log.run_id)
    except BaseException:
        log.close()
        raise
