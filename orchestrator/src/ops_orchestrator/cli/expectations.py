"""`ops runs expect` and `ops runs check`: a regression test for what a scenario comes to."""

import asyncio
import json
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType
from rich.table import Table

from ops_contract.command_line import read_file, say, write
from ops_orchestrator.cli.display import plain
from ops_orchestrator.cli.opened_run import AnyRun, opened_run
from ops_orchestrator.cli.output_file import write_whole
from ops_orchestrator.cli.progress import run_ended
from ops_orchestrator.cli.run_ids import complete_run_id
from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.cli.terminal import AsJson, Url, on_terminal, show
from ops_orchestrator.errors import ConfigurationError, InvalidRequestError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.runs.archive.damage import refuse_damaged
from ops_orchestrator.runs.expectations import Expectation, Judgement, Missed, expectation_text, judge, read_expectation
from ops_orchestrator.runs.record import Results, RunRecord
from ops_orchestrator.settings import Settings, read_settings

_MOST_SHOWN: Final = 20


def expect(
    run: AnyRun,
    *,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write it; standard output unless given.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    rel: Annotated[
        float, typer.Option(min=0, max=1, help="How far a figure may be from its value, as a share of the larger one.")
    ] = 1e-6,
    figures_only: Annotated[bool, typer.Option("--figures-only", help="Leave out the fingerprints.")] = False,
) -> None:
    """Write down what a run must come to.

    The file has its scenario, fingerprints and figures; `ops runs check FILE` runs the scenario and judges it.
    """
    if math.isnan(rel):
        raise ConfigurationError("--rel takes a number from 0 to 1, such as 1e-6")
    with opened_run(run) as stored:
        refuse_damaged(stored)
        content = expectation_text(stored.record(), stored.results(), rel=rel, figures_only=figures_only)
    if to is None:
        write(content)
        return
    write_whole(to, [content], replace=force)
    say("ops", f"wrote {to}; `ops runs check {shlex.quote(str(to))}` runs its scenario and judges it")


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files that `ops runs expect` wrote.")],
    *,
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|DIR|ZIP",
            help="Judge this run instead of a new one; no service is needed.",
            autocompletion=complete_run_id,
        ),
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Run a scenario and judge what it comes to.

    Exit code 0 when the run of each file is as the file says, and 1 otherwise.
    """
    expected = [(file, _read(file)) for file in files]
    if run is None:
        checked = asyncio.run(_run_all(read_settings(url=url), expected, visibly=on_terminal() and not as_json))
    else:
        with opened_run(run) as stored:
            refuse_damaged(stored)
            record, results = stored.record(), stored.results()
        checked = [_Checked(file, record.run_id, judge(expectation, record, results)) for file, expectation in expected]
    show([each.as_json() for each in checked], lambda: _view(checked), as_json=as_json)
    raise typer.Exit(ExitCode.DONE if all(each.judgement.passed for each in checked) else ExitCode.NOT_COMPLETED)


@dataclass(frozen=True)
class _Checked:
    """A file, and the run that was judged by it."""

    file: Path
    run_id: str
    judgement: Judgement

    def as_json(self) -> dict[str, Any]:
        return {"file": str(self.file), "run_id": self.run_id, **self.judgement.as_json()}


async def _run_all(settings: Settings, expected: Sequence[tuple[Path, Expectation]], *, visibly: bool) -> list[_Checked]:
    """Have the service run one scenario after another."""
    checked = []
    async with ServiceClient.at(settings.url, settings.api_key) as service:
        for file, expectation in expected:
            started = await service.start(json.dumps(expectation.scenario.as_json()).encode())
            run_id = str(started["run_id"])
            record = RunRecord.model_validate(await run_ended(service, run_id, visibly=visibly))
            results = Results.model_validate(await service.results(run_id))
            checked.append(_Checked(file, run_id, judge(expectation, record, results)))
    return checked


def _read(file: Path) -> Expectation:
    try:
        return read_expectation(read_file(file))
    except InvalidRequestError as error:
        reasons = "\n  ".join([f"{error.detail[:1].lower()}{error.detail[1:]}", *map(str, error.problems)])
        raise ConfigurationError(f"{file} does not say what a run must come to: {reasons}") from error


def _view(checked: Sequence[_Checked]) -> RenderableType:
    parts: list[RenderableType] = []
    for each in checked:
        judgement, missed = each.judgement, each.judgement.missed
        mark, style = ("✓", "green") if judgement.passed else ("✗", "red")
        good = judgement.figures - len(missed) if judgement.passed or missed else 0
        parts.append(plain(f"{mark} {each.file}  {good} of {judgement.figures} figures as expected  {each.run_id}", style))
        parts += [plain(f"  {note}", "yellow") for note in judgement.notes]
        if missed:
            parts.append(_table(missed[:_MOST_SHOWN]))
        if len(missed) > _MOST_SHOWN:
            parts.append(plain(f"  and {len(missed) - _MOST_SHOWN} more; --json shows all", "dim"))
    return Group(*parts)


def _table(missed: Sequence[Missed]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("  step", "figure", "expected", "found", "allowed"):
        table.add_column(name, justify="left" if name in ("  step", "figure") else "right")
    for each in missed:
        found = "nothing" if each.found is None else f"{each.found!r}"
        allowed = " or ".join([f"{each.rel:g} of it", *([f"{each.abs:g}"] if each.abs else [])])
        table.add_row(*map(plain, (f"  {each.step}", each.pointer, f"{each.expected!r}", found, allowed)))
    return table
