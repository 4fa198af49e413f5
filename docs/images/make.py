"""`make images`: makes the pictures of the README with the project's own commands.

Runs an example with `ops run` on a terminal, between a service and stubs that run as local processes, and writes two files
beside this one: `run.svg`, what the terminal showed at the end, and `plot.png`, the plot that the run left in its folder.
"""

import os
import pty
import re
import shutil
import subprocess
import tempfile
from io import StringIO
from pathlib import Path
from typing import Final

from command_line import rest_of
from local_service import ROOT, command, environment, service, stub_addresses
from rich.console import Console
from rich.text import Text

HERE: Final = Path(__file__).parent
SCENARIO: Final = "examples/vat-raised.json"
COLUMNS: Final = 92


def main() -> None:
    """Write both pictures."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        output = run_on_terminal(home)
        (plot,) = home.glob("runs/*/artifacts/policy-simulator/plot.png")
        shutil.copyfile(plot, HERE / "plot.png")
    (HERE / "run.svg").write_text(picture(output), encoding="utf-8")


def run_on_terminal(home: Path) -> str:
    """What a terminal shows of a run of the example, which is kept below `home`."""
    modules = str(ROOT / "modules.yaml")
    with (
        service(home, "ops-stubs", "serve", "--port", "0") as (_, stubs),
        service(home, "ops", "serve", "--port", "0", OPS_MODULES_FILE=modules, **stub_addresses(stubs)) as (_, url),
    ):
        ours, theirs = pty.openpty()
        variables = environment(OPS_URL=url, COLUMNS=str(COLUMNS), TERM="xterm-256color")
        words = [command("ops"), "run", str(ROOT / SCENARIO)]
        with subprocess.Popen(words, cwd=home, env=variables, stdin=theirs, stdout=theirs, stderr=theirs):
            os.close(theirs)
            return rest_of(ours).decode()


def picture(output: str) -> str:
    """The terminal's last state as SVG; the progress of the run is erased by then."""
    _, _, left = output.rpartition("\x1b[2K")
    console = Console(file=StringIO(), record=True, width=COLUMNS, force_terminal=True)
    console.print(f"[dim]$[/] ops run {SCENARIO}", highlight=False)
    console.print(Text.from_ansi(left.replace("\r\n", "\n").rstrip()))
    svg = console.export_svg(title="", unique_id="run")
    # A README loads nothing from the network, so the reader's own monospaced font is used.
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    main()
