"""A web application as a process: the address that it has, its server, and the signals that stop it."""

import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import TYPE_CHECKING, Final

import typer

from ops_contract.command_line import say

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["address_of", "bind", "run_server"]

_GRACE_S: Final = 5


def bind(host: str, port: int) -> socket.socket:
    """A socket that has the address, and does not listen yet. Raises typer.Exit."""
    with ExitStack() as unless_bound:
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            bound = unless_bound.enter_context(socket.socket(family))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind((host, port))
        except OSError as error:
            raise _cannot_listen(host, port, error) from error
        unless_bound.pop_all()
        return bound


def address_of(bound: socket.socket) -> str:
    """The base URL of a socket that has an address."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run_server(  # noqa: PLR0913 - what is served, and how
    app: "Starlette",
    bound: socket.socket,
    announce: Callable[[], None],
    *,
    verbose: bool,
    is_staged: bool = False,
    is_deaf: bool = False,
) -> None:
    """Serve until a signal comes, and call `announce` when it listens. Raises typer.Exit when it cannot.

    With `is_staged`, faults of the connection work; `is_deaf` ignores SIGTERM.
    """
    # Loaded here, because commands that serve nothing do not need a web server.
    import uvicorn  # noqa: PLC0415 - see above

    from ops_stubs.dated import Dated  # noqa: PLC0415 - see above
    from ops_stubs.faults.server import DeafServer, FaultProtocol  # noqa: PLC0415 - see above
    from ops_stubs.server import Server  # noqa: PLC0415 - see above

    config = uvicorn.Config(
        Dated(app),
        log_level="info" if verbose else "warning",
        access_log=verbose,
        timeout_graceful_shutdown=_GRACE_S,
        server_header=False,
        date_header=False,
        http=FaultProtocol if is_staged else "auto",
    )
    # On a signal, the server finishes its calls and then raises the signal again, for these handlers.
    signal.signal(signal.SIGTERM, _stopped)
    signal.signal(signal.SIGINT, _interrupted)
    server = (DeafServer if is_deaf else Server)(config, announce)
    host, port = bound.getsockname()[:2]
    server.run(sockets=[bound])
    if server.failure:
        # Another program has had the same address bound for as long, and listened first.
        raise _cannot_listen(host, port, server.failure)


def _cannot_listen(host: str, port: int, error: OSError) -> typer.Exit:
    say("ops-stubs", f"cannot listen on {host} port {port}: {error.strerror or error}; try another --host or --port")
    return typer.Exit(1)


def _stopped(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(130)
