"""`ops runs script`: a run as a script, for those who go on without the orchestrator."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Final

import typer

from ops_contract.command_line import write
from ops_orchestrator.cli.opened_run import AnyRun, opened_run
from ops_orchestrator.runs.reports.notebook_cell import notebook_cell
from ops_orchestrator.runs.reports.shell_script import shell_script
from ops_orchestrator.runs.store.protocols import StoredRun


class Form(StrEnum):
    """What a script is for."""

    curl = "curl"
    python = "python"


_MADE_BY: Final[dict[Form, Callable[[StoredRun], str]]] = {Form.curl: shell_script, Form.python: notebook_cell}


def script(
    run: AnyRun,
    form: Annotated[
        Form,
        typer.Option(
            "--as", help="curl: a shell script that calls the modules again; python: a notebook cell with the results."
        ),
    ] = Form.curl,
) -> None:
    """Print a run as a script of curl or Python.

    curl calls the modules again, as the run did; the Python is a notebook cell that makes tables of the results with pandas.
    """
    with opened_run(run) as stored:
        made = _MADE_BY[form](stored)
    # Whatever a folder from elsewhere holds: its texts were cleaned where they were quoted.
    write(made.encode(errors="replace"))
