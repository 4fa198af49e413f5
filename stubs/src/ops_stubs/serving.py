"""A web application as a process: the socket it listens on, its server, and the signals that stop it."""

import signal
import socket
from types import FrameType
from typing import TYPE_CHECKING, Final

import typer

from ops_contract.command_line import say

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["address_of", "listen", "run_server"]

_GRACE_S: Final = 5


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises typer.Exit."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        say("ops-stubs", f"cannot listen on {host} port {port}: {error.strerror or error}; try another --host or --port")
        raise typer.Exit(1) from error


def address_of(listener: socket.socket) -> str:
    """The base URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run_server(
    app: "Starlette", listener: socket.socket, *, verbose: bool, is_staged: bool = False, is_deaf: bool = False
) -> None:
    """Serve until a signal comes. With `is_staged`, faults of the connection work; `is_deaf` ignores SIGTERM."""
    # Loaded here, because commands that serve nothing do not need a web server.
    import uvicorn  # noqa: PLC0415 - see above

    from ops_stubs.faults.server import DeafServer, FaultProtocol  # noqa: PLC0415 - see above

    config = uvicorn.Config(
        app,
        log_level="info" if verbose else "warning",
        access_log=verbose,
        timeout_graceful_shutdown=_GRACE_S,
        server_header=False,
        http=FaultProtocol if is_staged else "auto",
    )
    # On a signal, the server finishes its calls and then raises the signal again, for these handlers.
    signal.signal(signal.SIGTERM, _stopped)
    signal.signal(signal.SIGINT, _interrupted)
    (DeafServer if is_deaf else uvicorn.Server)(config).run(sockets=[listener])


def _stopped(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(130)
