"""The queues of runs and of sweeps in PostgreSQL, as jobs of Procrastinate: see RunQueue.

A job says: see that this run, or this sweep, comes to its end. So it does no harm when there are two of one run, or when it
comes late. The job's lock is the run's id, so that one worker has a run at a time. A job that is over is deleted.
"""

import asyncio
import select
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from ops_orchestrator.errors import StoreError
from ops_orchestrator.runs.cluster.connection import PREPARED, RECONNECT_S, bounded, library
from ops_orchestrator.runs.cluster.news import CANCELLED
from ops_orchestrator.runs.cluster.run_queue import Claim, Fate, Order

if TYPE_CHECKING:
    from procrastinate.jobs import Job
    from psycopg import AsyncConnection

RUNS: Final = "runs"
SWEEPS: Final = "sweeps"

_TASKS: Final = {RUNS: "execute_run", SWEEPS: "drive_sweep"}
# A worker that was silent for so long is not coming back, and its entry goes.
_FORGOTTEN_S: Final = 7 * 86400.0
# A process that stops while the database is away waits so long a few times.
_PATIENCE_S: Final = 3.0
# A database that takes what is sent and says nothing is not noticed by the network.
_ANSWER_S: Final = 15.0
_LATER: Final = timedelta(seconds=2)
_WAITING: Final = "SELECT id FROM procrastinate_jobs WHERE queueing_lock = %(run_id)s AND status = 'todo'"
_MISSING: Final = """
SELECT run_id FROM unnest(%(run_ids)s::text[]) AS run_id WHERE NOT EXISTS (
    SELECT 1 FROM procrastinate_jobs WHERE lock = run_id AND status IN ('todo', 'doing')
)
"""
_DEPTH: Final = """
SELECT status::text AS status, count(*) AS count FROM procrastinate_jobs
WHERE queue_name = %(queue)s AND status IN ('todo', 'doing') GROUP BY status
"""
_CANCEL: Final = """
WITH ordered AS (
    INSERT INTO ops.cancellations (run_id, by, caller) VALUES (%(run_id)s, %(by)s, %(caller)s)
    ON CONFLICT (run_id) DO UPDATE SET by = excluded.by, caller = excluded.caller, at = now() RETURNING run_id
)
SELECT pg_notify(%(channel)s, run_id) FROM ordered
"""
_ORDER: Final = "SELECT by, caller FROM ops.cancellations WHERE run_id = %(run_id)s"
_FORGET: Final = "DELETE FROM ops.cancellations WHERE run_id = %(run_id)s"
_MINE: Final = "SELECT id FROM procrastinate_jobs WHERE id = %(id)s AND worker_id = %(worker)s AND status = 'doing'"
_FINISH: Final = """
SELECT procrastinate_finish_job_v1(id, 'succeeded', true), EXISTS (
    SELECT 1 FROM procrastinate_jobs waiting WHERE waiting.queueing_lock = mine.queueing_lock AND waiting.status = 'todo'
) AS waits_again
FROM (
    SELECT id, queueing_lock FROM procrastinate_jobs
    WHERE id = %(id)s AND worker_id = %(worker)s AND status = 'doing' FOR UPDATE
) AS mine
"""
# In one statement, so that of two who look at once none takes a run from whoever got it since. A run that waits again already,
# since its worker died between the two steps of putting it off, needs no second job, and no two may wait.
_STALLED: Final = """
SELECT CASE WHEN waits_again THEN procrastinate_finish_job_v1(id, 'failed', true)
    ELSE procrastinate_retry_job_v2(id, now(), NULL, NULL, NULL) END AS requeued FROM (
    SELECT job.id, EXISTS (
        SELECT 1 FROM procrastinate_jobs waiting WHERE waiting.queueing_lock = job.queueing_lock AND waiting.status = 'todo'
    ) AS waits_again
    FROM procrastinate_jobs job LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id
    WHERE job.status = 'doing' AND job.queue_name = %(queue)s
    AND (worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => %(seconds)s))
    FOR UPDATE OF job SKIP LOCKED
) AS stalled
"""


