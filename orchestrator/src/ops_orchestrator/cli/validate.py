"""`ops validate`: check scenarios and modules.yaml without running anything; no service is needed."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from ops_contract import Problem
from ops_contract.command_line import UnreadableFileError, print_json, read_file, write
from ops_orchestrator.errors import ConfigurationError, RequestError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.modules.catalogue import Catalogue, load_catalogue
from ops_orchestrator.planning.json_lines import json_lines
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.planning.scenario import read_scenario
from ops_orchestrator.settings import read_settings

_YAML: Final = (".yaml", ".yml")
_LINE_IN_MESSAGE: Final = re.compile(r" at line (\d+) column \d+")
_BEFORE_MESSAGE: Final = re.compile(r"(?P<file>.*?):(?P<line>\d+): ")


@dataclass(frozen=True)
class Mistake:
    """What is wrong with a file, and where: the line, and the JSON pointer in a scenario."""

    line: int
    pointer: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """What was found in a file: what it has when it is fine, or else its mistakes."""

    file: str
    kind: Literal["scenario", "modules"]
    content: str
    mistakes: tuple[Mistake, ...]


def validate(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Scenarios in JSON, and modules.yaml; - reads a scenario.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of FILE:LINE: messages.")] = False,
) -> None:
    """Check scenarios and modules.yaml without running anything. Exits 1 when something is wrong.

    The modules that a scenario names are looked up in the modules.yaml among the files, or else in OPS_MODULES_FILE.
    """
    registering = [file for file in files if file.suffix in _YAML]
    verdicts = {file: _modules_verdict(file) for file in registering}
    catalogue = _catalogue(registering or [read_settings().modules_file])
    verdicts |= {file: _scenario_verdict(file, catalogue) for file in files if file not in verdicts}
    listed = [verdicts[file] for file in files]
    if as_json:
        print_json([asdict(verdict) for verdict in listed])
    else:
        write("".join(map(_report, listed)).encode())
    raise typer.Exit(ExitCode.NOT_COMPLETED if any(verdict.mistakes for verdict in listed) else ExitCode.DONE)


def _catalogue(files: Sequence[Path]) -> Catalogue | None:
    """All modules that the files register; None when one of them cannot be used, and nobody can say what is registered."""
    try:
        return Catalogue({name: module for file in files for name, module in load_catalogue(file, os.environ).modules.items()})
    except ConfigurationError:
        return None


def _modules_verdict(file: Path) -> Verdict:
    try:
        modules = load_catalogue(file, os.environ).modules
    except ConfigurationError as error:
        return Verdict(str(file), "modules", "", (_mistake_in_modules(str(error)),))
    return Verdict(str(file), "modules", _counted(len(modules), "module"), ())


def _mistake_in_modules(message: str) -> Mistake:
    found = _BEFORE_MESSAGE.match(message)
    return Mistake(int(found["line"]), "", message[found.end() :]) if found else Mistake(1, "", message)


def _scenario_verdict(file: Path, catalogue: Catalogue | None) -> Verdict:
    try:
        raw = read_file(file)
    except UnreadableFileError as error:
        return Verdict(str(file), "scenario", "", (Mistake(1, "", str(error)),))
    try:
        scenario = read_scenario(raw)
    except RequestError as error:
        return Verdict(str(file), "scenario", "", _mistakes_in_scenario(raw, error))
    if catalogue is None:
        content = f"{_counted(len(scenario.modules), 'step')}; no modules.yaml could be read to look up their modules"
        return Verdict(str(file), "scenario", content, ())
    try:
        steps = plan(scenario, catalogue).steps
    except RequestError as error:
        return Verdict(str(file), "scenario", "", _mistakes_in_scenario(raw, error, advice=error.detail))
    return Verdict(str(file), "scenario", _counted(len(steps), "step"), ())


def _mistakes_in_scenario(raw: bytes, error: RequestError, advice: str = "") -> tuple[Mistake, ...]:
    if not error.problems:
        found = _LINE_IN_MESSAGE.search(error.detail)
        return (Mistake(int(found[1]) if found else 1, "", error.detail.rstrip(".")),)
    lines = json_lines(raw.decode())
    listed = sorted((_mistake(problem, lines, advice) for problem in error.problems), key=lambda mistake: mistake.line)
    more = error.problem_count - len(listed)
    return (*listed, *([Mistake(listed[-1].line, "", f"and {more} more")] if more else []))


def _mistake(problem: Problem, lines: Mapping[str, int], advice: str) -> Mistake:
    end = "" if problem.message.endswith("?") else "."
    message = f"{problem.message}{end} {advice}" if advice else problem.message
    return Mistake(_line(problem.pointer, lines), problem.pointer, message.rstrip("."))


def _line(pointer: str, lines: Mapping[str, int]) -> int:
    """The line of what stands at `pointer`, or of what it is missing in."""
    while pointer not in lines:
        pointer = pointer.rpartition("/")[0]
    return lines[pointer]


def _report(verdict: Verdict) -> str:
    if not verdict.mistakes:
        return f"{verdict.file}: ok, {verdict.content}\n"
    return "".join(
        f"{verdict.file}:{mistake.line}: {mistake.pointer}{': ' if mistake.pointer else ''}{mistake.message}\n"
        for mistake in verdict.mistakes
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
