"""The names by which the service may be called: under any other name, a page of somebody else may be the caller."""

import ipaddress
import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final, Self
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ops_orchestrator.service.problem import problem_response
from ops_orchestrator.settings import Settings, listed

_HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\s:/?#@\[\]]+)(?::\d*)?")
# A name in the DNS has at most 253 characters; a port follows.
_LONGEST: Final = 260
_MISDIRECTED: Final = 421


class AllowedHosts:
    """Says which values of the header Host name the service; `names` are those beside addresses and localhost.

    Whoever owns a name can have it lead to our address once a page was loaded under it (DNS rebinding), and the browser then
    lets that page read what we answer. An address in figures leads nowhere else, and localhost does not leave the machine.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names: Collection[str] = frozenset(_plain(name) for name in names)
        self.knows = lru_cache(256)(self._knows)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The names in the settings, the one it listens at, and the one it is published at."""
        published = urlsplit(settings.published_at or "").hostname
        return cls([*listed(settings.allowed_hosts), settings.host, *([published] if published else [])])

    def _knows(self, host: str) -> bool:
        """Whether `host`, with or without a port, is an address or a name of ours."""
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = _plain(found["name"])
        parent = name.partition(".")[2]
        if name == "localhost" or name.endswith(".localhost") or name in self._names or f"*.{parent}" in self._names:
            return True
        return _is_address(name.strip("[]"))


class AllowedHostsOnly:
    """Answers 421 to requests for a name that is not ours, and lets `app` answer the others."""

    def __init__(self, app: ASGIApp, hosts: AllowedHosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name == b"host":
                    if len(value) > _LONGEST or not self._hosts.knows(value.decode("latin-1")):
                        request = Request(scope)
                        await problem_response(request, _unknown(value.decode("latin-1")))(scope, receive, send)
                        return
                    break
            # Only HTTP/1.0 has requests without Host, and no browser sends them.
        await self._app(scope, receive, send)


def _unknown(host: str) -> HTTPException:
    message = f"This service is not known as {host!r:.200}, so that the request may come from anywhere."
    cure = "If the name is right, add it to OPS_ALLOWED_HOSTS, without the port, and start the service again."
    return HTTPException(_MISDIRECTED, f"{message} {cure}")


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
