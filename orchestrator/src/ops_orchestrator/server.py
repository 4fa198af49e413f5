"""The service as a process: its socket, its log, its signals."""

import signal
import socket
import sys
from collections.abc import Awaitable, Callable

import structlog
import uvicorn

import ops_orchestrator
from ops_orchestrator.app import create_app
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.service_log import configure_service_log
from ops_orchestrator.settings import Settings


def serve_until_stopped(settings: Settings) -> None:
    """Serve on the address in `settings` until a signal ends the process. Raises ConfigurationError, StoreError."""
    configure_service_log(settings.log_format)
    application = create_app(settings)
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
        _Server(config, url, application.state.stop_runs).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it can be used, and ends the runs before it waits for the answers: their callers are told how they ended."""

    def __init__(self, config: uvicorn.Config, url: str, stop_runs: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._url = url
        self._stop_runs = stop_runs

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            version = ops_orchestrator.__version__
            structlog.get_logger("ops_orchestrator").info("service.listening", url=self._url, version=version)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._stop_runs()
        await super().shutdown(sockets)


def _listening_socket(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise ConfigurationError(f"cannot listen on {where}: {error.strerror}; choose another with --port") from error
