"""`ops runs report`: a run as one HTML file for those who do not have this tool."""

from pathlib import Path
from typing import Annotated, Final

import typer

from ops_contract.command_line import say, write
from ops_orchestrator.cli.opened_run import AnyRun, opened_run
from ops_orchestrator.cli.output_file import write_whole
from ops_orchestrator.runs.reports.html.report import html_report

_TO_STANDARD_OUTPUT: Final = "-"


def report(
    run: AnyRun,
    *,
    to: Annotated[str, typer.Option(metavar="FILE", help="The file to write, such as report.html; - for standard output.")],
) -> None:
    """Write the report of a run that is over.

    It is one HTML file with figures, plots, briefs, evidence and provenance. It loads nothing and runs nothing, so that it
    can be opened anywhere, printed, and sent to others. A file of that name is replaced.
    """
    with opened_run(run) as stored:
        content = html_report(stored)
    if to == _TO_STANDARD_OUTPUT:
        write(content)
        return
    write_whole(Path(to), [content])
    say("ops", f"wrote {to}; open it in a browser")
