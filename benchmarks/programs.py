"""The measured programs as processes of their own: the floor, the plain program, and the orchestrator as `ops serve`."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import uvloop
from load import MeasurementError, callers
from module_server import ARTIFACTS, MODULES
from results import FLOOR, OURS, PLAIN

from ops_orchestrator.settings import Settings

HERE: Final = Path(__file__).parent
_START_S: Final = 60
_STOP_S: Final = 30


class Program(NamedTuple):
    """What is measured: a program with a number of processes that share the work, of this version unless another is named."""

    name: str
    workers: int
    version: str = ""
    python: str = sys.executable

    @property
    def is_available(self) -> bool:
        """Whether this version can be started so."""
        return self.name != OURS or self.workers == 1 or "workers" in Settings.model_fields

    def __str__(self) -> str:
        return " ".join(filter(None, (self.name, self.version))) + f", {self.workers} worker{'s' if self.workers > 1 else ''}"


PROGRAMS: Final = tuple(Program(name, workers) for name in (FLOOR, PLAIN, OURS) for workers in (1, 2))


class Running(NamedTuple):
    """A process, the port at which it and its descendants answer, and the file to which they write."""

    pid: int
    port: int
    log: Path


@contextmanager
def module_server(folder: Path, step_s: float = 0.0) -> Iterator[Running]:
    """The modules that all programs call, which take `step_s` seconds for a step."""
    port, log = free_port(), folder / "modules.log"
    with started([sys.executable, str(HERE / "module_server.py"), str(port), str(step_s)], {}, log) as process:
        yield Running(process.pid, port, log)


@contextmanager
def running(program: Program, folder: Path, modules: Running) -> Iterator[Running]:
    """A program that has answered its first run. Raises MeasurementError when it does not or keeps less than it should."""
    port, home = free_port(), folder / str(program).replace(",", "").replace(" ", "-")
    runs, log = home / "runs", home / "log"
    runs.mkdir(parents=True)
    words, variables = _COMMANDS[program.name](Start(port, home, runs, modules.port, program.workers, program.python))
    with started(words, variables, log) as process:
        measured = Running(process.pid, port, log)
        with explained(program, measured):
            uvloop.run(_first_run(port, process))
            _check_folder(runs)
        yield measured


@contextmanager
def explained(program: Program, process: Running) -> Iterator[None]:
    """Add the name of the program and the end of its log to a MeasurementError."""
    try:
        yield
    except MeasurementError as error:
        raise MeasurementError(f"{program}: {error}\n{process.log.read_text(errors='replace')[-2000:]}") from error


def free_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Start(NamedTuple):
    """How a program is started: port, a folder for itself, one for its runs, the modules' port, processes, and its Python."""

    port: int
    home: Path
    runs: Path
    module_port: int
    workers: int
    python: str


Command = tuple[Sequence[str], Mapping[str, str]]
"""Words, and variables of the environment."""


def _floor(start: Start) -> Command:
    numbers = [str(start.port), str(start.runs), str(start.module_port), str(start.workers)]
    return [sys.executable, str(HERE / "floor.py"), *numbers], {}


def _plain(start: Start) -> Command:
    where = ["--app-dir", str(HERE), "--port", str(start.port), "--workers", str(start.workers)]
    words = [sys.executable, "-m", "uvicorn", "plain_program:app", *where, "--no-access-log", "--log-level", "warning"]
    return words, {"PLAIN_RUNS_DIR": str(start.runs), "PLAIN_MODULES_URL": f"http://127.0.0.1:{start.module_port}"}


def _ours(start: Start) -> Command:
    file = start.home / "modules.yaml"
    entries = "".join(f"  {name}: {{url: 'http://127.0.0.1:{start.module_port}/{name}'}}\n" for name in MODULES)
    file.write_text(f"modules:\n{entries}")
    variables = {
        "OPS_MODULES_FILE": str(file),
        "OPS_RUNS_DIR": str(start.runs),
        "OPS_MAX_CONCURRENT_RUNS": "256",  # each of 128 callers has its run at once, as in the other programs
        "OPS_WORKERS": str(start.workers),
    }
    return [start.python, "-m", "ops_orchestrator", "serve", "--port", str(start.port)], variables


_COMMANDS: Final = {FLOOR: _floor, PLAIN: _plain, OURS: _ours}


@contextmanager
def started(words: Sequence[str], variables: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, which writes to `log` and is ended with all its descendants."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OPS_")}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            words,
            cwd=log.parent,
            env={**inherited, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


async def _first_run(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the program has answered a run. Raises MeasurementError."""
    until = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < until:
        try:
            async with callers(port, 1) as load:
                await load.reach(1)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
        else:
            return
    raise MeasurementError("it ended" if process.poll() is not None else f"it answers no run within {_START_S} s")


def _check_folder(runs: Path) -> None:
    """Raise MeasurementError unless the first run left every artifact and a log to its end."""
    folder = next(runs.glob("run_*"))
    found = {str(path.relative_to(folder)) for path in folder.glob("artifacts/*/*")}
    expected = {f"artifacts/{module}/{name}" for module, names in ARTIFACTS.items() for name in names}
    if found != expected or b"run.ended" not in (folder / "logs.jsonl").read_bytes():
        raise MeasurementError(f"the run folder lacks the end of the log, or an artifact, and has {sorted(found)}")
