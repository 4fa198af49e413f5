"""`ops worker`: execute the runs that other processes accept."""

import os
from typing import Annotated

import typer

from ops_contract.command_line import say
from ops_orchestrator.descriptors import raise_limit
from ops_orchestrator.settings import misspelt_settings, read_settings


def worker(
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Most runs executed at once; default OPS_MAX_CONCURRENT_RUNS or 64.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address of its health and metrics; default OPS_WORKER_HOST or 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the same, 0 for a free one; default OPS_WORKER_PORT or 8001.")
    ] = None,
) -> None:
    """Execute the runs that others accept.

    They come through the database of OPS_DATABASE_URL.
    """
    settings = read_settings(max_concurrent_runs=concurrency, worker_host=host, worker_port=port)
    for sentence in misspelt_settings(settings, os.environ):
        say("ops", sentence)
    raise_limit()
    from ops_orchestrator.service.run_worker import work  # noqa: PLC0415  # as in `ops serve`

    work(settings)
