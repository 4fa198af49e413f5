"""A service with two workers under way, as a process of its own."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from subprocess import PIPE, STDOUT, Popen
from threading import Thread
from typing import Any

import httpx2
from held_module import HeldModule
from local_service import started
from scripted_module import modules_yaml


class Workers:
    """A service with two workers under way."""

    def __init__(self, process: Popen[str]) -> None:
        self.process = process
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._clients = ExitStack()
        Thread(target=self._read, daemon=True).start()
        listening = self.until("service.listening")
        self.url: str = listening["url"]
        self.pids: list[int] = listening["workers"]

    def until(self, event: str) -> dict[str, Any]:
        """The next line of the log with this event, which may have to be waited for."""
        while line := self._lines.get():
            entry = json.loads(line)
            if entry["event"] == event:
                return dict(entry)
        raise AssertionError(f"the service ended without {event}")

    def rest(self) -> list[str]:
        """All lines until every process is gone."""
        return list(iter(self._lines.get, None))

    def client(self, worker: int) -> httpx2.Client:
        """A client with one connection, to the worker with this number."""
        client = self._clients.enter_context(httpx2.Client(base_url=self.url, timeout=None, trust_env=False))
        with paused([pid for pid in self.pids if pid != self.pids[worker]]):
            client.get("/health")
        return client

    def close(self) -> None:
        """Close all connections."""
        self._clients.close()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._lines.put(line)
        self._lines.put(None)


@contextmanager
def paused(pids: list[int]) -> Iterator[None]:
    """Processes that do nothing meanwhile."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            pass
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def workers(home: Path, module: HeldModule, **variables: str) -> Iterator[Workers]:
    """Two workers with their runs in `home`."""
    (home / "modules.yaml").write_text(modules_yaml(["alpha"]).replace("http://alpha.test", module.url))
    words = ("ops", "serve", "--port", "0")
    with started(home, *words, stdout=PIPE, stderr=STDOUT, **{"OPS_WORKERS": "2", **variables}) as process:
        service = Workers(process)
        try:
            yield service
        finally:
            service.close()
            process.send_signal(signal.SIGTERM)
            process.wait()
