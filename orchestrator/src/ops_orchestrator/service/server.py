"""The service as a process: its socket, its log, its signals."""

import signal
import socket
import sys
from collections.abc import Awaitable, Callable

import structlog
import uvicorn
from starlette.types import ASGIApp

import ops_orchestrator
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.modules.module import Module
from ops_orchestrator.service.app import create_app
from ops_orchestrator.service.service_log import configure_service_log
from ops_orchestrator.settings import Settings
from ops_orchestrator.workbench.facade import create_facade


def serve_orchestrator(settings: Settings) -> None:
    """Serve the orchestrator until a signal ends the process. Raises ConfigurationError, StoreError."""
    configure_service_log(settings.log_format)
    application = create_app(settings)
    _serve_until_stopped(application, settings, _log_listening, application.state.stop_runs)


def serve_facade(module: Module, settings: Settings) -> None:
    """Serve `module` as the contract wants it until a signal ends the process. Raises ConfigurationError."""

    def announce(url: str) -> None:
        sys.stdout.write(f"{module.name} listens at {url}\nand calls {module.url} through its adapter\n")
        sys.stdout.flush()

    _serve_until_stopped(create_facade(module, settings), settings, announce)


def _log_listening(url: str) -> None:
    version = ops_orchestrator.__version__
    structlog.get_logger("ops_orchestrator").info("service.listening", url=url, version=version)


async def _nothing() -> None:
    pass


def _serve_until_stopped(
    application: ASGIApp,
    settings: Settings,
    announce: Callable[[str], None],
    before_stop: Callable[[], Awaitable[None]] = _nothing,
) -> None:
    with _listening_socket(settings) as listener:
        host, port = listener.getsockname()[:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        config = uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=settings.stop_grace_s,
        )
        # The server ends its answers on a signal and then raises it again, for which these handlers wait.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.DONE))
        signal.signal(signal.SIGINT, lambda *_: sys.exit(ExitCode.INTERRUPTED))
        _Server(config, lambda: announce(url), before_stop).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it can be used, and ends what is running before it waits for the answers: their callers are told how."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None], before_stop: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._announce = started
        self._before_stop = before_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._before_stop()
        await super().shutdown(sockets)


def _listening_socket(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise ConfigurationError(f"cannot listen on {where}: {error.strerror}; choose another with --port") from error
