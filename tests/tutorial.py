"""Does what a tutorial says: files are written, changes are applied, and commands come to what is said of them."""

import os
import pty
import random
import re
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen
from termios import TIOCSWINSZ
from typing import Final

import pytest
from command_line import rest_of
from local_service import environment, service, started

_BLOCK: Final = re.compile(
    r"(?:`(?P<file>[^`\s]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$(?:\n\n^```text\n(?P<shown>.*?)^```$)?",
    flags=re.DOTALL | re.MULTILINE,
)
_OTHER_TERMINAL: Final = re.compile(r"# in (?:a |the )?(?P<which>\w+) terminal.*\n")
_AGAIN: Final = "# ask again until it shows this\n"
_COLUMNS: Final = 98
_PORTS: Final = range(20_000, 32_000)
"""Below those from which the system chooses on its own."""
_CONTROL: Final = re.compile(r"(\x1b\[[0-9;?]*[A-Za-z]|\r?\n|\r)")
_SAYS_NOT_WHERE: Final = ("weed",)
"""Services that do not say where they listen: what needs them waits for them."""
# Of whoever runs the test. What a shell was given it may hand on to the next one, which has another terminal.
_OF_THE_TEST: Final = ("VIRTUAL_ENV", "PYTHONPATH", "TERM", "COLUMNS")
_KEY: Final = re.compile(r"ops_[0-9a-f]{8}_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Block:
    """A block of a document: what is in it, for a file its name, and for commands what the next block says that they print."""

    kind: str
    text: str
    file: str | None
    shown: str | None


def blocks_of(document: str, replaced: Mapping[str, str]) -> Iterator[Block]:
    """The blocks of a document, with some words, such as ports, `replaced` by others."""
    words = re.compile("|".join(map(re.escape, replaced)))
    for block in _BLOCK.finditer(document):
        text, shown = (part and words.sub(lambda word: replaced[word[0]], part) for part in block.group("text", "shown"))
        yield Block(block["kind"], text, block["file"], shown)


@dataclass
class Reader:
    """Somebody who does what a document says, in `folder`; bash reads `prelude` before each of their commands."""

    folder: Path
    prelude: str
    given: dict[str, str] = field(default_factory=dict)
    """Variables of the reader's environment."""
    key: str = ""
    """The API key that was shown last, which they write in the place of KEY."""
    terminals: dict[str, ExitStack] = field(default_factory=dict)

    def do(self, block: Block) -> None:
        """Run the block's commands, apply its change, or write its file."""
        if block.file is not None and block.kind != "diff":
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.kind == "sh" and (other := _OTHER_TERMINAL.match(block.text)):
            self.close(other["which"])
            if lines := block.text.strip().splitlines()[1:]:
                self.start(other["which"], lines[-1])
        elif block.kind == "sh" and block.shown is not None:
            self.see(block.text, block.shown)
        elif block.kind == "sh":
            self.shell("\n".join(map(_with_outcome, block.text.strip().splitlines())))
        elif block.kind == "diff":
            (self.folder / "change.diff").write_text(block.text, encoding="utf-8")
            self.shell("git apply change.diff\nrm change.diff")
        else:
            pytest.fail(f"neither commands, nor a change, nor a file with a name: {block.text}")

    def shell(self, script: str) -> None:
        """Run commands, all of which have to come to what is said of them."""
        words = ["bash", "-c", f"{self.prelude}set -x\n{self._filled(script)}\n{{ set +x; }} 2>/dev/null\npwd >where"]
        ran = subprocess.run(words, cwd=self.folder, env=self.variables(), stdout=PIPE, stderr=STDOUT, text=True, check=False)
        assert ran.returncode == 0, f"{script}\n\n{ran.stdout[-5000:]}"
        where = next(path for path in (self.folder / "where", *self.folder.glob("*/where")) if path.is_file())
        self.folder = Path(where.read_text().strip())
        where.unlink()

    def see(self, script: str, shown: str) -> None:
        """Run commands on a terminal, on which they print what is `shown`."""
        expected = _pattern(shown)
        commands = "\n".join(line.partition(" # → ")[0] for line in script.splitlines())
        while True:
            printed = self._on_terminal(commands)
            if expected.fullmatch(printed):
                break
            assert script.startswith(_AGAIN), f"{script}\nshould print\n\n{shown}\nand prints\n\n{printed}"
        if keys := _KEY.findall(printed):
            self.key = keys[-1]

    def start(self, terminal: str, line: str) -> None:
        """Start a service in a terminal of its own."""
        opened = self.terminals[terminal] = ExitStack()
        words = ("bash", "-c", f"{self.prelude}exec env {line}")
        if line.startswith(_SAYS_NOT_WHERE):
            process = opened.enter_context(started(self.folder, *words, stdout=DEVNULL, stderr=DEVNULL, **self.variables()))
        else:
            process, _ = opened.enter_context(service(self.folder, *words, **self.variables()))
        opened.callback(_interrupt, process)

    def close(self, terminal: str) -> None:
        """Press Ctrl-C in a terminal, and wait until what ran there has ended."""
        if terminal in self.terminals:
            self.terminals.pop(terminal).close()

    def variables(self) -> dict[str, str]:
        """An environment without the one that runs this test."""
        found = environment(**{"PATH": "/usr/local/bin:/usr/bin:/bin", **self.given})
        return {name: value for name, value in found.items() if name not in _OF_THE_TEST}

    def _filled(self, script: str) -> str:
        return re.sub(r"\bKEY\b", lambda _: self.key, script)

    def _on_terminal(self, script: str) -> str:
        terminal, side = pty.openpty()
        ioctl(side, TIOCSWINSZ, struct.pack("HHHH", 50, _COLUMNS, 0, 0))
        words = ["bash", "-c", f"{self.prelude}set +e\n{self._filled(script)}"]
        variables = self.variables() | {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": str(_COLUMNS)}
        with Popen(words, cwd=self.folder, env=variables, stdin=DEVNULL, stdout=side, stderr=side):
            os.close(side)
            return _plain(_left_on_screen(rest_of(terminal).decode()))


@contextmanager
def reader(folder: Path, prelude: str, **variables: str) -> Iterator[Reader]:
    """A reader whose terminals are closed at the end."""
    reading = Reader(folder, prelude, variables)
    try:
        yield reading
    finally:
        for terminal in [*reading.terminals]:
            reading.close(terminal)


def free_ports(number: int) -> list[str]:
    """So many ports of this machine at which nobody listens, and that no connection is given before somebody does."""
    with ExitStack() as held:
        servers = [held.enter_context(_server()) for _ in range(number)]
        return [str(server.getsockname()[1]) for server in servers]


def _server() -> socket.socket:
    while True:
        with suppress(OSError):
            return socket.create_server(("127.0.0.1", random.choice(_PORTS)))  # noqa: S311  # no secret


def _interrupt(process: Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    process.wait()


def _with_outcome(line: str) -> str:
    """The command in `line`, which fails unless it comes to what is said after the arrow."""
    command, _, outcome = line.partition(" # → ")
    if not outcome:
        return command
    if code := re.fullmatch(r"exit code (\d+)", outcome):
        return f"code=0; {command} >/dev/null || code=$?; [ $code = {code[1]} ]"
    return f"{command} | says '{outcome}'"


def _left_on_screen(printed: str) -> str:
    """What is left of what was printed on a terminal, where lines such as a count are written again and again."""
    lines = [""]
    for part in _CONTROL.split(printed):
        if part.endswith("\n"):
            lines.append("")
        elif part in ("\r", "\x1b[2K"):  # what comes next takes the place of the line
            lines[-1] = ""
        elif part == "\x1b[1A":  # one line up
            lines.pop()
        elif not part.startswith("\x1b"):
            lines[-1] += part
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Lines with single blanks in them: how wide a column is depends on what is in it."""
    return "".join(" ".join(line.split()) + "\n" for line in text.strip().splitlines())


def _pattern(shown: str) -> re.Pattern[str]:
    """What a document shows, where … stands for anything in a line, and alone in its line for any lines."""
    lines = ["(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + "\n" for line in _plain(shown).splitlines()]
    return re.compile("".join(lines))
