"""`ops-stubs drift`: send the requests of a run to a live module again, and report how its answers differ."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from ops_contract.command_line import print_json, say
from ops_stubs.errors import LiveError, RecordingError

__all__ = ["check_url", "drift"]

_DRIFTED: Final = 1
_UNREACHABLE: Final = 3


def drift(
    run: Annotated[Path, typer.Argument(metavar="RUN_FOLDER", help="A run folder, as in runs/run_...")],
    url: Annotated[str, typer.Argument(metavar="URL", help="The base address of the live module.")],
    module: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Whose steps are sent; by default, those of the live module's name."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, also on a terminal.")] = False,
) -> None:
    """Compare a live module with a run. Sends the requests of the run again; exits 1 when an answer changed."""
    # Loaded here, so that other commands do not wait for an HTTP client.
    from ops_stubs import drift_report  # noqa: PLC0415 - see above
    from ops_stubs.drift import drift_of  # noqa: PLC0415 - see above
    from ops_stubs.recording import read_recording  # noqa: PLC0415 - see above

    check_url(url)
    try:
        found = asyncio.run(drift_of(read_recording(run), url, module))
    except RecordingError as error:
        raise typer.BadParameter(str(error), param_hint="RUN_FOLDER") from error
    except LiveError as error:
        say("ops-stubs", str(error))
        raise typer.Exit(_UNREACHABLE) from error
    if as_json or not sys.stdout.isatty():
        print_json(drift_report.as_json(found))
    else:
        for line in drift_report.lines(found):
            # An answer must not control the terminal.
            typer.echo("".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line))
    if not found.is_none:
        raise typer.Exit(_DRIFTED)


def check_url(url: str) -> None:
    """Raise typer.BadParameter for what is not the base address of a module."""
    try:
        parts = urlsplit(url)
        # Addresses are printed, so they must not hold a password.
        odd = parts.query or parts.fragment or parts.username is not None
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and not odd
    except ValueError:
        valid = False
    if not valid:
        raise typer.BadParameter(
            f"{url!r} is not an address of a module; give one like http://127.0.0.1:8080", param_hint="URL"
        )
