"""The service as a process: its socket, its log, its signals."""

import signal
import socket
import sys

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
        structlog.get_logger("ops_orchestrator").info("service.listening", url=url, version=ops_orchestrator.__version__)
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
        uvicorn.Server(config).run(sockets=[listener])


def _listening_socket(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise ConfigurationError(f"cannot listen on {where}: {error.strerror}; choose another with --port") from error
