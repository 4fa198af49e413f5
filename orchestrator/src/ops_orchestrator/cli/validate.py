"""`ops validate`: check scenarios, sweeps and modules.yaml without running anything; no service is needed."""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from ops_contract import JsonError, Problem, parse_json
from ops_contract.command_line import UnreadableFileError, print_json, read_file, write
from ops_orchestrator.errors import ConfigurationError, RequestError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.modules.catalogue import Catalogue, load_catalogue
from ops_orchestrator.planning.json_lines import json_lines
from ops_orchestrator.planning.planner import plan
from ops_orchestrator.planning.scenario import Scenario, read_scenario
from ops_orchestrator.planning.sweep import read_sweep
from ops_orchestrator.settings import read_settings

_SCENARIO: Final = re.compile(rb'\s*\{.*"scenario_id"', re.DOTALL)
_MODULES: Final = re.compile(
    rb'^(?:\xef\xbb\xbf)?(?:modules|defaults)[ \t]*:|\A\s*\{\s*"?(?:modules|defaults)"?\s*:\s*\{', re.MULTILINE
)
_LINE_IN_MESSAGE: Final = re.compile(r" at line (\d+) column \d+")
_BEFORE_MESSAGE: Final = re.compile(r"(?P<unreadable>cannot read )?(?P<file>.*?)(?::(?P<line>\d+))?: ")


@dataclass(frozen=True)
class Mistake:
    """What is wrong with a file, and where: the line, None for the file as a whole, and the JSON pointer in a scenario."""

    line: int | None
    pointer: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """What was found in a file: what it has when it is fine, or else its mistakes."""

    file: str
    kind: Literal["scenario", "sweep", "modules"]
    content: str
    mistakes: tuple[Mistake, ...]


def validate(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Scenarios in JSON, and modules.yaml; - reads standard input.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of FILE:LINE: messages.")] = False,
) -> None:
    """Check scenarios and modules.yaml without running anything. Exits 1 when something is wrong.

    The modules that a scenario names are looked up in the modules.yaml among the files, or else in OPS_MODULES_FILE.
    """
    verdicts = _verdicts(files)
    if as_json:
        print_json([asdict(verdict) for verdict in verdicts])
    else:
        write("".join(map(_report, verdicts)).encode())
    raise typer.Exit(ExitCode.NOT_COMPLETED if any(verdict.mistakes for verdict in verdicts) else ExitCode.DONE)


def _verdicts(files: Sequence[Path]) -> list[Verdict]:
    contents = {file: _content(file) for file in files}
    given = [file for file in files if _registers_modules(file, contents[file])]
    registering = given or [read_settings().modules_file]
    registered = {file: _registered(file, contents.get(file)) for file in registering}
    catalogue = _catalogue(registered.values())
    # Scenarios cannot be fine when nobody can say which modules there are, so the file that should say it is reported too.
    reported = files if given or catalogue else [*files, *registering]
    return [
        _modules_verdict(file, registered[file]) if file in registered else _scenario_verdict(file, contents[file], catalogue)
        for file in reported
    ]


def _content(file: Path) -> bytes | UnreadableFileError:
    try:
        return read_file(file)
    except UnreadableFileError as error:
        return error


def _registers_modules(file: Path, content: bytes | UnreadableFileError) -> bool:
    """Is this a modules.yaml? Its content says so, or else its name."""
    if isinstance(content, bytes):
        if _SCENARIO.match(content):
            return False
        if _MODULES.search(content):
            return True
    return file.suffix in (".yaml", ".yml")


def _registered(file: Path, content: bytes | UnreadableFileError | None) -> Catalogue | ConfigurationError:
    if isinstance(content, UnreadableFileError):
        return ConfigurationError(str(content))
    try:
        return load_catalogue(file, os.environ, content)
    except ConfigurationError as error:
        return error


def _catalogue(registered: Collection[Catalogue | ConfigurationError]) -> Catalogue | None:
    """All modules that are registered; None when a file cannot be used, since nobody can then say which they are."""
    usable = [catalogue for catalogue in registered if isinstance(catalogue, Catalogue)]
    if len(usable) < len(registered):
        return None
    return Catalogue({name: module for catalogue in usable for name, module in catalogue.modules.items()})


def _modules_verdict(file: Path, registered: Catalogue | ConfigurationError) -> Verdict:
    if isinstance(registered, ConfigurationError):
        return Verdict(str(file), "modules", "", (_mistake_in_file(str(registered)),))
    return Verdict(str(file), "modules", _counted(len(registered.modules), "module"), ())


def _mistake_in_file(message: str) -> Mistake:
    """The mistake of a message that begins with the name of its file, which is printed before it anyway."""
    found = _BEFORE_MESSAGE.match(message)
    if found is None:
        return Mistake(None, "", message)
    reason = ("cannot be read: " if found["unreadable"] else "") + message[found.end() :]
    return Mistake(int(found["line"]) if found["line"] else None, "", reason)


def _scenario_verdict(file: Path, raw: bytes | UnreadableFileError, catalogue: Catalogue | None) -> Verdict:
    if isinstance(raw, UnreadableFileError):
        return Verdict(str(file), "scenario", "", (_mistake_in_file(str(raw)),))
    kind: Literal["scenario", "sweep"] = "sweep" if _asks_for_a_sweep(raw) else "scenario"
    try:
        scenario, more = _swept(raw) if kind == "sweep" else (read_scenario(raw), "")
    except RequestError as error:
        return Verdict(str(file), kind, "", _mistakes_in_scenario(raw, error))
    content = _counted(len(scenario.modules), "step") + more
    if catalogue is None:
        return Verdict(str(file), kind, f"{content}; no modules.yaml could be read to look up their modules", ())
    try:
        plan(scenario, catalogue)
    except RequestError as error:
        return Verdict(str(file), kind, "", _mistakes_in_scenario(raw, error, advice=error.detail))
    return Verdict(str(file), kind, content, ())


def _asks_for_a_sweep(raw: bytes) -> bool:
    try:
        value = parse_json(raw) if b'"sweep"' in raw else None
    except JsonError:
        return False
    return isinstance(value, dict) and "sweep" in value


def _swept(raw: bytes) -> tuple[Scenario, str]:
    """The scenario of a sweep, and in words how many points it has, and what may not be meant. Raises RequestError."""
    sweep = read_sweep(raw, max_points=read_settings().max_sweep_points)
    return sweep.scenario, "".join((f", {_counted(sweep.size, 'point')}", *(f"; {note}" for note in sweep.notes)))


def _mistakes_in_scenario(raw: bytes, error: RequestError, advice: str = "") -> tuple[Mistake, ...]:
    if not error.problems:
        found = _LINE_IN_MESSAGE.search(error.detail)
        return (Mistake(int(found[1]) if found else 1, "", error.detail.rstrip(".")),)
    lines = json_lines(raw.decode())
    by_line = sorted(error.problems, key=lambda problem: _line(problem.pointer, lines))
    listed = [_mistake(problem, lines, advice) for problem in by_line]
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
    return "".join(f"{verdict.file}{_place(mistake)}: {mistake.message}\n" for mistake in verdict.mistakes)


def _place(mistake: Mistake) -> str:
    line = "" if mistake.line is None else f":{mistake.line}"
    return f"{line}: {mistake.pointer}" if mistake.pointer else line


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
