"""The workers of one service: each executes runs of its own, and asks the others about theirs."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from fastapi import Request
from fastapi.responses import Response

from ops_orchestrator.errors import RequestError, StoreError, UnresponsiveError
from ops_orchestrator.runs.active_run import ActiveRun
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.service.liveness import socket_of
from ops_orchestrator.service.sibling_requests import LONGEST_SILENCE_S, PassedOn, ask, is_from_sibling, tell

FindRun = Callable[[str], ActiveRun | None]


@dataclass(frozen=True)
class Worker:
    """A process that is number `number`, from 0, of the `count` that serve together; `folder` is theirs alone."""

    number: int
    count: int
    folder: Path

    @property
    def is_first(self) -> bool:
        """Whether it does what has to be done once."""
        return self.number == 0

    @property
    def siblings(self) -> list[Path]:
        """Where the others listen for what concerns their runs."""
        return [socket_of(self.folder, number) for number in range(self.count) if number != self.number]

    def listen(self) -> socket.socket:
        """A socket that listens for requests of siblings. Raises OSError."""
        path = socket_of(self.folder, self.number)
        # A predecessor that was killed has left it.
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        return listener


class Siblings:
    """Asks the workers that listen at `sockets` about runs that `find` does not find here."""

    def __init__(self, sockets: Sequence[Path], find: FindRun, store: RunStore) -> None:
        self._sockets = tuple(sockets)
        self._find = find
        self._store = store
        self._telling: set[asyncio.Task[None]] = set()

    def is_here(self, run_id: str) -> bool:
        """Whether this worker executes the run."""
        return self._find(run_id) is not None

    async def answer(
        self, request: Request, run_id: str, body: bytes = b"", *, within_s: float | None = None
    ) -> Response | None:
        """What the sibling that executes the run answers to the request, as it comes; None when there is no such sibling.

        Raises UnresponsiveError when a sibling that may execute it hangs, or does not answer within `within_s`.
        """
        if not self._sockets or is_from_sibling(request.scope) or self.is_here(run_id):
            return None
        if not await asyncio.to_thread(self._is_under_way, run_id):
            return None
        try:
            async with asyncio.timeout(within_s):
                return await self._first_answer(request, run_id, body)
        except TimeoutError as error:
            raise UnresponsiveError(run_id) from error

    async def _first_answer(self, request: Request, run_id: str, body: bytes) -> Response | None:
        """Ask all at once, so that one that hangs does not keep another one's answer back. Raises TimeoutError."""
        asked = [asyncio.create_task(ask(path, request, run_id, body)) for path in self._sockets]
        answer: PassedOn | None = None
        hangs: TimeoutError | None = None
        try:
            for each in asyncio.as_completed(asked):
                try:
                    answer = await each
                except TimeoutError as error:
                    hangs = error
                except (aiohttp.ClientError, OSError):
                    continue  # one that just died executes nothing
                if answer is not None:
                    return answer
        finally:
            await _give_up(asked, answer)
        if hangs is not None:
            raise hangs
        return None

    async def tell(self, path: str) -> None:
        """Send each sibling a POST to `path`, and wait for those that answer soon; one that hangs gets it when it goes on."""
        told = [asyncio.create_task(tell(sibling, path)) for sibling in self._sockets]
        self._telling.update(told)
        for task in told:
            task.add_done_callback(self._telling.discard)
        if told:
            await asyncio.wait(told, timeout=LONGEST_SILENCE_S)

    def _is_under_way(self, run_id: str) -> bool:
        try:
            return not self._store.record(run_id).is_over
        except (RequestError, StoreError):
            return False  # the usual way tells whoever asked for the run


async def _give_up(asked: Sequence["asyncio.Task[PassedOn | None]"], answer: PassedOn | None) -> None:
    """Cancel what was asked, and close every answer but `answer`, as one may come when nobody waits for it any longer."""
    for task in asked:
        task.cancel()
    for found in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(found, PassedOn) and found is not answer:
            await found.close()
