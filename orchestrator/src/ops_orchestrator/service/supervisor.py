"""A service that is several processes: starts them on one socket, replaces those that die or hang, and stops them as one.

uvicorn has a supervisor too. It restarts without a pause, waits without end for a process that does not stop, forgets the exit
code, and lets each process report the same mistake.
"""

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import redirect_stderr, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import structlog

from ops_orchestrator.errors import ConfigurationError, OrchestratorError
from ops_orchestrator.exit_code import STOPPED_BY, ExitCode
from ops_orchestrator.runs.shared_slots import require_shared_slots
from ops_orchestrator.service.access.open_rule import refuse_open, warn_if_open
from ops_orchestrator.service.hangup import RELOAD, Terminal
from ops_orchestrator.service.listener import listening_socket, log_listening, url_of
from ops_orchestrator.service.liveness import answers, socket_of, until_silent
from ops_orchestrator.service.service_log import configure_service_log
from ops_orchestrator.service.whole_writes import whole_lines
from ops_orchestrator.settings import Settings

# For what a worker does besides its open answers: it ends its calls and runs, and writes them.
_LONGEST_END_S: Final = 10.0
_LONGEST_PAUSE_S: Final = 30.0
_LONG_LIFE_S: Final = 60.0
_LONGEST_SILENCE_S: Final = 3.0
# The path of a Unix socket has at most 107 bytes, with the name of the socket.
_LONGEST_FOLDER_BYTES: Final = 90

_log: Any = structlog.get_logger("ops_orchestrator")


def serve_with_workers(settings: Settings) -> ExitCode:
    """Serve the orchestrator with several processes until a signal ends this one. Raises OrchestratorError."""
    refuse_open(settings)
    require_shared_slots()
    with listening_socket(settings) as listener, TemporaryDirectory(prefix="ops-workers-") as folder:
        if len(folder.encode()) > _LONGEST_FOLDER_BYTES:
            raise ConfigurationError(f"the path of the temporary folder {folder} is too long for a socket; set TMPDIR")
        with whole_lines(sys.stderr.fileno(), Path(folder) / "log") as log, redirect_stderr(log):
            configure_service_log(settings.log_format)
            warn_if_open(settings)
            return asyncio.run(_Supervisor(settings, listener, folder).serve())


