"""`ops up`: the Compose stack, with a team's module in the place of its stub."""

import os
import shlex
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from ops_contract.command_line import say
from ops_orchestrator.cli.compliance_kit import COMPLIANT, Checked, Timeout, check, run_kit, timeout_words
from ops_orchestrator.cli.compose_project import ComposeProject
from ops_orchestrator.cli.swap import Swap, override, read_swap, variables
from ops_orchestrator.errors import CannotReachError, ConfigurationError, StoreError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.modules.module import Module
from ops_orchestrator.runs.verdict import KitReport
from ops_orchestrator.settings import read_settings

_NAMED: Final = "OPS-HLT-001"
"""A requirement that is checked by a request for the health alone."""
_UNKNOWN_ADDRESS: Final = "http://localhost"

With = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="MODULE=IMAGE", help="Take this image, or this URL, in the place of the stub; repeatable."),
]


def up(
    with_: With = None,
    inputs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Good inputs for the check, a JSON object or one by action.")
    ] = None,
    timeout: Timeout = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Start it although the check found something.")] = False,
) -> None:
    """Start the Compose stack of this folder. With --with, checks, compares and swaps in your own modules first."""
    here = Path()
    modules = ComposeProject(here).modules()
    swaps = [read_swap(text, modules) for text in with_ or ()]
    # A check takes a minute, the name a moment: all the names come first.
    for swap in swaps:
        _require(_has_its_name(swap, modules), swap, anyway)
    for swap in swaps:
        checked = check(*_target(swap), *_given(inputs), *timeout_words(timeout))
        _require(_report(swap, checked).subject.module == swap.module and checked.code == COMPLIANT, swap, anyway)
        if _report(swap, checked).subject.module == swap.module:
            _keep(swap, checked, ComposeProject(here))
        _show_beside_stub(swap, inputs)
    with _environment(swaps) as environment:
        url = ComposeProject(here, environment).up()
    for swap in swaps:
        sys.stderr.write(f"{swap.module} is {swap.target}; without --with, ops up puts the stub back\n")
    sys.stderr.write(f"The orchestrator is ready at {url}\n")


def _require(met: bool, swap: Swap, anyway: bool) -> None:
    """End the command when `swap` is not fit for the stack, unless it is wanted there `anyway`."""
    if not met and not anyway:
        sys.stderr.write(f"ops: {swap.target} was not swapped in; fix what is named above, or add --anyway\n")
        raise typer.Exit(ExitCode.NOT_COMPLETED)


def _has_its_name(swap: Swap, modules: Collection[str]) -> bool:
    """Whether it is the module that it replaces, by its own health; one that names itself not at all is left to the check."""
    name = _report(swap, check(*_target(swap), "--select", _NAMED, is_shown=False)).subject.module
    if name in (None, swap.module):
        return True
    cure = f"have its health and its envelopes say {swap.module!r}"
    if name in modules:
        cure = f"write --with {shlex.quote(f'{name}={swap.target}')}, or {cure}"
    say("ops", f"{swap.target} calls itself {name!r:.140}, and the stack would call it {swap.module!r}: {cure}")
    return False


def _report(swap: Swap, checked: Checked) -> KitReport:
    if checked.report is None:
        raise CannotReachError(f"the check of {swap.target} could not be made; see the kit's output above")
    return checked.report


def _keep(swap: Swap, checked: Checked, project: ComposeProject) -> None:
    """Keep the verdict on what is swapped in. A store that cannot be written does not keep the stack from starting."""
    digest = project.image_digest(swap.image) if swap.image else None
    module = Module(name=swap.module, url=swap.url or _UNKNOWN_ADDRESS)
    try:
        checked.keep(read_settings().runs_dir, module, digest)
    except (ConfigurationError, StoreError) as error:
        sys.stderr.write(f"ops: the verdict on {swap.module} was not kept: {error}\n")


def _show_beside_stub(swap: Swap, inputs: Path | None) -> None:
    """Say in short how the module's answers differ from the stub's, which is information and no failure."""
    target = swap.url or f"image:{swap.image}"
    if run_kit("compare", "--brief", f"stub:{swap.module}", target, *_given(inputs)) not in (0, 1):
        sys.stderr.write(f"ops: {swap.target} could not be compared with the stub; it is swapped in anyway\n")


def _target(swap: Swap) -> tuple[str, ...]:
    return ("--image", swap.image) if swap.image else (swap.target,)


def _given(inputs: Path | None) -> tuple[str, ...]:
    return ("--inputs", str(inputs)) if inputs else ()


@contextmanager
def _environment(swaps: Sequence[Swap]) -> Iterator[dict[str, str]]:
    """What the stack is started with; the override file is needed no longer than that."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "swap.yaml"
        file.write_text(override(swaps), encoding="utf-8")
        own = [name for name in ("compose.yaml", "compose.override.yaml") if Path(name).exists()]
        files = [os.environ.get("COMPOSE_FILE") or os.pathsep.join(own), str(file)]
        yield {"COMPOSE_FILE": os.pathsep.join(files), **variables(swaps)}
