"""One of the processes of a service that has several: `python -m ops_orchestrator.service.worker`, run by the supervisor.

The first line of its standard input says what it is to do. The input ends with the supervisor, and the worker with it. Its
standard output takes one line, which says that it is ready, or why it cannot be.
"""

import json
import os
import shutil
import signal
import socket
import sys
from pathlib import Path
from threading import Thread
from typing import Any

from ops_orchestrator.errors import ConfigurationError, StoreError
from ops_orchestrator.exit_code import ExitCode
from ops_orchestrator.service.app import create_service
from ops_orchestrator.service.server import serve_on
from ops_orchestrator.service.service_log import configure_service_log
from ops_orchestrator.service.shared_listener import OpenConnections
from ops_orchestrator.service.siblings import Worker
from ops_orchestrator.service.whole_writes import whole_lines
from ops_orchestrator.settings import Settings


def main() -> None:
    """Serve until a signal ends the process, or the supervisor is gone."""
    task = json.loads(sys.stdin.buffer.readline())
    settings = Settings(**task["settings"])
    worker = Worker(task["number"], task["count"], Path(task["folder"]))
    # Whatever a library prints is not for the supervisor.
    report = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    Thread(target=_end_with_supervisor, args=(worker.folder,), daemon=True).start()
    sys.stderr = whole_lines(sys.stderr.fileno(), worker.folder / "log")
    configure_service_log(settings.log_format)
    try:
        service = create_service(settings, worker=worker)
    except (ConfigurationError, StoreError) as error:
        _report(report, {"failed": str(error)})
        sys.exit(ExitCode.USAGE)
    with socket.socket(fileno=task["listener"]) as listener, worker.listen() as passed_on:
        connections = OpenConnections(worker.folder / "connections", worker.number, worker.count)
        serve_on(
            [passed_on],
            service.app,
            settings,
            lambda: _report(report, {"ready": True}),
            service=service,
            shared=(listener, connections),
        )


def _report(descriptor: int, what: dict[str, Any]) -> None:
    os.write(descriptor, json.dumps(what).encode() + b"\n")
    os.close(descriptor)


def _end_with_supervisor(folder: Path) -> None:
    # Not through the object: the interpreter would wait for this thread at its end, to close it.
    while os.read(0, 1024):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
