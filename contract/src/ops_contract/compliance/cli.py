"""The command `ops-contract`.

Exit codes: 0 compliant, 1 not, 2 usage, 3 the target cannot be reached, 4 the kit's own error.
"""

import shlex
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops_contract import masked_url
from ops_contract.command_line import End, completing, new_command, print_json, run, say
from ops_contract.command_line import write as write_output
from ops_contract.compliance.arguments import (
    UsageError,
    check_places,
    known_requirement,
    read_inputs,
    read_text,
    read_upstream,
    selected,
    write,
)
from ops_contract.compliance.check import check
from ops_contract.compliance.compare import Comparison, compare
from ops_contract.compliance.diagnosis import Diagnosis
from ops_contract.compliance.doctor import diagnose
from ops_contract.compliance.interruption import run_to_end
from ops_contract.compliance.orchestrator import refuse_orchestrator
from ops_contract.compliance.progress import ProgressLine, is_watched
from ops_contract.compliance.reports.annotations import github_annotations
from ops_contract.compliance.reports.badge import shields_badge, svg_badge
from ops_contract.compliance.reports.baseline import apply_baseline, read_baseline
from ops_contract.compliance.reports.diff import diff_reports, json_diff, terminal_diff
from ops_contract.compliance.reports.explanation import explanation, terminal_explanation
from ops_contract.compliance.reports.html import html_report
from ops_contract.compliance.reports.json_report import json_report, read_report
from ops_contract.compliance.reports.junit import junit_report
from ops_contract.compliance.reports.markdown import markdown_report
from ops_contract.compliance.reports.sarif import sarif_report
from ops_contract.compliance.reports.summary import lacks_module
from ops_contract.compliance.reports.terminal import last_line, terminal_replay, terminal_report
from ops_contract.compliance.reports.terminal_comparison import brief_comparison, terminal_comparison
from ops_contract.compliance.reports.terminal_diagnosis import terminal_diagnosis
from ops_contract.compliance.requirement import Requirement, load_requirements
from ops_contract.compliance.result import ExitCode, Report
from ops_contract.compliance.starter import LANGUAGES, start_module
from ops_contract.compliance.target_options import TargetOptions, named_target, with_target
from ops_contract.compliance.targets.errors import TargetError
from ops_contract.compliance.targets.target import Target

_NAME: Final = "ops-contract"

app = new_command(_NAME, "openpolicystack-contract", "Check a module against the OpenPolicyStack contract.")

Inputs = Annotated[
    Path | None, typer.Option("--inputs", metavar="FILE", help="Good inputs: a JSON object, or one by action name.")
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", min=1, max=3600, help="How long to wait for each answer; default 30."),
]
Upstream = Annotated[
    Path | None,
    typer.Option("--upstream", metavar="FILE", help="Earlier steps that it needs: a JSON object by step id, or a request."),
]
_complete_requirement = completing(lambda _: load_requirements())

Select = Annotated[
    list[str] | None,
    typer.Option(
        "--select", metavar="ID", help="Only these ids; * and ? match, OPS-ART-*.", autocompletion=_complete_requirement
    ),
]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show everything about each finding, on a terminal.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, also on a terminal.")]
Identifier = Annotated[
    str, typer.Argument(metavar="ID", help="A requirement, for example OPS-ART-003.", autocompletion=_complete_requirement)
]
OutFile = Path | None
Opened = AbstractAsyncContextManager[Target]


def main() -> NoReturn:
    """Entry point: run the command and turn every error into a sentence and an exit code."""
    run(app, _NAME, _end_of)


