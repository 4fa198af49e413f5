"""The service as a process: its socket, its log, its signals."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from ops_orchestrator.exit_code import STOPPED_BY, ExitCode
from ops_orchestrator.service.access.open_rule import refuse_open, warn_if_open
from ops_orchestrator.service.allocation import give_back_large_blocks
from ops_orchestrator.service.app import Service, create_service
from ops_orchestrator.service.callers import CallerLimits, Callers
from ops_orchestrator.service.hangup import RELOAD, Terminal
from ops_orchestrator.service.listener import listening_socket, log_listening, url_of
from ops_orchestrator.service.protocol import HttpProtocol
from ops_orchestrator.service.service_log import configure_service_log
from ops_orchestrator.service.shared_listener import Alone, Connections, SharedListener
from ops_orchestrator.settings import Settings

Shared = tuple[socket.socket, Connections]


def serve_orchestrator(settings: Settings, limits: CallerLimits | None = None) -> None:
    """Serve the orchestrator until a signal ends the process. Raises ConfigurationError, StoreError.

    `limits` are what callers may take, if not what the settings say.
    """
    configure_service_log(settings.log_format)
    refuse_open(settings)
    warn_if_open(settings)
    service = create_service(settings)
    serve_until_stopped(service.app, settings, lambda url: log_listening(url, settings), service, limits)


def serve_until_stopped(
    application: ASGIApp,
    settings: Settings,
    announce: Callable[[str], None],
    service: Service | None = None,
    limits: CallerLimits | None = None,
) -> None:
    """Serve `application` until a signal ends the process; `announce` is called with its URL. Raises ConfigurationError.

    The application may be that of a `service`, which is drained before it ends, and reloaded at a SIGHUP.
    """
    with listening_socket(settings) as listener:
        url = url_of(listener)
        shared = (listener, Alone())
        serve_on([], application, settings, lambda: announce(url), service=service, shared=shared, limits=limits)


def serve_on(  # noqa: PLR0913  # what a server is made of, each by name
    listeners: list[socket.socket],
    application: ASGIApp,
    settings: Settings,
    started: Callable[[], None],
    *,
    service: Service | None = None,
    shared: Shared | None = None,
    limits: CallerLimits | None = None,
) -> None:
    """As `serve_until_stopped`, on sockets that listen already; `started` is called when it can be used.

    `shared` is one more socket, on which other processes may listen too, and how many connections each has.
    """
    config = uvicorn.Config(
        application,
        http=protocol_within(limits or CallerLimits.of(settings)),
        # No WebSocket is served; a request to become one is answered as if it had not asked.
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        # Who calls is who holds the connection: a header that names somebody else is whatever its sender likes.
        proxy_headers=False,
        timeout_graceful_shutdown=settings.stop_grace_s,
    )
    give_back_large_blocks()
    # Collecting garbage holds up every thread, and what exists now stays: it need not be looked at again.
    gc.freeze()
    server = _Server(config, started, service, shared)
    for number, code in STOPPED_BY.items():
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, lambda *_, code=code: server.end(code))
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        terminal = Terminal()
        signal.signal(
            signal.SIGHUP, lambda *_: server.end(ExitCode.DONE) if service is None or terminal.is_gone() else server.reload()
        )
    if service is not None:
        signal.signal(RELOAD, lambda *_: server.reload())
    server.run(sockets=listeners)
    if server.exit_code is not None:
        sys.exit(server.exit_code)


def protocol_within(limits: CallerLimits) -> Any:
    """The server's protocol for connections that share `limits`, as the server makes it."""
    return partial(HttpProtocol, callers=Callers(limits))


class _Server(uvicorn.Server):
    """Calls `started` when it can be used. A `service` is drained first, and ends before open answers are waited for.

    Its lifespan ends active runs: only then do the callers that wait for them get a final answer.
    """

    def __init__(
        self, config: uvicorn.Config, started: Callable[[], None], service: Service | None, shared: Shared | None
    ) -> None:
        super().__init__(config)
        self._shared = shared
        self._announce = started
        self._service = service
        self._loop: asyncio.AbstractEventLoop | None = None
        self._orders: set[asyncio.Task[None]] = set()
        self.exit_code: ExitCode | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the handlers that are there, which call `end` and `reload`."""
        yield

    def end(self, code: ExitCode) -> None:
        """End the server when it is drained, or at once when it is told so again; the process ends with `code`."""
        if self.exit_code is None:
            self.exit_code = code
            if self._service is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._begin, self._drained(self._service))
                return
        elif self.should_exit and code is ExitCode.INTERRUPTED:
            # Whoever interrupts what is ending does not want to wait for open answers either.
            self.force_exit = True
        self.should_exit = True

    def reload(self) -> None:
        """Have the service read modules.yaml again; before it serves it has just read it, or is about to."""
        if self._service is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin, self._service.reload())

    def _begin(self, order: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(order)
        self._orders.add(task)
        task.add_done_callback(self._orders.discard)

    async def _drained(self, service: Service) -> None:
        await service.drain()
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Each request has it in its state.
        self.lifespan.state["connections"] = lambda: len(self.server_state.connections)
        await super().startup(sockets)
        if self._shared is not None:
            self.servers.append(self._accepting(*self._shared))
        if self.started:
            self._loop = asyncio.get_running_loop()
            self._announce()

    def _accepting(self, listener: socket.socket, connections: Connections) -> Any:
        make: Any = self.config.http_protocol_class
        make = partial(make, self.config, self.server_state, self.lifespan.state)
        return SharedListener(listener, connections, make, lambda: len(self.server_state.connections))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._service is not None:
            await self.lifespan.shutdown()
        await super().shutdown(sockets)
