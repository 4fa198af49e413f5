"""The commands `ops` and `ops-contract` as a person or a program runs them.

What a command reads, prints and returns is the same in this process, where its libraries are loaded once for all tests.
Where signals, a real terminal or the locale matter, a test starts a process: see `started` in local_service.py.
"""

import io
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess
from typing import NoReturn
from unittest.mock import patch

import pytest
from local_service import ROOT, environment

from ops_contract.compliance import cli as kit
from ops_orchestrator.cli.main import main

USUAL = {"OPS_MODULES_FILE": str(ROOT / "modules.yaml")}


class _Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def ops(home: Path, *words: str, stdin: str = "", **variables: str) -> CompletedProcess[str]:
    """Run `ops WORDS` in `home`, its output piped."""
    return _run(main, home, ("ops", *words), {**USUAL, **variables}, io.TextIOWrapper, stdin)


def ops_contract(home: Path, *words: str, **variables: str) -> CompletedProcess[str]:
    """Run `ops-contract WORDS` in `home`, its output piped."""
    return _run(kit.main, home, ("ops-contract", *words), variables, io.TextIOWrapper)


def on_terminal(home: Path, *words: str, **variables: str) -> tuple[int, str]:
    """Run `ops WORDS` in `home` on a terminal; returns the exit code and what the terminal showed."""
    ran = _run(main, home, ("ops", *words), {**USUAL, "COLUMNS": "120", "TERM": "xterm", **variables}, _Terminal)
    return ran.returncode, ran.stdout


def _run(  # noqa: PLR0917  # what a process is given
    run: Callable[[], NoReturn],
    home: Path,
    words: tuple[str, ...],
    variables: dict[str, str],
    stream: type[io.TextIOWrapper],
    stdin: str = "",
) -> CompletedProcess[str]:
    out, err = io.BytesIO(), io.BytesIO()
    with ExitStack() as stack:
        stack.enter_context(chdir(home))
        stack.enter_context(patch.dict(os.environ, environment(**variables), clear=True))
        stack.enter_context(patch.object(sys, "argv", list(words)))
        stack.enter_context(patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()))))
        stack.enter_context(redirect_stdout(stream(out, encoding="utf-8", write_through=True)))
        stack.enter_context(redirect_stderr(stream(err, encoding="utf-8", write_through=True)))
        with pytest.raises(SystemExit) as ended:
            run()
        return CompletedProcess(words, int(ended.value.code or 0), out.getvalue().decode(), err.getvalue().decode())


def rest_of(terminal: int) -> bytes:
    """What a terminal shows until its last process is gone; it is closed then."""
    shown = b""
    try:
        while chunk := os.read(terminal, 65536):
            shown += chunk
    except OSError:
        pass  # how a terminal says that its last process is gone
    os.close(terminal)
    return shown