@app.command("check")
@with_target
def check_command(  # noqa: PLR0913, PLR0917  # one parameter an option
    target: TargetOptions,
    inputs: Inputs = None,
    upstream: Upstream = None,
    select: Select = None,
    timeout: Timeout = None,
    baseline: Annotated[Path | None, typer.Option(metavar="FILE", help="Known failures; a stale entry fails.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as failures.")] = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
    json_file: Annotated[OutFile, typer.Option("--json-file", metavar="FILE", help="Write the report as JSON.")] = None,
    junit: Annotated[OutFile, typer.Option("--junit", metavar="FILE", help="Write JUnit XML.")] = None,
    html: Annotated[OutFile, typer.Option("--html", metavar="FILE", help="Write one self-contained HTML file.")] = None,
    markdown: Annotated[OutFile, typer.Option("--markdown", metavar="FILE", help="Write Markdown for a CI summary.")] = None,
    sarif: Annotated[OutFile, typer.Option("--sarif", metavar="FILE", help="Write SARIF, for code scanning.")] = None,
    sarif_location: Annotated[
        str, typer.Option("--sarif-location", metavar="PATH", help="The file of the repository where SARIF shows the findings.")
    ] = "Dockerfile",
    annotations: Annotated[
        bool, typer.Option("--annotations", help="Print findings as annotations of GitHub Actions.")
    ] = False,
    badge: Annotated[
        list[Path] | None, typer.Option("--badge", metavar="FILE", help="Write a badge: .svg, or .json for shields.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be checked, and send nothing.")] = False,
) -> None:
    """Check a module. Shows each requirement that it does not meet, and ends with the verdict and what to do next."""
    opened = target.opened(_say)
    chosen = selected(select)
    if dry_run:
        _list([one for one in load_requirements().values() if one.id in chosen], as_json=as_json)
        return
    known = read_baseline(read_text(baseline), str(baseline), load_requirements()) if baseline else None
    check_places((json_file, junit, html, markdown, sarif, *(badge or ())))
    checked = run_to_end(
        _checked(opened, _Given(read_inputs(inputs), read_upstream(upstream), timeout), chosen, is_for_people=not as_json)
    )
    report = checked.report if known is None else apply_baseline(checked.report, known)
    write(json_file, lambda: json_report(report))
    write(junit, lambda: junit_report(report, strict=strict))
    write(html, lambda: html_report(report, strict=strict))
    write(markdown, lambda: markdown_report(report, strict=strict))
    write(sarif, lambda: sarif_report(report, location=sarif_location, strict=strict))
    for picture in badge or ():
        write(picture, partial(svg_badge if picture.suffix == ".svg" else shields_badge, report, strict=strict))
    if annotations:
        typer.echo(github_annotations(report, strict=strict), err=True, nl=False)
    _show(replace(checked, report=report), strict=strict, as_json=as_json, at_length=verbose)
    raise typer.Exit(report.exit_code(strict=strict))


@app.command("list")
def list_command(select: Select = None, as_json: AsJson = False) -> None:
    """List the requirements."""
    chosen = selected(select)
    _list([one for one in load_requirements().values() if one.id in chosen], as_json=as_json)


@app.command()
def explain(requirement: Identifier, as_json: AsJson = False) -> None:
    """Explain a requirement. Says what it means, why it is there and how to meet it, with a good and a bad example."""
    one = known_requirement(requirement)
    if as_json or not sys.stdout.isatty():
        print_json(explanation(one))
    else:
        Console().print(terminal_explanation(one))


@app.command()
@with_target
def replay(
    requirement: Identifier,
    target: TargetOptions,
    inputs: Inputs = None,
    upstream: Upstream = None,
    timeout: Timeout = None,
) -> None:
    """Check one requirement again, and show every request and answer."""
    one = known_requirement(requirement)
    given = _Given(read_inputs(inputs), read_upstream(upstream), timeout)
    checked = run_to_end(_checked(target.opened(_say), given, {one.id}))
    if sys.stdout.isatty() and checked.diagnosis is None:
        Console().print(terminal_replay(checked.report), crop=False)
    else:
        _show(checked, strict=True, as_json=False)
    raise typer.Exit(checked.report.exit_code(strict=True))


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD.json")],
    new: Annotated[Path, typer.Argument(metavar="NEW.json")],
    as_json: AsJson = False,
) -> None:
    """Compare two reports. Shows requirements that are no longer met, or met now; exits 1 when one was lost."""
    difference = diff_reports(_read(old), _read(new))
    if as_json or not sys.stdout.isatty():
        write_output(json_diff(difference).encode())
    else:
        Console().print(terminal_diff(difference))
    raise typer.Exit(difference.exit_code)


@app.command()
@with_target
def doctor(target: TargetOptions, as_json: AsJson = False) -> None:
    """Find out why a service fails everything. Names the most likely cause, and what to try."""
    found = run_to_end(_diagnosed(target.opened(_say)))
    if as_json or not sys.stdout.isatty():
        print_json(vars(found))
    else:
        Console().print(terminal_diagnosis(found))
    raise typer.Exit(ExitCode.COMPLIANT if found.healthy else ExitCode.NOT_COMPLIANT)


