"""The command `ops-stubs`."""

import difflib
import json
import signal
import socket
from types import FrameType
from typing import Annotated, Any, Final

import typer

from ops_stubs.catalogue import STUBS

__all__ = ["main"]

_GRACE_S: Final = 5

cli = typer.Typer(
    help="Stand-ins for the modules of OpenPolicyStack.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain text: frames and colours break lines that logs and tests look for.
    rich_markup_mode=None,
)


@cli.command()
def serve(
    module: Annotated[
        str | None, typer.Argument(help="One module at the root; without it, all of them below /<module>.")
    ] = None,
    host: Annotated[str, typer.Option(envvar="OPS_HOST", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="OPS_PORT", min=0, max=65535, help="The port to listen on; 0 picks a free one.")
    ] = 8080,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every request.")] = False,
) -> None:
    """Serve one stub, or all of them, until stopped."""
    if module is not None and module not in STUBS:
        raise typer.BadParameter(_unknown(module), param_hint="MODULE")
    listener = _listen(host, port)
    what = module or f"{len(STUBS)} modules, each below its name,"
    typer.echo(f"serving {what} at {_address(listener)}")
    _run(module, listener, verbose=verbose)


@cli.command(name="list")
def list_modules(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """List the modules that can be served."""
    rows: list[dict[str, Any]] = [
        {
            "module": stub.name,
            "version": stub.version,
            "actions": list(stub.actions),
            "bare": list(stub.bare),
            "summary": stub.summary,
        }
        for stub in STUBS.values()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max(len(name) for name in STUBS)
    for row in rows:
        bare = f" (before the contract: {', '.join(row['bare'])})" if row["bare"] else ""
        typer.echo(f"{row['module']:<{width}}  {row['version']}  {row['summary']}{bare}")


def main() -> None:
    """The entry point: 0 done or stopped, 1 the address cannot be used, 2 usage, 130 interrupted."""
    cli()


def _unknown(module: str) -> str:
    close = difflib.get_close_matches(module, STUBS, n=1)
    hint = f", did you mean {close[0]!r}?" if close else "."
    return f"no module is called {module!r}{hint} Known: {', '.join(STUBS)}"


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        typer.echo(f"cannot listen on {host} port {port}: {error.strerror or error}; try another --host or --port", err=True)
        raise typer.Exit(1) from error


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _run(module: str | None, listener: socket.socket, *, verbose: bool) -> None:
    # Loaded here, so that `list` and usage errors do not wait for a web framework.
    import uvicorn  # noqa: PLC0415 - see above

    from ops_stubs.app import create_all, create_app  # noqa: PLC0415 - see above

    app = create_app(STUBS[module]) if module else create_all()
    config = uvicorn.Config(
        app,
        log_level="info" if verbose else "warning",
        access_log=verbose,
        timeout_graceful_shutdown=_GRACE_S,
        server_header=False,
    )
    # The server finishes its calls on a signal and then raises it again, for which these handlers wait.
    signal.signal(signal.SIGTERM, _stopped)
    signal.signal(signal.SIGINT, _interrupted)
    uvicorn.Server(config).run(sockets=[listener])


def _stopped(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(130)
