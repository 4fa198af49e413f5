"""`make demo`: the whole path once, without Docker.

Starts the stubs and the orchestrator as local processes on free ports, runs the example scenario, shows the results,
cancels a second run and resumes it, compares two scenarios, writes a report, and stops what it started.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Final

from rich.console import Console
from rich.markdown import Markdown

from ops_orchestrator.cli.display import log_text, run_view, steps_view
from ops_orchestrator.cli.service_client import ServiceClient

ROOT: Final = Path(__file__).parents[1]
EXAMPLE: Final = Path("examples/plan_and_execute.request.json")
MODULES: Final = ("data-layer", "policy-simulator", "supplychain-risk", "dr-anticorruption", "strategy-agent", "monitor")
COMPARED: Final = (Path("examples/baseline.json"), Path("examples/vat-raised.json"))
COMPARISON: Final = Path("build/demo/baseline-and-vat-raised.md")
REPORT: Final = Path("build/demo/vat-raised.html")
SLOW: Final = "strategy-agent"
BRIEF_LINES: Final = 14


def main() -> int:
    """Run the demo; returns the exit code of the run."""
    os.chdir(ROOT)
    console = Console()
    with ExitStack() as started:
        console.print("Starting the stubs and the orchestrator ...", style="dim")
        stubs = started.enter_context(service("ops-stubs", "serve", "--port", "0"))
        slow = started.enter_context(service("ops-stubs", "serve", SLOW, "--fault", "hang:skip=1,first=1", "--port", "0"))
        addresses = {f"{name.upper().replace('-', '_')}_URL": f"{stubs}/{name}" for name in MODULES} | {
            "STRATEGY_AGENT_URL": slow
        }
        orchestrator = started.enter_context(service("ops", "serve", "--port", "0", **addresses))
        console.print(f"Running {EXAMPLE} ...", style="dim")
        run = subprocess.run(
            [command("ops"), "run", str(EXAMPLE), "--json", "--url", orchestrator],
            stdout=subprocess.PIPE,
            check=False,
        )
        if run.returncode:
            return run.returncode
        show(console, Path(json.loads(run.stdout)["artifacts_path"]))
        return cancel_and_resume(console, orchestrator) or compare(console, orchestrator)


def cancel_and_resume(console: Console, orchestrator: str) -> int:
    """Run the example again with a module that does not answer; cancel the run, and resume it. Returns an exit code."""
    console.print(f"\nAgain, with a {SLOW} that does not answer:\n", style="bold")
    run_id = asyncio.run(start(orchestrator))
    say_command(console, f"ops runs logs {run_id} --follow")
    words = [command("ops"), "runs", "logs", run_id, "--follow", "--url", orchestrator]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as following:
        for line in following.stdout or ():
            console.print(log_text(line), soft_wrap=True)
            happened = json.loads(line)
            if (happened["event"], happened.get("module")) == ("module.ready", SLOW):
                say_command(console, f"ops runs cancel {run_id}")
                subprocess.run(
                    [command("ops"), "runs", "cancel", run_id, "--url", orchestrator], stdout=subprocess.DEVNULL, check=True
                )
    say_command(console, f"ops runs resume {run_id}")
    words = [command("ops"), "runs", "resume", run_id, "--json", "--url", orchestrator]
    resumed = subprocess.run(words, stdout=subprocess.PIPE, check=False)
    if not resumed.returncode:
        folder = Path(json.loads(resumed.stdout)["artifacts_path"])
        record, _ = documents(folder)
        console.print(f"The run is {record['status']}, and the first step was not called again:\n")
        console.print(steps_view(record))
    return resumed.returncode


def compare(console: Console, orchestrator: str) -> int:
    """Run two scenarios and compare their figures, also in a report. Returns an exit code."""
    console.print("\nTwo scenarios side by side:\n", style="bold")
    run_ids = []
    for scenario in COMPARED:
        say_command(console, f"ops run {scenario}")
        words = [command("ops"), "run", str(scenario), "--json", "--url", orchestrator]
        run = subprocess.run(words, stdout=subprocess.PIPE, check=False)
        if run.returncode:
            return run.returncode
        run_ids.append(json.loads(run.stdout)["run_id"])
    say_command(console, f"ops runs compare {' '.join(run_ids)}")
    print(compared(run_ids, "table"), flush=True)  # noqa: T201  # it is as wide as it should be
    COMPARISON.parent.mkdir(parents=True, exist_ok=True)
    COMPARISON.write_text(compared(run_ids, "markdown"), encoding="utf-8")
    say(console, f"The comparison is {COMPARISON.resolve()}")
    say(console, f"Why they differ: ops runs diff {' '.join(run_ids)}")
    return report(console, run_ids[-1])


def report(console: Console, run_id: str) -> int:
    """Write the report of a run, and say which file to open. Returns an exit code."""
    say_command(console, f"ops runs report {run_id} --to {REPORT}")
    words = [command("ops"), "runs", "report", run_id, "--to", str(REPORT)]
    written = subprocess.run(words, stderr=subprocess.DEVNULL, check=False)
    if not written.returncode:
        say(console, f"\nOpen the report in a browser: {REPORT.resolve().as_uri()}")
        say(console, f"All runs are pages: start {os.path.relpath(command('ops'))} serve, and open http://127.0.0.1:8000")
    return written.returncode


def compared(run_ids: list[str], form: str) -> str:
    """The key figures of the runs side by side."""
    words = [command("ops"), "runs", "compare", *run_ids, "--format", form]
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout


async def start(orchestrator: str) -> str:
    """Start a run of the example; returns its id."""
    async with ServiceClient.at(orchestrator, None) as service:
        return str((await service.start(EXAMPLE.read_bytes()))["run_id"])


def say_command(console: Console, words: str) -> None:
    """Print a command that is run now."""
    say(console, f"$ {words}", style="bold")


def say(console: Console, line: str, style: str = "") -> None:
    """Print a line that is not wrapped, so that it can be copied from any terminal."""
    console.print(line, style=style, highlight=False, soft_wrap=True)


def show(console: Console, folder: Path) -> None:
    """Print a run: steps, headline figures, folder, and how the brief begins."""
    console.print(run_view(*documents(folder), folder), crop=False)
    for brief in sorted(folder.glob("artifacts/*/brief.md")):
        lines = brief.read_text(encoding="utf-8").splitlines()
        say(console, f"\nThe brief begins ({brief}):\n", style="bold")
        console.print(Markdown("\n".join(lines[:BRIEF_LINES])))


def documents(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The record of a run, and its results."""
    return json.loads((folder / "run.json").read_bytes()), json.loads((folder / "results.json").read_bytes())


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
