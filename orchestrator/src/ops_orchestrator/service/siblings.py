"""The workers of one service: each executes runs of its own, and passes on what concerns a run of another one."""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp
from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from yarl import URL

from ops_orchestrator.errors import RequestError, StoreError, UnresponsiveError
from ops_orchestrator.runs.active_run import ActiveRun
from ops_orchestrator.runs.store.protocols import RunStore
from ops_orchestrator.service.event_source import HEARTBEAT_S
from ops_orchestrator.service.liveness import answers, socket_of
from ops_orchestrator.service.problem import problem_response

FindRun = Callable[[str], ActiveRun | None]

_NOT_HERE: Final = 421
_TOLD: Final = 204
# What the header says of the connection, and not of the message (RFC 9110, section 7.6.1), and what the client writes itself.
_OF_ONE_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect", "date"}
)
# What is answered from memory while a run goes on.
_LIVE: Final = re.compile(r"/runs/(?P<run_id>[^/]+)(/results|/events)?")
# An answer may take as long as a run. One that does not come at once may also be that of a worker that hangs, which a request
# that is answered without any work tells apart.
_AT_ONCE_S: Final = 1.0
_LONGEST_SILENCE_S: Final = 3.0
# A stream of events is never silent for longer than a heartbeat.
_LONGEST_PAUSE_S: Final = 4 * HEARTBEAT_S
_RUN: Final = "ops-run"
_CALLER: Final = "ops-caller"


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
        asked = [asyncio.create_task(_ask(path, request, run_id, body)) for path in self._sockets]
        answer: _PassedOn | None = None
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
        told = [asyncio.create_task(_tell(sibling, path)) for sibling in self._sockets]
        self._telling.update(told)
        for task in told:
            task.add_done_callback(self._telling.discard)
        if told:
            await asyncio.wait(told, timeout=_LONGEST_SILENCE_S)

    def _is_under_way(self, run_id: str) -> bool:
        try:
            return not self._store.record(run_id).is_over
        except (RequestError, StoreError):
            return False  # the usual way tells whoever asked for the run


