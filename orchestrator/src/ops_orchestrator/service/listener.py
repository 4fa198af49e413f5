"""The socket that the service listens on."""

import os
import socket

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.settings import Settings


def listening_socket(settings: Settings) -> socket.socket:
    """A socket that listens on the address in `settings`. Raises ConfigurationError when that cannot be."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        # The error's own text repeats the address.
        reason = os.strerror(error.errno) if error.errno else error.strerror
        raise ConfigurationError(f"cannot listen on {where}: {reason}; choose another port with --port") from error


def url_of(listener: socket.socket) -> str:
    """Where callers find what listens."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
