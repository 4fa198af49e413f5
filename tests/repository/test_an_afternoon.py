"""docs/an-afternoon.md, done as it stands there by somebody who has the published packages and nothing else."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from installed_packages import UV, build_wheels
from local_service import ROOT, environment, service

# One reader does all of it, with dozens of commands: on a busy machine that takes long.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DOCUMENT: Final = (ROOT / "docs/an-afternoon.md").read_text(encoding="utf-8")
BLOCK: Final = re.compile(r"(?:`(?P<file>[^`\s]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", flags=re.DOTALL | re.MULTILINE)
OTHER_TERMINAL: Final = re.compile(r"# in a\w* \w*\s?terminal\n")
PORTS: Final = ("9000", "9100")

# Packages come from the wheels of this repository, and what they need from uv's cache.
SHELL: Final = f"""
set -eo pipefail
pip() {{ {UV} pip "$@" --quiet --python .venv --find-links "$WHEELS"; }}
python3() {{ [ "$*" = "-m venv .venv" ]; {UV} venv --quiet --python {sys.executable} .venv; }}
says() {{ tee /dev/stderr | grep --fixed-strings "$1" >/dev/null; }}
[ ! -d .venv ] || . .venv/bin/activate
"""


@dataclass
class Reader:
    """Somebody who does what the document says, in `folder`."""

    folder: Path
    wheels: Path
    terminals: dict[str, ExitStack] = field(default_factory=dict)

    def do(self, block: re.Match[str], text: str) -> None:
        """Run the block's commands, apply its change, or write its file."""
        if block["kind"] == "sh" and OTHER_TERMINAL.match(text):
            self.start(text.strip().splitlines()[-1])
        elif block["kind"] == "sh":
            self.shell("\n".join(map(with_outcome, text.strip().splitlines())))
        elif block["kind"] == "diff":
            (self.folder / "change.diff").write_text(text, encoding="utf-8")
            self.shell("git apply change.diff\nrm change.diff")
        else:
            path = self.folder / block["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def shell(self, script: str) -> None:
        """Run commands, all of which have to come to what is said of them."""
        words = ["bash", "-c", f"{SHELL}set -x\n{script}\n{{ set +x; }} 2>/dev/null\npwd >where"]
        ran = subprocess.run(
            words,
            cwd=self.folder,
            env=self.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{script}\n\n{ran.stdout[-5000:]}"
        where = next(path for path in (self.folder / "where", *self.folder.glob("*/where")) if path.is_file())
        self.folder = Path(where.read_text().strip())
        where.unlink()

    def start(self, line: str) -> None:
        """Start a service in a terminal of its own, where one that ran there before is stopped."""
        if line in self.terminals:
            self.terminals.pop(line).close()
        self.terminals[line] = ExitStack()
        started = service(self.folder, "bash", "-c", f"{SHELL}exec env {line}", **self.variables())
        self.terminals[line].enter_context(started)

    def variables(self) -> dict[str, str]:
        """An environment without the one that runs this test."""
        found = environment(PATH="/usr/local/bin:/usr/bin:/bin", WHEELS=str(self.wheels))
        return {name: value for name, value in found.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}


def with_outcome(line: str) -> str:
    """The command in `line`, which fails unless it comes to what is said after the arrow."""
    command, _, outcome = line.partition(" # → ")
    if not outcome:
        return command
    if code := re.fullmatch(r"exit code (\d+)", outcome):
        return f"code=0; {command} >/dev/null || code=$?; [ $code = {code[1]} ]"
    return f"{command} | says '{outcome}'"


@contextmanager
def reader(folder: Path, wheels: Path) -> Iterator[Reader]:
    """A reader whose terminals are closed at the end."""
    reading = Reader(folder, wheels)
    try:
        yield reading
    finally:
        for terminal in reading.terminals.values():
            terminal.close()


def free_ports(number: int) -> list[str]:
    with ExitStack() as held:
        servers = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [str(server.getsockname()[1]) for server in servers]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the reader has at the end of the afternoon."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    with reader(tmp_path_factory.mktemp("afternoon"), build_wheels(tmp_path_factory.mktemp("wheels"))) as reading:
        for block in BLOCK.finditer(DOCUMENT):
            reading.do(block, re.sub("|".join(PORTS), lambda port: ports[port[0]], block["text"]))
        return reading.folder


def test_everything_in_the_tutorial_comes_to_what_it_says(repository: Path) -> None:
    assert "policy-simulator" in (repository / "report.html").read_text()
    assert "· compliant" in (repository / "badge.svg").read_text()
    assert "VAT revenue" in (repository / "run.html").read_text()


def test_what_is_committed_is_what_was_written(repository: Path) -> None:
    words = ["git", "diff", "--cached", "--name-only"]
    staged = subprocess.run(words, cwd=repository, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    starter = {f"policy-simulator/{name}" for name in ("Dockerfile", "README.md", "module.py", "requirements.txt")}
    written = {block["file"] for block in BLOCK.finditer(DOCUMENT) if block["file"]}
    assert set(staged) == {".gitignore", "badge.svg", *starter, *written}


def test_workflow_of_the_tutorial_gives_inputs_that_there_are(repository: Path) -> None:
    inputs = workflow(ROOT / ".github/workflows/module.yml")[True]["workflow_call"]["inputs"]
    given = workflow(repository / ".github/workflows/openpolicystack.yml")["jobs"]["openpolicystack"]["with"]
    assert set(given) <= set(inputs)
    assert (repository / given["context"] / "Dockerfile").is_file()
    assert (repository / given["scenarios"]).is_file()


def test_hook_of_the_tutorial_is_that_of_the_harness(repository: Path) -> None:
    assert (repository / ".pre-commit-config.yaml").read_text() in (ROOT / "harness/README.md").read_text()


def workflow(path: Path) -> dict[Any, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
