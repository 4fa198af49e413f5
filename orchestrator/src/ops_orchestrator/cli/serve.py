"""`ops serve`: start the service."""

import os
from typing import Annotated

import typer

from ops_contract.command_line import print_json, say
from ops_orchestrator.descriptors import raise_limit
from ops_orchestrator.settings import misspelt_settings, read_settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default OPS_HOST or 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, 0 for a free one; default OPS_PORT or 8000.")
    ] = None,
    show_settings: Annotated[bool, typer.Option("--show-settings", help="Print the effective settings and stop.")] = False,
) -> None:
    """Start the orchestrator."""
    settings = read_settings(host=host, port=port)
    for sentence in misspelt_settings(settings, os.environ):
        say("ops", sentence)
    if show_settings:
        print_json(settings.model_dump(mode="json"))
        return
    raise_limit()
    # The service's libraries take most of a second, which a wrong option or --show-settings should not wait for.
    if settings.workers > 1:
        from ops_orchestrator.service.supervisor import serve_with_workers  # noqa: PLC0415  # see above

        raise typer.Exit(serve_with_workers(settings))
    from ops_orchestrator.service.server import serve_orchestrator  # noqa: PLC0415  # see above

    serve_orchestrator(settings)
