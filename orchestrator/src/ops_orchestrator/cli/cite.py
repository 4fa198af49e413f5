"""`ops runs cite`: how to cite a run."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Final

import typer

from ops_contract.command_line import say, write
from ops_orchestrator.cli.opened_run import AnyRun, opened_run
from ops_orchestrator.runs.citation import NO_AUTHOR, Citation


class Style(StrEnum):
    """What a citation is for."""

    text = "text"
    bibtex = "bibtex"
    cff = "cff"


_WRITTEN: Final[dict[Style, Callable[[Citation], str]]] = {
    Style.text: Citation.as_text,
    Style.bibtex: Citation.as_bibtex,
    Style.cff: Citation.as_cff,
}


def cite(
    run: AnyRun,
    style: Annotated[
        Style, typer.Option("--format", help="A sentence, an entry for BibTeX, or the content of a CITATION.cff.")
    ] = Style.text,
    author: Annotated[str, typer.Option(help="Who is to be named; a run does not record who had it executed.")] = "",
) -> None:
    """Print how to cite a run.

    A citation names the run's id, its date, all versions and its fingerprints.
    """
    with opened_run(run) as stored:
        citation = Citation.of(stored, author)
    write(f"{_WRITTEN[style](citation)}\n".encode())
    if citation.author == NO_AUTHOR:
        say("ops", 'the run does not record its author; name one with --author "..."')