@app.command("compare")
def compare_command(  # noqa: PLR0913, PLR0917  # one parameter an option
    old: Annotated[str, typer.Argument(metavar="OLD", help="A URL, or image:IMAGE, stub:NAME, adapter:FILE:NAME.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The same of the new one.")],
    inputs: Inputs = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="List all, also what is equal, on a terminal.")] = False,
    as_json: AsJson = False,
    brief: Annotated[bool, typer.Option("--brief", help="How many differences and the first of them, in three lines.")] = False,
) -> None:
    """Compare the answers of two versions of a module. Sends both the same requests, twice; exits 1 when they differ."""
    first, second = (named_target(text).opened(_say) for text in (old, new))
    is_for_people = not as_json and not brief and sys.stdout.isatty()
    found = run_to_end(_compared(first, second, read_inputs(inputs), is_for_people=is_for_people))
    at_length = ("ops-contract", "compare", old, new, *(("--inputs", str(inputs)) if inputs else ()))
    if brief and not as_json:
        write_output(brief_comparison(found, shlex.join(at_length)).encode(errors="replace"))
    elif not is_for_people:
        print_json(found.as_json())
    else:
        Console().print(terminal_comparison(found, None if verbose else shlex.join((*at_length, "-v"))))
    raise typer.Exit(ExitCode.NOT_COMPLIANT if found.changes or found.failed else ExitCode.COMPLIANT)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write it; made when it is missing.")],
    lang: Annotated[
        str,
        typer.Option("--lang", help=f"The language: {' or '.join(LANGUAGES)}.", autocompletion=completing(lambda _: LANGUAGES)),
    ],
    name: Annotated[str | None, typer.Option(help="The module's name; the folder's unless given.")] = None,
) -> None:
    """Write a module to start from. It is one file that follows the contract."""
    typer.echo(start_module(folder, lang, name))


@dataclass(frozen=True)
class _Checked:
    """A report, and what is known only while the target runs: the end of its log, and a diagnosis if it is not a module."""

    report: Report
    log: str
    diagnosis: Diagnosis | None


@dataclass(frozen=True)
class _Given:
    """What good requests have, and how long to wait for an answer."""

    inputs: Mapping[str, Any] | None
    upstream: Mapping[str, Any] | None
    timeout_s: float | None


async def _checked(opened: Opened, given: _Given, chosen: Collection[str], *, is_for_people: bool = True) -> _Checked:
    async with opened as target:
        line = _progress(f"checking {masked_url(target.name)}", "requirements", is_shown=is_for_people)
        async with line.running():
            if target.name == target.url:  # an address, and nothing that the kit has started
                await refuse_orchestrator(target.url, "ops-contract check")
            report = await check(
                target,
                inputs=given.inputs,
                upstream=given.upstream,
                select=chosen,
                timeout_s=given.timeout_s,
                progress=line,
            )
        log = target.container.last_lines() if target.container else ""
        diagnosed = lacks_module(report) and sys.stdout.isatty()
        return _Checked(report, log, await diagnose(target, silence=report.unreachable) if diagnosed else None)


def _progress(work: str, counted: str, *, is_shown: bool) -> ProgressLine:
    return ProgressLine(sys.stderr, work, counted, is_shown=is_shown and is_watched(sys.stdout, sys.stderr))


async def _compared(old: Opened, new: Opened, inputs: Mapping[str, Any] | None, *, is_for_people: bool) -> Comparison:
    async with old as first, new as second:
        line = _progress("comparing the answers", "actions", is_shown=is_for_people)
        async with line.running():
            return await compare(first.url, second.url, inputs, progress=line)


async def _diagnosed(opened: Opened) -> Diagnosis:
    async with opened as target:
        return await diagnose(target)


def _show(checked: _Checked, *, strict: bool, as_json: bool, at_length: bool = True) -> None:
    report = checked.report
    if checked.log and report.exit_code(strict=strict):
        _say(f"the container's log ends with{checked.log}")
    if as_json or not sys.stdout.isatty():
        write_output(json_report(report).encode())
        if not as_json:  # in a log of CI nobody reads the report to find the verdict
            _say(last_line(report, strict=strict))
    else:
        shown = terminal_report(report, strict=strict, diagnosis=checked.diagnosis, at_length=at_length)
        Console().print(shown, crop=False)


def _list(requirements: Sequence[Requirement], *, as_json: bool) -> None:
    if as_json or not sys.stdout.isatty():
        print_json([one.as_json() for one in requirements])
        return
    Console().print(
        _table(
            ("id", "level", "profile", "statement"), [(one.id, one.level, one.profile, one.statement) for one in requirements]
        )
    )


def _table(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _read(file: Path) -> Report:
    try:
        return read_report(read_text(file).encode())
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(f"{file} is not a report of this kit: {error}") from error


def _say(message: str) -> None:
    say(_NAME, message)


def _end_of(error: Exception) -> End | None:
    match error:
        case TargetError():
            return End(error.exit_code, str(error))
        case ValueError():  # raised with a full sentence by whatever reads arguments, reports and baselines
            return End(ExitCode.USAGE, str(error))
        case _:
            return None
