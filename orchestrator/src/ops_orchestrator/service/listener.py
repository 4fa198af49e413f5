"""The socket that the service listens on."""

import errno
import socket
from typing import Any, Final

import structlog

import ops_orchestrator
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.published_address import published_url
from ops_orchestrator.settings import Settings

_OF_THE_PORT: Final = (errno.EADDRINUSE, errno.EACCES)


def listening_socket(settings: Settings) -> socket.socket:
    """A socket that listens on the address in `settings`. Raises ConfigurationError when that cannot be."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        # The error's text repeats the address behind the reason.
        reason = str(error.strerror).partition(" (while ")[0]
        other = "port with --port" if error.errno in _OF_THE_PORT else "address with --host"
        raise ConfigurationError(f"cannot listen on {where}: {reason}; choose another {other}") from error


def url_of(listener: socket.socket) -> str:
    """Where callers on this machine find what listens."""
    host, port = listener.getsockname()[:2]
    return published_url(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def log_listening(url: str, settings: Settings, **fields: object) -> None:
    """Log that the service can be used, and where a person opens it: as it is published, or else `url`, where it listens."""
    opened = settings.published_at or url
    message = f"open {opened} in a browser"
    if settings.published_at == "":
        message = "it is published on a port that the container engine chose; `docker compose port orchestrator 8000` prints it"
    log: Any = structlog.get_logger("ops_orchestrator")
    log.info("service.listening", url=opened, version=ops_orchestrator.__version__, **fields, message=message)
