"""`ops-stubs record`: stand before a service, hand every request on to it, and keep what it answers."""

from pathlib import Path
from typing import Annotated

import typer

from ops_stubs.cli_drift import check_url
from ops_stubs.errors import RecordingError
from ops_stubs.faults.container import DEFAULT_PORT
from ops_stubs.serving import address_of, bind, run_server

__all__ = ["record"]


def record(
    url: Annotated[str, typer.Argument(metavar="URL", help="The base address of the service, of whatever kind.")],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="A new folder for the exchanges.")],
    host: Annotated[str, typer.Option(envvar="OPS_HOST", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="OPS_PORT", min=0, max=65535, help="The port to listen on; 0 picks a free one.")
    ] = DEFAULT_PORT,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every request.")] = False,
) -> None:
    """Record a service: send requests here instead of to URL. `ops-stubs serve --from DIR` gives the answers again."""
    # Loaded here, so that other commands do not wait for an HTTP client.
    from ops_stubs.proxied import ProxiedFolder  # noqa: PLC0415 - see above
    from ops_stubs.proxy import create_proxy  # noqa: PLC0415 - see above

    check_url(url)
    bound = bind(host, port)
    try:
        folder = ProxiedFolder.create(to, url)
    except RecordingError as error:
        bound.close()
        raise typer.BadParameter(str(error), param_hint="--to") from error

    def announce() -> None:
        typer.echo(f"recording at {address_of(bound)} what {url} answers")

    try:
        run_server(create_proxy(url, folder), bound, announce, verbose=verbose)
    finally:
        kept = f"{len(folder)} exchange{'' if len(folder) == 1 else 's'}"
        typer.echo(f"kept {kept} in {to}; to replay: ops-stubs serve --from {to}", err=True)