class _Supervisor:
    def __init__(self, settings: Settings, listener: socket.socket, folder: str) -> None:
        self._settings = settings
        self._listener = listener
        self._folder = folder
        self._processes: dict[int, Process] = {}
        self._ready: set[int] = set()
        self._is_announced = False
        self._is_hurried = False
        self._reloads: set[asyncio.Task[None]] = set()
        self._terminal = Terminal()
        self._one_starts = asyncio.Lock()
        self._ending: asyncio.Future[ExitCode]

    async def serve(self) -> ExitCode:
        """Keep the workers until a signal comes, or one of them cannot even begin; returns when all of them are gone."""
        loop = asyncio.get_running_loop()
        self._ending = loop.create_future()
        for number, code in STOPPED_BY.items():
            if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
                loop.add_signal_handler(number, self._stop, code)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        keepers = [asyncio.create_task(self._keep(number)) for number in range(self._settings.workers)]
        for keeper in keepers:
            keeper.add_done_callback(self._let_go)
        try:
            return await self._ending
        finally:
            await self._end(keepers)

    def _stop(self, code: ExitCode) -> None:
        if self._ending.done() and self._settings.drain_s and not self._is_hurried:
            # A second signal means that nobody wants to wait for runs to end, and a third that nobody wants to wait at all.
            self._is_hurried = True
            self._tell_all(signal.SIGTERM)
        elif self._ending.done():
            self._kill()
        else:
            self._ending.set_result(code)

    def _hang_up(self) -> None:
        if self._terminal.is_gone():
            self._stop(ExitCode.DONE)
        else:
            task = asyncio.create_task(self._reload())
            self._reloads.add(task)
            task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> None:
        """Have the first worker that answers read modules.yaml again; it tells the others."""
        for number in sorted(self._ready):
            if await answers(socket_of(Path(self._folder), number), _LONGEST_SILENCE_S) and number in self._ready:
                _send(self._processes[number], RELOAD)
                return
        _log.error("modules.not_reloaded", message="no worker answers; send the signal again when one does")

    def _let_go(self, keeper: "asyncio.Task[None]") -> None:
        error = keeper.exception()
        if error is not None and not self._ending.done():
            self._ending.set_exception(error)

    async def _end(self, keepers: list["asyncio.Task[None]"]) -> None:
        # With the workers' copies closed too, a caller who connects now is refused, and does not wait for an answer.
        self._listener.close()
        self._tell_all(signal.SIGTERM)
        longest_s = self._settings.drain_s + self._settings.stop_grace_s + _LONGEST_END_S
        _, late = await asyncio.wait(keepers, timeout=longest_s)
        if late:
            _log.error(
                "worker.killed", message="workers that did not stop in time are killed; their runs end at the next start"
            )
            self._kill()
            await asyncio.wait(keepers)

    def _kill(self) -> None:
        self._tell_all(signal.SIGKILL)

    def _tell_all(self, number: int) -> None:
        for process in self._processes.values():
            _send(process, number)

    async def _keep(self, number: int) -> None:
        """Start the worker `number`, and another in its place whenever it dies. Raises OrchestratorError at the start."""
        loop = asyncio.get_running_loop()
        deaths = 0
        while not self._ending.done():
            began = loop.time()
            process = await self._start(number)
            if process is None:
                return
            failure = await _failure(process)
            if failure is None:
                self._note_ready(number)
            await self._end_of(number, process)
            if failure is not None and not self._is_announced:
                raise failure
            self._ready.discard(number)
            if self._ending.done():
                return
            deaths = 1 if loop.time() - began > _LONG_LIFE_S else deaths + 1
            pause_s = min(2.0 ** min(deaths - 2, 10), _LONGEST_PAUSE_S) if deaths > 1 else 0.0
            why = f"it cannot start: {failure}" if failure else f"it ended with exit code {process.returncode}"
            _log.error("worker.died", worker=number, pid=process.pid, message=f"{why}; another starts in {pause_s:g} s")
            await asyncio.wait([self._ending], timeout=pause_s)

    async def _end_of(self, number: int, process: Process) -> None:
        """Wait until the worker is gone. One that hangs is killed, so that another takes its place."""
        ended = asyncio.create_task(process.wait())
        silent = asyncio.create_task(until_silent(socket_of(Path(self._folder), number)))
        await asyncio.wait([ended, silent], return_when=asyncio.FIRST_COMPLETED)
        silent.cancel()
        # While all are ended, those that hang have as much time as the others.
        if not ended.done() and not self._ending.done():
            message = "it has not answered several times in a row and is killed; its runs become interrupted"
            _log.error("worker.hangs", worker=number, pid=process.pid, message=message)
            _send(process, signal.SIGKILL)
        await ended

    async def _start(self, number: int) -> Process | None:
        """Start the worker `number` and give it its task; None when all are being ended."""
        async with self._one_starts:
            if self._ending.done():
                return None
            listener = self._listener.fileno()
            process = self._processes[number] = await _started(listener)
        if self._ending.done():
            _send(process, signal.SIGTERM)
        place = {"number": number, "count": self._settings.workers, "folder": self._folder, "listener": listener}
        await _tell(process, place | {"settings": self._settings.with_secrets()})
        return process

    def _note_ready(self, number: int) -> None:
        self._ready.add(number)
        if self._is_announced:
            _log.info("worker.started", worker=number, pid=self._processes[number].pid)
        elif len(self._ready) == self._settings.workers:
            self._is_announced = True
            workers = [self._processes[each].pid for each in sorted(self._processes)]
            log_listening(url_of(self._listener), self._settings, workers=workers)


async def _started(listener: int) -> Process:
    # A terminal sends these to all its processes. Workers never see them: the supervisor decides, and tells them.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        # -P: the folder in which the service is started is no place for Python to find libraries in.
        command = (sys.executable, "-P", "-m", "ops_orchestrator.service.worker")
        return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, pass_fds=(listener,))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def _tell(process: Process, task: Mapping[str, Any]) -> None:
    """Give a worker its task, as the first line of its input, which stays open."""
    assert process.stdin is not None  # noqa: S101  # piped
    with suppress(ConnectionError):  # it died, which is noticed elsewhere
        process.stdin.write(json.dumps(task).encode() + b"\n")
        await process.stdin.drain()


async def _failure(process: Process) -> OrchestratorError | None:
    """Wait until a worker is ready; why it cannot be, or None."""
    assert process.stdout is not None  # noqa: S101  # piped
    line = await process.stdout.readline()
    if not line:
        code = await process.wait()
        return OrchestratorError(f"a worker ended with exit code {code} before it was ready; what it wrote says why")
    reported = json.loads(line)
    return ConfigurationError(reported["failed"]) if "failed" in reported else None


def _send(process: Process, number: int) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)
