"""Where the service may be used without keys: on this machine alone, unless its operator wants it otherwise."""

import ipaddress
import socket
from typing import Any, Final

import structlog

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.settings import Settings

_CURE: Final = (
    "make a key with `ops keys add NAME --scope run` and name its file in OPS_API_KEYS_FILE, "
    "or set OPS_OPEN=yes if whoever reaches it may run and read everything"
)


_log: Any = structlog.get_logger("ops_orchestrator.access")


def refuse_open(settings: Settings) -> None:
    """Raise ConfigurationError when others than this machine's users could use the service without a key."""
    if settings.open == "yes" or not is_open_to_others(settings):
        return
    published = "" if settings.open == "no" else settings.open
    if published and _is_loopback(_host_of(published)):
        return
    where = f"published at {published}" if published else f"to listen on {settings.host or 'every address'}"
    raise ConfigurationError(f"it is {where}, where other machines may reach it, and it asks nobody for a key: {_CURE}")


def warn_if_open(settings: Settings) -> None:
    """Log that whoever reaches the service may use it, where its operator wants that."""
    if settings.open == "yes" and is_open_to_others(settings):
        message = "OPS_OPEN is yes: whoever reaches the service may run and read everything, without a key"
        _log.warning("access.open", host=settings.host, message=message)


def is_open_to_others(settings: Settings) -> bool:
    """Whether it asks nobody for a key, where others than this machine's users reach it or its container."""
    return settings.api_keys_file is None and not _is_loopback(settings.host)


def _host_of(published: str) -> str:
    """The address in what Docker publishes at, such as 127.0.0.1:8000; a port alone is published on every address."""
    return published.rpartition(":")[0].strip("[]")


def _is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`. A name is what the system takes it for."""
    if not host:
        return False
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
        return all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in found)
    except (OSError, UnicodeError, ValueError):
        return False