class ToldBySiblings:
    """Does what a sibling tells, see `Siblings.tell`, and lets `app` answer all else; `told` is what to do, by path.

    It stands before whatever looks at callers: only siblings reach the socket, and what they tell is in nobody's name.
    """

    def __init__(self, app: ASGIApp, told: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
        self._app = app
        self._told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        act = self._told.get(scope["path"]) if scope["type"] == "http" and is_from_sibling(scope) else None
        if act is None:
            await self._app(scope, receive, send)
            return
        await act()
        await Response(status_code=_TOLD)(scope, receive, send)


class AmongSiblings:
    """Passes on to siblings what only they know of a run, and lets what they pass on through to `app`, if the run is here.

    The paths `of_workers` concern no run, and each worker has an answer of its own for the others.
    """

    def __init__(self, app: ASGIApp, siblings: Siblings, of_workers: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._siblings = siblings
        self._of_workers = of_workers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http":
            if is_from_sibling(scope) and scope["path"] not in self._of_workers:
                headers = Headers(scope=scope)
                if not self._siblings.is_here(headers.get(_RUN, "")):
                    await Response(status_code=_NOT_HERE)(scope, receive, send)
                    return
                scope = {**scope, "client": (headers.get(_CALLER, ""), 0)}
            elif live := _LIVE.fullmatch(scope["path"]):
                answer = await self._passed_on(Request(scope), live["run_id"])
                if answer is not None:
                    await answer(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _passed_on(self, request: Request, run_id: str) -> Response | None:
        try:
            return await self._siblings.answer(request, run_id)
        except UnresponsiveError as error:
            # Record and log are in the run's folder, as far as they were written; results come there with the end.
            return problem_response(request, error) if request.url.path.endswith("/results") else None


async def ask_sibling(path: Path, request: Request, target: str, within_s: float) -> bytes | None:
    """What the sibling that listens at `path` answers to `GET target`, in the name of who sent `request`.

    None when it is gone, hangs for longer than `within_s` seconds, or refuses.
    """
    headers = [(name, value) for name, value in _headers(request, "") if name != "accept"]
    try:
        async with (
            asyncio.timeout(within_s),
            _session(path) as session,
            session.get(URL(f"http://sibling{target}"), headers=headers) as answer,
        ):
            return await answer.read() if answer.status == HTTPStatus.OK else None
    except (TimeoutError, aiohttp.ClientError, OSError):
        return None


class _PassedOn(StreamingResponse):
    """The answer of a sibling, whose connection is closed at the end, also when the caller hangs up before."""

    def __init__(self, answer: aiohttp.ClientResponse, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._chunks = _chunks(answer)
        super().__init__(self._chunks, answer.status)
        self.raw_headers = [
            (name.lower(), value) for name, value in answer.raw_headers if name.lower().decode("latin-1") not in _OF_ONE_HOP
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        async with self._session, aclosing(self._chunks):
            await super().__call__(scope, receive, send)

    async def close(self) -> None:
        """Give the answer up."""
        await self._session.close()


async def _give_up(asked: Sequence["asyncio.Task[_PassedOn | None]"], answer: _PassedOn | None) -> None:
    """Cancel what was asked, and close every answer but `answer`, as one may come when nobody waits for it any longer."""
    for task in asked:
        task.cancel()
    for found in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(found, _PassedOn) and found is not answer:
            await found.close()


async def _ask(path: Path, request: Request, run_id: str, body: bytes) -> _PassedOn | None:
    """The answer of the sibling that listens at `path`, None when it does not execute the run.

    Raises ClientError and OSError when it is gone, TimeoutError when it hangs.
    """
    session = _session(path)
    try:
        answer = await _begun(
            session.request(
                request.method,
                _address(request.scope),
                headers=_headers(request, run_id),
                data=body or None,
                allow_redirects=False,
            ),
            path,
        )
    except BaseException:
        await session.close()
        raise
    if answer.status == _NOT_HERE:
        await session.close()
        return None
    return _PassedOn(answer, session)


async def _tell(sibling: Path, path: str) -> None:
    # One that just died needs no telling: whoever takes its place begins with what is so by then.
    with suppress(aiohttp.ClientError, OSError):
        async with _session(sibling) as session, session.post(f"http://sibling{path}", allow_redirects=False) as answer:
            await answer.read()


def _session(path: Path) -> aiohttp.ClientSession:
    # A session for each request: it ends with its answer, and a service that stops has none to wait for.
    return aiohttp.ClientSession(
        connector=aiohttp.UnixConnector(str(path)),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(),  # the run takes as long as it takes
        auto_decompress=False,
        skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
    )


async def _begun(request: Awaitable[aiohttp.ClientResponse], path: Path) -> aiohttp.ClientResponse:
    """The answer to `request`, which is waited for while the sibling at `path` lives. Raises as `_ask`."""
    asked = asyncio.ensure_future(request)
    try:
        while not (await asyncio.wait([asked], timeout=_AT_ONCE_S))[0]:
            if not await answers(path, _LONGEST_SILENCE_S):
                raise TimeoutError
        return asked.result()
    finally:
        asked.cancel()


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    # Of a sibling that dies or hangs, the caller sees that the answer is too short, or that the stream has no end.
    with suppress(aiohttp.ClientError, OSError):
        while chunk := await asyncio.wait_for(answer.content.readany(), _LONGEST_PAUSE_S):
            yield chunk


def _address(scope: Scope) -> URL:
    query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
    return URL(f"http://sibling{scope['raw_path'].decode('latin-1')}{query}", encoded=True)


def _headers(request: Request, run_id: str) -> list[tuple[str, str]]:
    own = {*_OF_ONE_HOP, "content-length", _RUN, _CALLER}
    passed_on = [(name, value) for name, value in request.headers.items() if name not in own]
    return [*passed_on, (_RUN, run_id), (_CALLER, request.client.host if request.client else "")]


def is_from_sibling(scope: Scope) -> bool:
    """Whether a request came over the socket of a worker, which has a path and no port."""
    server = scope.get("server")
    return server is not None and server[1] is None
