"""The command `ops-stubs`."""

import difflib
import json
import signal
import socket
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final

import typer

from ops_stubs.catalogue import LEGACY, STUBS
from ops_stubs.legacy_archive import DEFAULT_SHARED_DIR
from ops_stubs.module import Neighbour, Stub

__all__ = ["main"]

_GRACE_S: Final = 5
_NAMES: Final = (*STUBS, LEGACY.name)

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
    shared_dir: Annotated[
        Path, typer.Option(envvar="OPS_STUBS_SHARED_DIR", help="Where the legacy service keeps its archive.")
    ] = DEFAULT_SHARED_DIR,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every request.")] = False,
) -> None:
    """Serve one stub, or all of them, until stopped."""
    if module is not None and module not in _NAMES:
        raise typer.BadParameter(_unknown(module), param_hint="MODULE")
    listener = _listen(host, port)
    what = module or f"{len(STUBS)} modules, each below its name,"
    typer.echo(f"serving {what} at {_address(listener)}")
    _run(module, shared_dir, listener, verbose=verbose)


@cli.command(name="list")
def list_modules(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """List what can be served, the modules first."""
    rows = _rows()
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max(len(name) for name in _NAMES)
    for row in rows:
        kind = "before the contract" if row["follows_contract"] else "does not follow the contract"
        bare = f" ({kind}: {', '.join(row['bare'])})" if row["bare"] else ""
        typer.echo(f"{row['module']:<{width}}  {row['version']}  {row['summary']}{bare}")


def main() -> None:
    """The entry point: 0 done or stopped, 1 the address cannot be used, 2 usage, 130 interrupted."""
    cli()


def _rows() -> list[dict[str, Any]]:
    modules = [
        {**_row(stub), "follows_contract": True, "actions": list(stub.actions), "bare": list(stub.bare)}
        for stub in STUBS.values()
    ]
    return [*modules, {**_row(LEGACY), "follows_contract": False, "actions": [], "bare": list(LEGACY.paths)}]


def _row(served: Stub | Neighbour) -> dict[str, Any]:
    return {"module": served.name, "version": served.version, "summary": served.summary}


def _unknown(module: str) -> str:
    close = difflib.get_close_matches(module, _NAMES, n=1)
    hint = f", did you mean {close[0]!r}?" if close else "."
    return f"no module is called {module!r}{hint} Known: {', '.join(_NAMES)}"


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


def _run(module: str | None, shared_dir: Path, listener: socket.socket, *, verbose: bool) -> None:
    # Loaded here, so that `list` and usage errors do not wait for a web framework.
    import uvicorn  # noqa: PLC0415 - see above

    from ops_stubs.app import create_all, create_named  # noqa: PLC0415 - see above

    app = create_named(module, shared_dir) if module else create_all(shared_dir=shared_dir)
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
