"""The command: makes all checks, and shows a line for each."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import zip_longest

import typer
from rich.console import RenderableType
from rich.table import Table

from ops_orchestrator.cli.display import plain
from ops_orchestrator.cli.doctor.access import access
from ops_orchestrator.cli.doctor.database import database
from ops_orchestrator.cli.doctor.finding import SIGNS, Finding
from ops_orchestrator.cli.doctor.machine import descriptors, docker, port
from ops_orchestrator.cli.doctor.modules import clock_and_modules
from ops_orchestrator.cli.doctor.store import store
from ops_orchestrator.cli.terminal import AsJson, show
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.modules.catalogue import Catalogue, load_catalogue
from ops_orchestrator.settings import Settings, misspelt_settings, read_settings


def doctor(as_json: AsJson = False) -> None:
    """Look whether an orchestrator can work here, and say what to do.

    Looks at settings, keys, store, database, modules, clock, port, descriptors and Docker. Works beside a running service and
    without one, and changes nothing. Exits 1 when something is wrong.
    """
    found = list(_findings())
    is_wrong = any(finding.sign == "wrong" for finding in found)
    show({"ok": not is_wrong, "findings": [asdict(finding) for finding in found]}, lambda: _view(found), as_json=as_json)
    raise typer.Exit(ExitCode.NOT_COMPLETED if is_wrong else ExitCode.DONE)


def _findings() -> Iterator[Finding]:
    try:
        settings = read_settings()
    except ConfigurationError as error:
        yield Finding(
            "wrong", "settings", str(error), "correct the variable or the line of .env; docs/settings.md has them all"
        )
        yield from docker()
        return
    yield from _settings(settings)
    yield from access(settings)
    yield from store(settings)
    yield from database(settings)
    yield from _modules(settings)
    yield from port(settings)
    yield descriptors(settings)
    yield from docker()


def _settings(settings: Settings) -> Iterator[Finding]:
    misspelt = list(misspelt_settings(settings, os.environ))
    for sentence in misspelt:
        yield Finding("warning", "settings", sentence, "correct its name, or remove it")
    if not misspelt:
        changed = sum(getattr(settings, name) != field.default for name, field in Settings.model_fields.items())
        yield Finding("ok", "settings", f"{changed} of {len(Settings.model_fields)} differ from their defaults")


def _modules(settings: Settings) -> Iterator[Finding]:
    catalogue: Catalogue | None = None
    try:
        catalogue = load_catalogue(settings.modules_file, os.environ)
    except ConfigurationError as error:
        yield Finding("wrong", "modules.yaml", str(error), "correct the file; `ops validate modules.yaml` checks it")
    if catalogue is not None and not catalogue.modules:
        remedy = "register one: docs/settings.md#modulesyaml"
        yield Finding("warning", "modules.yaml", f"{settings.modules_file} registers no module", remedy)
    yield from clock_and_modules(settings, catalogue)


def _view(found: Sequence[Finding]) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    for finding, following in zip_longest(found, found[1:]):
        sign, colour = SIGNS[finding.sign]
        table.add_row(plain(sign, colour), plain(finding.check, "bold"), plain(finding.message))
        # What is to be done for several is said once, below the last of them.
        if finding.remedy and (following is None or following.remedy != finding.remedy):
            table.add_row("", "", plain(f"→ {finding.remedy}", colour))
    return table