class ProcrastinateQueue:
    """The queue of runs in the database `url`, over as many connections at most. Begin with `open`, and end with `close`.

    A database that says nothing for `answer_s` seconds is away.
    """

    def __init__(self, url: str, connections: int = 4, answer_s: float = _ANSWER_S) -> None:
        procrastinate = library("procrastinate")
        self._queue = RUNS
        self._answer_s = answer_s
        self._errors = procrastinate.exceptions
        self._psycopg = library("psycopg")
        self._pools = library("psycopg_pool")
        self._app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(
                conninfo=bounded(url),
                min_size=1,
                max_size=connections,
                timeout=_PATIENCE_S,
                reconnect_timeout=RECONNECT_S,
                configure=_configure,
                pool_factory=self._pool,
            )
        )

    def of_sweeps(self) -> Self:
        """The queue of sweeps, over the connections of this one."""
        beside = copy(self)
        beside._queue = SWEEPS  # noqa: SLF001  # a copy of this very one
        return beside

    async def open(self) -> None:
        """Connect. Raises StoreError."""
        with self._explained():
            await self._app.open_async()

    async def close(self) -> None:
        """Close all connections."""
        await self._app.close_async()

    async def submit(self, run_ids: Iterable[str]) -> None:
        """See RunQueue."""
        for run_id in run_ids:
            await self._defer(run_id, lost=0, at=None)

    async def withdraw(self, run_id: str) -> bool:
        """See RunQueue."""
        withdrawn = False
        for row in await self._all(_WAITING, run_id=run_id):
            withdrawn |= await self._safely(self._app.job_manager.cancel_job_by_id_async(row["id"], delete_job=True))
        return withdrawn

    async def cancel(self, run_id: str, order: Order) -> None:
        """See RunQueue."""
        await self._all(_CANCEL, run_id=run_id, by=order.by, caller=order.caller, channel=CANCELLED)

    async def order(self, run_id: str) -> Order | None:
        """See RunQueue."""
        found = await self._all(_ORDER, run_id=run_id)
        return Order(found[0]["by"], found[0]["caller"]) if found else None

    async def forget(self, run_id: str) -> None:
        """See RunQueue."""
        await self._safely(self._app.connector.execute_query_async(_FORGET, run_id=run_id))

    async def missing(self, run_ids: Iterable[str]) -> set[str]:
        """See RunQueue."""
        return {row["run_id"] for row in await self._all(_MISSING, run_ids=list(run_ids))}

    async def depth(self) -> dict[str, int]:
        """See RunQueue."""
        found = {row["status"]: row["count"] for row in await self._all(_DEPTH, queue=self._queue)}
        return {"waiting": found.get("todo", 0), "claimed": found.get("doing", 0)}

    async def register(self) -> int:
        """Become a worker, which has to give signs of life; returns its number. Raises StoreError."""
        await self._safely(self._app.job_manager.prune_stalled_workers(_FORGOTTEN_S))
        return int(await self._safely(self._app.job_manager.register_worker()))

    async def unregister(self, worker: int) -> None:
        """Be no worker any more. Raises StoreError."""
        await self._safely(self._app.job_manager.unregister_worker(worker))

    async def beat(self, worker: int) -> None:
        """Give a sign of life. Raises StoreError."""
        await self._safely(self._app.job_manager.update_heartbeat(worker))

    async def requeue_stalled(self, seconds: float) -> int:
        """Let others have the runs of workers that gave no sign of life for so long; returns how many. Raises StoreError."""
        return len(await self._all(_STALLED, queue=self._queue, seconds=seconds))

    async def listen(self, wake: Any) -> None:
        """Call `wake` with each run that is submitted, until the database is away. Raises StoreError then."""

        async def inserted(*, channel: str, notification: Any) -> None:  # noqa: ARG001  # as Procrastinate calls it
            wake()

        with self._explained():
            await self._app.job_manager.listen_for_jobs(on_notification=inserted, queues=[self._queue])

    async def fetch(self, worker: int) -> "tuple[Job, Claim] | None":
        """The next run, which is that worker's from now on; None when none waits. Raises StoreError."""
        job: Job | None = await self._safely(self._app.job_manager.fetch_job([self._queue], worker))
        if job is None:
            return None
        arguments: Any = job.task_kwargs
        return job, Claim(arguments["run_id"], arguments.get("lost", 0) + job.attempts)

    async def settle(self, job: "Job", claim: Claim, fate: Fate) -> bool:
        """Say what became of a claim, unless its worker was taken for dead and it is somebody else's.

        Returns whether the run waits again, which nobody could take until now. Raises StoreError.
        """
        mine = {"id": job.id, "worker": job.worker_id}
        if fate != "over" and await self._all(_MINE, **mine):
            # First the new one: a crash between the two leaves one too many, which does no harm.
            later = None if fate == "left" else datetime.now(UTC) + _LATER
            await self._defer(claim.run_id, lost=claim.lost, at=later)
        return any(row["waits_again"] for row in await self._all(_FINISH, **mine))

    def _pool(self, **arguments: Any) -> Any:
        """The connections that Procrastinate asks for, each looked at before it is used, instead of asked whether it lives."""

        async def check(connection: "AsyncConnection[Any]") -> None:
            if _has_news(connection.fileno()):
                await self._pools.AsyncConnectionPool.check_connection(connection)

        return self._pools.AsyncConnectionPool(**(arguments | {"check": check}))

    async def _defer(self, run_id: str, *, lost: int, at: datetime | None) -> None:
        deferrer = self._app.configure_task(
            _TASKS[self._queue], allow_unknown=True, queue=self._queue, lock=run_id, queueing_lock=run_id, schedule_at=at
        )
        with suppress(self._errors.AlreadyEnqueued):
            await self._safely(deferrer.defer_async(run_id=run_id, lost=lost))

    async def _all(self, query: str, **arguments: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._safely(self._app.connector.execute_query_all_async(query, **arguments))
        return found

    async def _safely(self, asked: Any) -> Any:
        with self._explained():
            async with asyncio.timeout(self._answer_s):
                return await asked

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise what the database objects to, and that it does not answer, as StoreError."""
        try:
            yield
        except (self._errors.ConnectorException, self._psycopg.Error, TimeoutError) as error:
            raise _unusable(error) from error


async def _configure(connection: "AsyncConnection[Any]") -> None:
    # What is sent is done, also when the answer does not arrive: a transaction would keep what it locked from all others.
    await connection.set_autocommit(True)
    await connection.execute(PREPARED)


def _has_news(descriptor: int) -> bool:
    """Whether something came over a connection that waits to be used, such as that the server has closed it."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _unusable(error: Exception) -> StoreError:
    reason = " ".join(str(error.__cause__ or error).split()) or "it does not answer"
    return StoreError(f"the queue of runs cannot be used: {reason}; see that the database of OPS_DATABASE_URL is there")
