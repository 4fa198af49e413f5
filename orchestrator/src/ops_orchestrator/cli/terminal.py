"""How commands read files and show results: for people on a terminal, as JSON for programs."""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

from ops_contract.command_line import print_json

Url = Annotated[str | None, typer.Option(help="Address of the orchestrator; default OPS_URL or http://127.0.0.1:8000.")]

AsJson = Annotated[bool, typer.Option("--json", help="JSON, also on a terminal.")]


def on_terminal() -> bool:
    """Does a person read the output?"""
    return sys.stdout.isatty()


def show(value: Any, view: Callable[[], RenderableType], *, as_json: bool) -> None:
    """Print what `view` makes on a terminal, `value` as JSON anywhere else or with `as_json`."""
    if as_json or not on_terminal():
        print_json(value)
    else:
        Console().print(view(), crop=False)
