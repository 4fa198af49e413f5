"""The address at which a person opens what listens: as the container engine publishes it, or as a socket has it."""

import re
from typing import Final

_ADDRESS: Final = re.compile(r"(?:(?P<host>\[[^\]\s]*\]|[^:/@\[\]\s]*):)?(?P<port>\d*)(?P<more>-\d+)?")
# What stands for every address of a machine is opened at the machine's own.
_OPENED_AT: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  # nothing listens there
_HIGHEST_PORT: Final = 65535


def published_url(address: str) -> str:
    """The URL of `address`, which is written as for Docker: `8000`, `127.0.0.1:8000`, `0.0.0.0:8000`, `[::1]:8000`.

    Empty where the engine picks the port: `127.0.0.1:0`, `8000-8010`. Raises ValueError for anything else.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found["port"] or 0) > _HIGHEST_PORT:
        raise ValueError("must be a URL, HOST:PORT or PORT, such as https://ops.example.org or 127.0.0.1:8000")
    if found["more"] or not int(found["port"] or 0):
        return ""
    host = found["host"] or ""
    return f"http://{_OPENED_AT.get(host, host)}:{int(found['port'])}"
