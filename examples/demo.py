"""`make demo`: the whole path once, without Docker.

Starts the stubs and the orchestrator as local processes on free ports, runs the example scenario, shows the results,
and stops what it started.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Final

from rich.console import Console
from rich.markdown import Markdown

from ops_orchestrator.cli.display import run_view

ROOT: Final = Path(__file__).parents[1]
EXAMPLE: Final = Path("examples/plan_and_execute.request.json")
MODULES: Final = ("data-layer", "policy-simulator", "supplychain-risk", "dr-anticorruption", "strategy-agent", "monitor")
BRIEF_LINES: Final = 14


def main() -> int:
    """Run the demo; returns the exit code of the run."""
    os.chdir(ROOT)
    console = Console()
    with ExitStack() as started:
        console.print("Starting the stubs and the orchestrator ...", style="dim")
        stubs = started.enter_context(service("ops-stubs", "serve", "--port", "0"))
        addresses = {f"{name.upper().replace('-', '_')}_URL": f"{stubs}/{name}" for name in MODULES}
        orchestrator = started.enter_context(service("ops", "serve", "--port", "0", **addresses))
        console.print(f"Running {EXAMPLE} ...", style="dim")
        run = subprocess.run(
            [command("ops"), "run", str(EXAMPLE), "--json", "--url", orchestrator],
            stdout=subprocess.PIPE,
            check=False,
        )
    if not run.stdout:
        return run.returncode
    folder = Path(json.loads(run.stdout)["artifacts_path"])
    show(console, folder)
    return run.returncode


def show(console: Console, folder: Path) -> None:
    """Print a run: steps, headline figures, folder, and how the brief begins."""
    record, results = (json.loads((folder / name).read_bytes()) for name in ("run.json", "results.json"))
    console.print(run_view(record, results, folder))
    for brief in sorted(folder.glob("artifacts/*/brief.md")):
        lines = brief.read_text(encoding="utf-8").splitlines()
        console.print(f"\nThe brief begins ({brief}):\n", style="bold")
        console.print(Markdown("\n".join(lines[:BRIEF_LINES])))


@contextmanager
def service(*words: str, **environment: str) -> Iterator[str]:
    """Start a service and give its address, which it prints when it listens; stop it at the end."""
    with subprocess.Popen(
        [command(words[0]), *words[1:]],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            found = address(process)
            # Nobody reads its later output, and a full pipe would block it.
            Thread(target=process.stdout.read, daemon=True).start()  # type: ignore[union-attr]  # piped above
            yield found
        finally:
            process.terminate()


def address(process: subprocess.Popen[str]) -> str:
    """The address in a service's output; exits with that output when the service does not start."""
    output = []
    for line in process.stdout or ():
        output.append(line)
        if "http://" in line:
            return "http://" + line.partition("http://")[2].split('"')[0].split()[0].rstrip(".,")
    sys.exit("".join(output) or f"{process.args!r} ended without any output")


def command(name: str) -> str:
    """A command of the environment that runs this file."""
    return str(Path(sys.executable).with_name(name))


if __name__ == "__main__":
    sys.exit(main())
