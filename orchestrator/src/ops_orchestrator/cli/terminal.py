"""How commands read files and show results: for people on a terminal, as JSON for programs."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

from ops_orchestrator.errors import ConfigurationError

Url = Annotated[str | None, typer.Option(help="Address of the orchestrator; default OPS_URL or http://127.0.0.1:8000.")]

AsJson = Annotated[bool, typer.Option("--json", help="JSON, also on a terminal.")]


def read_bytes(file: Path) -> bytes:
    """The content of `file`, of standard input for `-`. Raises ConfigurationError."""
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from error


def on_terminal() -> bool:
    """Does a person read the output?"""
    return sys.stdout.isatty()


def show(value: Any, view: RenderableType, *, as_json: bool) -> None:
    """Print `view` on a terminal, `value` as JSON anywhere else or with `as_json`."""
    if as_json or not on_terminal():
        print_json(value)
    else:
        Console().print(view, crop=False)


def print_json(value: Any) -> None:
    """Print `value` as indented JSON."""
    write((json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def write(text: bytes) -> None:
    """Print UTF-8, which programs read whatever the locale of the shell that called us."""
    sys.stdout.buffer.write(text)
    sys.stdout.flush()
