"""`ops up`: the Compose stack, with a team's module in the place of its stub."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ops_orchestrator.cli.compose_project import ComposeProject
from ops_orchestrator.cli.swap import Swap, override, read_swap, variables
from ops_orchestrator.errors import CannotReachError
from ops_orchestrator.exit_code import ExitCode

With = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="MODULE=IMAGE", help="Take this image, or this URL, in the place of the stub; repeatable."),
]


def up(
    with_: With = None,
    inputs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Good inputs for the check, a JSON object or one by action.")
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Start it although the check found something.")] = False,
) -> None:
    """Start the Compose stack of this folder. With --with, checks, compares and swaps in your own modules first."""
    here = Path()
    modules = ComposeProject(here).modules()
    swaps = [read_swap(text, modules) for text in with_ or ()]
    for swap in swaps:
        if not _is_compliant(swap, inputs) and not anyway:
            sys.stderr.write(f"ops: {swap.target} was not swapped in; fix what is named above, or add --anyway\n")
            raise typer.Exit(ExitCode.NOT_COMPLETED)
        _show_beside_stub(swap, inputs)
    with _environment(swaps) as environment:
        url = ComposeProject(here, environment).up()
    for swap in swaps:
        sys.stderr.write(f"{swap.module} is {swap.target}; without --with, ops up puts the stub back\n")
    sys.stderr.write(f"The orchestrator is ready at {url}\n")


def _is_compliant(swap: Swap, inputs: Path | None) -> bool:
    """Run the kit on it, for a person to see, and read from its report whether it is the module that it replaces."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        code = _kit("check", *_target(swap), "--json-file", str(report), *_given(inputs))
        if code not in (0, 1) or not report.exists():
            raise CannotReachError(f"the check of {swap.target} could not be made; see the kit's output above")
        subject: Mapping[str, Any] = json.loads(report.read_bytes())["subject"]
    if subject.get("module") != swap.module:
        sys.stderr.write(
            f"ops: {swap.target} calls itself {subject.get('module')!r}, and the stack would call it {swap.module!r}\n"
        )
        return False
    return code == 0


def _show_beside_stub(swap: Swap, inputs: Path | None) -> None:
    """Show the module's answers beside the stub's; differences are information, not a failure."""
    target = swap.url or f"image:{swap.image}"
    if _kit("compare", f"stub:{swap.module}", target, *_given(inputs)) not in (0, 1):
        sys.stderr.write(f"ops: {swap.target} could not be compared with the stub; it is swapped in anyway\n")


def _target(swap: Swap) -> tuple[str, ...]:
    return ("--image", swap.image) if swap.image else (swap.target,)


def _given(inputs: Path | None) -> tuple[str, ...]:
    return ("--inputs", str(inputs)) if inputs else ()


def _kit(*words: str) -> int:
    beside = str(Path(sys.executable).parent)
    command = shutil.which("ops-contract", path=os.pathsep.join((beside, os.environ.get("PATH", os.defpath))))
    if command is None:
        raise CannotReachError("the command ops-contract is missing; install openpolicystack-contract[kit]")
    sys.stderr.write(f"$ ops-contract {' '.join(words)}\n")
    return subprocess.run([command, *words], check=False).returncode  # noqa: S603  # the kit, with what the user wrote


@contextmanager
def _environment(swaps: Sequence[Swap]) -> Iterator[dict[str, str]]:
    """What the stack is started with; the override file is needed no longer than that."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "swap.yaml"
        file.write_text(override(swaps), encoding="utf-8")
        own = [name for name in ("compose.yaml", "compose.override.yaml") if Path(name).exists()]
        files = [os.environ.get("COMPOSE_FILE") or os.pathsep.join(own), str(file)]
        yield {"COMPOSE_FILE": os.pathsep.join(files), **variables(swaps)}
