"""Connections to the database whose other end may vanish without a word, as when a network is cut: either side notices that.

Without bounds of our own, the kernel waits a quarter of an hour for an answer, and two hours when nothing was asked. Meanwhile
whoever asked would stand still, and what a transaction locked would stay locked.
"""

import asyncio
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final

from ops_orchestrator.errors import ConfigurationError

RECONNECT_S: Final = 5.0
"""How long a pool goes on with one attempt to connect, at growing intervals: the next one, when asked for, begins at once."""

PREPARED: Final = """
SELECT set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '5', false),
set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '20000', false),
set_config('idle_in_transaction_session_timeout', '20000', false)
"""
"""What each connection begins with, so that the server lets go of what a client held that is gone."""

_CANCELLED_AGAIN_S: Final = 0.5
_BOUNDS: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
}


def library(name: str) -> Any:
    """A library of the extra `cluster`. Raises ConfigurationError when that is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            "OPS_DATABASE_URL needs what is not installed; install it with "
            f"`pip install 'openpolicystack-orchestrator[cluster]'` ({error})"
        ) from error


def bounded(url: str) -> str:
    """The address `url` with bounds on how long the other end may be silent, but for those that it has.

    Raises psycopg.ProgrammingError when it is no address.
    """
    conninfo = library("psycopg").conninfo
    given: dict[str, str] = conninfo.conninfo_to_dict(url)
    return str(conninfo.make_conninfo(**{**_BOUNDS, **given}))


async def cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks that wait for the database, and return when they are over, however they ended.

    One order is not enough: Procrastinate waits for news with `asyncio.wait_for`, which in Python 3.11 drops an order to cancel
    that comes at the same moment as the news.
    """
    every = left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CANCELLED_AGAIN_S)
    await asyncio.gather(*every, return_exceptions=True)
