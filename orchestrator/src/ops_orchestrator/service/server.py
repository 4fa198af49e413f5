"""The service as a process: its socket, its log, its signals."""

import gc
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from ops_orchestrator.exit_code import STOPPED_BY, ExitCode
from ops_orchestrator.service.access.open_rule import refuse_open, warn_if_open
from ops_orchestrator.service.app import create_app
from ops_orchestrator.service.callers import CallerLimits, Callers
from ops_orchestrator.service.listener import listening_socket, log_listening, url_of
from ops_orchestrator.service.protocol import HttpProtocol
from ops_orchestrator.service.service_log import configure_service_log
from ops_orchestrator.service.shared_listener import OpenConnections, SharedListener
from ops_orchestrator.settings import Settings

Shared = tuple[socket.socket, OpenConnections]


def serve_orchestrator(settings: Settings, limits: CallerLimits | None = None) -> None:
    """Serve the orchestrator until a signal ends the process. Raises ConfigurationError, StoreError.

    `limits` are what callers may take, if not what the settings say.
    """
    configure_service_log(settings.log_format)
    refuse_open(settings)
    warn_if_open(settings)
    # The lifespan ends active runs: only then do the callers that wait for them get a final answer.
    serve_until_stopped(
        create_app(settings), settings, lambda url: log_listening(url, settings), lifespan_ends_first=True, limits=limits
    )


def serve_until_stopped(
    application: ASGIApp,
    settings: Settings,
    announce: Callable[[str], None],
    *,
    lifespan_ends_first: bool = False,
    limits: CallerLimits | None = None,
) -> None:
    """Serve `application` until a signal ends the process; `announce` is called with its URL. Raises ConfigurationError.

    The lifespan of the application ends after the open answers, or before them with `lifespan_ends_first`.
    """
    with listening_socket(settings) as listener:
        url = url_of(listener)
        ends_first = lifespan_ends_first
        serve_on([listener], application, settings, lambda: announce(url), lifespan_ends_first=ends_first, limits=limits)


def serve_on(  # noqa: PLR0913  # what a server is made of, each by name
    listeners: list[socket.socket],
    application: ASGIApp,
    settings: Settings,
    started: Callable[[], None],
    *,
    lifespan_ends_first: bool,
    shared: Shared | None = None,
    limits: CallerLimits | None = None,
) -> None:
    """As `serve_until_stopped`, on sockets that listen already; `started` is called when it can be used.

    `shared` is one more socket, on which other processes listen too, and how many connections each has.
    """
    config = uvicorn.Config(
        application,
        http=protocol_within(limits or CallerLimits.of(settings)),
        # No WebSocket is served; a request to become one is answered as if it had not asked.
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.stop_grace_s,
    )
    # Collecting garbage holds up every thread, and what exists now stays: it need not be looked at again.
    gc.freeze()
    server = _Server(config, started, lifespan_ends_first=lifespan_ends_first, shared=shared)
    # While it runs, the server has handlers of its own for some of these, and raises what came again when it has ended.
    for number, code in STOPPED_BY.items():
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, lambda *_, code=code: server.end(code))
    server.run(sockets=listeners)
    if server.exit_code is not None:
        sys.exit(server.exit_code)


def protocol_within(limits: CallerLimits) -> Any:
    """The server's protocol for connections that share `limits`, as the server makes it."""
    return partial(HttpProtocol, callers=Callers(limits))


class _Server(uvicorn.Server):
    """Calls `started` when it can be used; may end the application's lifespan before it waits for open answers."""

    def __init__(
        self, config: uvicorn.Config, started: Callable[[], None], *, lifespan_ends_first: bool, shared: Shared | None
    ) -> None:
        super().__init__(config)
        self._shared = shared
        self._announce = started
        self._lifespan_ends_first = lifespan_ends_first
        self.exit_code: ExitCode | None = None

    def end(self, code: ExitCode) -> None:
        """End as soon as the server runs, with its answers; the process ends with `code`."""
        self.should_exit = True
        if self.exit_code is None:
            self.exit_code = code

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Each request has it in its state.
        self.lifespan.state["connections"] = lambda: len(self.server_state.connections)
        await super().startup(sockets)
        if self._shared is not None:
            self.servers.append(self._accepting(*self._shared))
        if self.started:
            self._announce()

    def _accepting(self, listener: socket.socket, connections: OpenConnections) -> Any:
        make: Any = self.config.http_protocol_class
        make = partial(make, self.config, self.server_state, self.lifespan.state)
        return SharedListener(listener, connections, make, lambda: len(self.server_state.connections))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._lifespan_ends_first:
            await self.lifespan.shutdown()
        await super().shutdown(sockets)
