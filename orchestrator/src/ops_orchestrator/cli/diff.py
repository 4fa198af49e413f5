"""`ops runs diff`: what differs between two runs, and why."""

from typing import Annotated, Final

import typer
from rich.console import Console

from ops_contract.command_line import print_json
from ops_orchestrator.cli.display import plain
from ops_orchestrator.cli.opened_run import AnyRun, opened_run
from ops_orchestrator.cli.terminal import AsJson, on_terminal
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.runs.comparison.diff import RunDiff, diff_runs
from ops_orchestrator.runs.comparison.grades import Tolerance, Tolerances
from ops_orchestrator.runs.comparison.places import BRIEF, FULL, SCREEN
from ops_orchestrator.runs.comparison.text import Kind, lines_of

_STYLES: Final[dict[Kind, str]] = {
    "cause": "bold",
    "heading": "bold",
    "faint": "dim",
    "rest": "dim",
    "dropped": "red",
    "gained": "green",
}


def diff(  # noqa: PLR0913  # one parameter for each option
    a: AnyRun,
    b: AnyRun,
    *,
    rel: Annotated[float, typer.Option(help="Numbers count as the same within this share of the larger one.")] = 0.0,
    abs_: Annotated[float, typer.Option("--abs", help="Numbers count as the same when they are this close.")] = 0.0,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            metavar="POINTER=SHARE", help="As --rel, for what is at or below a JSON pointer into a step's outputs; repeatable."
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="List everything that differs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what differs between two runs, and why.

    Exit code 0 when all steps have the same result, within the tolerances, and 1 otherwise.
    """
    tolerances = Tolerances(Tolerance(rel, abs_), dict(map(_place, tolerance or ())))
    reads_it = on_terminal() and not as_json
    limits = FULL if full else SCREEN if reads_it else BRIEF
    with opened_run(a) as first, opened_run(b) as second:
        found = diff_runs(first, second, tolerances, limits)
    if reads_it:
        _print(found)
    else:
        print_json(found.as_json())
    raise typer.Exit(ExitCode.DONE if found.is_same else ExitCode.NOT_COMPLETED)


def _print(found: RunDiff) -> None:
    console = Console()
    is_cut = False
    for line in lines_of(found):
        is_cut = is_cut or line.kind == "rest"
        for piece in line.broken(console.width):
            console.print(plain(piece, _STYLES.get(line.kind, "")), soft_wrap=True)
    if is_cut:
        console.print()
        console.print(plain("See all that differs with --full.", "dim"))


def _place(text: str) -> tuple[str, Tolerance]:
    """A tolerance for one pointer. Raises ConfigurationError."""
    pointer, equals, share = text.rpartition("=")
    if not equals:
        raise ConfigurationError(f"--tolerance {text!r} is not POINTER=SHARE, such as /kpis/gdp_growth=1e-6")
    try:
        return pointer, Tolerance(float(share))
    except ValueError as error:
        raise ConfigurationError(f"--tolerance {text!r} does not end with a number, such as 1e-6") from error
