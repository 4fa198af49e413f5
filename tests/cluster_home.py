"""Several processes of the orchestrator that share a folder of runs and a database, with modules that a test holds back."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from subprocess import PIPE, STDOUT, Popen
from threading import Event, Thread
from typing import Any, Final

import httpx2
import psycopg
from json_handler import JsonHandler
from local_service import HTTP, started
from reliability.folder_agreement import disagreements
from scripted_module import ScriptedModule, envelope, error_envelope

AT_ONCE: Final = {"Prefer": "respond-async"}

_MODULES: Final = ("alpha", "beta", "refusing")
_ANNOUNCED: Final = ("service.listening", "worker.started")


class HeldModules(ThreadingHTTPServer):
    """The modules of these tests: `asked` gets the name and the run of each call; those in `held` wait for their event."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), handler or _Handler)
        self.asked: SimpleQueue[tuple[str, str]] = SimpleQueue()
        self.calls: list[tuple[str, str]] = []
        self.held: dict[str, Event] = {}

    def handle_error(self, *_: Any) -> None:
        """Say nothing of a caller that has hung up."""

    def hold(self, name: str) -> Event:
        """Answer the calls of a module when this event is set."""
        self.held[name] = Event()
        return self.held[name]

    def yaml(self) -> str:
        """The modules.yaml that registers them."""
        port = self.server_address[1]
        url = f"http://127.0.0.1:{port}"
        names = "".join(f"  {name}: {{url: {url}/{name}, ready_timeout_s: 60}}\n" for name in _MODULES)
        return f"defaults: {{retries: 0, timeout_s: 600}}\nmodules:\n{names}"


class _Handler(JsonHandler):
    server: HeldModules

    def get(self) -> None:
        self.answer(ScriptedModule(self.name).healthy())

    def post(self) -> None:
        name = self.name
        call = (name, json.loads(self.body())["run_id"])
        self.server.calls.append(call)
        self.server.asked.put(call)
        if held := self.server.held.get(name):
            held.wait()
        if name == "refusing":
            self.answer(error_envelope(name), 422)
        else:
            self.answer(envelope(name))


@contextmanager
def held_modules(given: HeldModules | None = None) -> Iterator[HeldModules]:
    """The modules under way, which let go of all calls at the end."""
    with given or HeldModules() as modules:
        serving = Thread(target=modules.serve_forever)
        serving.start()
        try:
            yield modules
        finally:
            for event in modules.held.values():
                event.set()
            modules.shutdown()
            serving.join()


class Process:
    """A process of the orchestrator that has said where it listens, at `url`; its log is in `lines`."""

    def __init__(self, process: Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._announced: SimpleQueue[str] = SimpleQueue()
        Thread(target=self._read, daemon=True).start()
        self.url = self._announced.get()
        assert self.url, "".join(self.lines)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it, and wait until it is gone; returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line)
            if any(f'"{event}"' in line for event in _ANNOUNCED):
                self._announced.put(json.loads(line)["url"])
        self._announced.put("")


class ClusterHome:
    """The `folder` in which all of them work; `database` is the address of what they share."""

    def __init__(self, folder: Path, database: str, modules: HeldModules, **variables: str) -> None:
        self.folder = folder
        self.modules = modules
        self.variables = {
            "OPS_DATABASE_URL": database,
            "OPS_HEARTBEAT_S": "0.2",
            "OPS_STALLED_S": "2",
            "OPS_DURABILITY": "os",
            **variables,
        }
        (folder / "modules.yaml").write_text(modules.yaml())

    @contextmanager
    def api(self, **variables: str) -> Iterator[Process]:
        """A process that accepts runs and executes none."""
        with self._process("serve", OPS_EMBEDDED_WORKERS="0", **variables) as process:
            yield process

    @contextmanager
    def worker(self, **variables: str) -> Iterator[Process]:
        """A process that executes runs."""
        with self._process("worker", **variables) as process:
            yield process

    def forget_jobs(self) -> None:
        """Lose what is in the queue."""
        with psycopg.connect(self.variables["OPS_DATABASE_URL"]) as connection:
            connection.execute("DELETE FROM procrastinate_jobs")

    @contextmanager
    def held(self, table: str) -> Iterator[None]:
        """Nobody can write into a table of the database; who tried it meanwhile is refused at the end."""
        with psycopg.connect(self.variables["OPS_DATABASE_URL"]) as connection:
            connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE".encode())
            yield
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")

    @contextmanager
    def serving(self, **variables: str) -> Iterator[Process]:
        """A process that accepts runs and executes them, too."""
        with self._process("serve", **variables) as process:
            yield process

    @contextmanager
    def _process(self, command: str, **variables: str) -> Iterator[Process]:
        words = ("ops", command, "--port", "0")
        with started(self.folder, *words, stdout=PIPE, stderr=STDOUT, **{**self.variables, **variables}) as process:
            yield Process(process)

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """What the queue says of each run that waits, or that a worker has."""
        with psycopg.connect(self.variables["OPS_DATABASE_URL"]) as connection:
            return [arguments for (arguments,) in connection.execute("SELECT args FROM procrastinate_jobs").fetchall()]

    @property
    def ordered(self) -> set[str]:
        """The runs that are to be cancelled."""
        with psycopg.connect(self.variables["OPS_DATABASE_URL"]) as connection:
            return {run_id for (run_id,) in connection.execute("SELECT run_id FROM ops.cancellations").fetchall()}

    def log(self, run_id: str) -> list[dict[str, Any]]:
        """The log of a run."""
        return [json.loads(line) for line in (self.folder / "runs" / run_id / "logs.jsonl").read_text().splitlines()]

    def events(self, run_id: str) -> list[str]:
        """The events of its log."""
        return [line["event"] for line in self.log(run_id)]

    def is_queued(self, run_id: str) -> bool:
        """Whether it is in the queue, or with a worker."""
        return any(job["run_id"] == run_id for job in self.jobs)

    def disagreements(self, run_id: str) -> list[str]:
        """What contradicts what in the folder of a run."""
        return disagreements(self.folder / "runs" / run_id)


def start(api: Process, *modules: str, **headers: str) -> str:
    """Have a run of `modules` accepted; returns its id."""
    answer = post(api, *modules, **{**AT_ONCE, **headers})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["run_id"])


def post(api: Process, *modules: str, **headers: str) -> httpx2.Response:
    """The answer to a run of `modules`, or of the first one."""
    scenario = {"scenario_id": "demo", "modules": list(modules or _MODULES[:1])}
    return HTTP.post(f"{api.url}/plan_and_execute", json=scenario, headers=headers)


def status(api: Process, run_id: str) -> str:
    """The status of a run, as a process tells it."""
    return str(HTTP.get(f"{api.url}/runs/{run_id}").json()["status"])
