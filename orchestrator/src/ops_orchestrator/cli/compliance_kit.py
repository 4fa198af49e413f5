"""The compliance kit, run as a command, and its verdict, which is kept for the pages and the lists of modules."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from ops_contract import ContractError, parse_json, terminal_safe, validate
from ops_contract.command_line import read_file, say, write
from ops_orchestrator.errors import CannotReachError, StoreError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.masking import Secrets
from ops_orchestrator.modules.module import Module
from ops_orchestrator.runs.store.verdicts import VerdictStore
from ops_orchestrator.runs.verdict import KitReport, Verdict
from ops_orchestrator.settings import Settings

COMPLIANT: Final = 0
NOT_COMPLIANT: Final = 1
NO_SECRETS: Final = Secrets()
Timeout = Annotated[
    float | None, typer.Option(metavar="SECONDS", min=1, max=3600, help="How long the check waits for each answer; default 30.")
]
_CONNECT_S: Final = 5.0
_NOT_KEPT: Final = "no verdict was kept"


@dataclass(frozen=True)
class Checked:
    """How a check ended: the kit's exit code, and its report, as it is and in HTML; None when there is none."""

    code: int
    report: KitReport | None
    html: bytes

    def keep(self, runs_folder: Path, module: Module, image_digest: str | None = None) -> Path | None:
        """Keep the verdict on `module` with the runs; returns where the whole report is, None when there is none.

        Raises StoreError.
        """
        if self.report is None:
            return None
        try:
            verdict = Verdict.of(self.report, module, image_digest)
        except ContractError as error:
            raise StoreError(f"the verdict cannot be kept: {error}") from error
        return VerdictStore(runs_folder).keep(verdict, module.secrets.masked_bytes(self.html))


def run_kit(*words: str, secrets: Secrets = NO_SECRETS, is_shown: bool = True) -> int:
    """Run `ops-contract WORDS` for a person to see, with `secrets` masked; returns its exit code.

    What it prints as its result `is_shown` or dropped; what it says of problems is always shown.

    Raises CannotReachError when the kit is not installed.
    """
    beside = str(Path(sys.executable).parent)
    command = shutil.which("ops-contract", path=os.pathsep.join((beside, os.environ.get("PATH", os.defpath))))
    if command is None:
        install = "install openpolicystack-contract[kit], in a checkout with: pip install './contract[kit]'"
        raise CannotReachError(f"the command ops-contract is missing; {install}")
    sys.stderr.write(f"$ ops-contract {secrets.masked_text(' '.join(words))}\n")
    sys.stderr.flush()
    # What it prints can be masked only when it is not printed to the terminal: there it is JSON then.
    output = subprocess.PIPE if secrets or not is_shown else None
    ran = subprocess.run([command, *words], stdout=output, check=False)  # noqa: S603  # the kit, with what the user wrote
    if ran.stdout and is_shown:
        write(secrets.masked_bytes(ran.stdout))
    return ran.returncode


def timeout_words(seconds: float | None) -> tuple[str, ...]:
    """The option of the kit that gives a module so long for each answer; nothing for as long as usual."""
    return () if seconds is None else ("--timeout", f"{seconds:g}")


def check(*words: str, secrets: Secrets = NO_SECRETS, is_shown: bool = True) -> Checked:
    """Run `ops-contract check WORDS`. A check that could not be made has no report, and the kit has said why."""
    with tempfile.TemporaryDirectory() as folder:
        report, html = Path(folder) / "report.json", Path(folder) / "report.html"
        code = run_kit("check", *words, "--json-file", str(report), "--html", str(html), secrets=secrets, is_shown=is_shown)
        if code not in (COMPLIANT, NOT_COMPLIANT) or not report.exists():
            return Checked(code, None, b"")
        try:
            return Checked(code, validate(KitReport, parse_json(read_file(report)), "the kit's report"), html.read_bytes())
        except ContractError as error:
            message = f"the report of ops-contract cannot be read: {error}; install the kit of this orchestrator's version"
            raise CannotReachError(message) from error


def check_registered(module: Module, settings: Settings, options: Sequence[str], *, is_whole: bool) -> int:
    """Check a registered module, through its adapter when it has one, and keep the verdict of a check that `is_whole`.

    Returns the kit's exit code. Raises CannotReachError when nothing listens at the module's address, StoreError.
    """
    if module.adapter is None:
        checked = check(module.url, *options, secrets=module.secrets)
    else:
        _connect(module)
        checked = check("--adapter", f"{settings.modules_file}:{module.name}", *options)
    if checked.code == ExitCode.UNREACHABLE:
        raise _unreachable(module)
    if checked.report is None:
        return checked.code
    answering = checked.report.subject.module
    if answering not in (None, module.name):
        _say(f"{module.name} is registered at {module.address}, but {answering!r:.140} answers there; {_NOT_KEPT}")
        return max(checked.code, NOT_COMPLIANT)
    if not is_whole:
        _say(f"only a part was checked; {_NOT_KEPT}")
        return checked.code
    where = checked.keep(settings.runs_dir, module)
    _say(f"kept the verdict on {module.name}; the whole report is {where}")
    return checked.code


def _connect(module: Module) -> None:
    """Raise CannotReachError when nothing listens at a module's address: its adapter would answer in its place."""
    parts = urlsplit(module.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), _CONNECT_S).close()
    except OSError as error:
        raise _unreachable(module) from error


def _unreachable(module: Module) -> CannotReachError:
    remedy = "start it, or correct its url in modules.yaml"
    return CannotReachError(f"{module.name} cannot be reached at {module.address}: {remedy}; {_NOT_KEPT}")


def _say(sentence: str) -> None:
    say("ops", terminal_safe(sentence.encode(errors="replace")).decode())
