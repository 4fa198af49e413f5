"""The Docker engine behind a socket of ours that holds back one kind of request until it is let go."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingUnixStreamServer
from threading import Event, Thread
from urllib.parse import urlsplit


class HeldEngine(ThreadingUnixStreamServer):
    """`held` is set when a request whose first bytes contain `path` arrives; it reaches the engine once `let_go` is set."""

    def __init__(self, socket_file: Path, path: bytes) -> None:
        self.path, self.held, self.let_go = path, Event(), Event()
        super().__init__(str(socket_file), Relay)


class Relay(BaseRequestHandler):
    """One connection, passed on in both directions."""

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")).path)
            back = Thread(target=self.pass_on, args=(engine, self.request))
            back.start()
            self.pass_on(self.request, engine)
            back.join()

    def pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                if isinstance(self.server, HeldEngine) and self.server.path in chunk:
                    self.server.held.set()
                    self.server.let_go.wait()
                sink.sendall(chunk)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def held_engine(folder: Path, path: bytes) -> Iterator[tuple[HeldEngine, str]]:
    """An engine that holds back requests for `path`, and its address as DOCKER_HOST takes it."""
    with HeldEngine(folder / "engine.sock", path) as engine:
        serving = Thread(target=engine.serve_forever)
        serving.start()
        try:
            yield engine, f"unix://{folder / 'engine.sock'}"
        finally:
            engine.let_go.set()
            engine.shutdown()
            serving.join()
