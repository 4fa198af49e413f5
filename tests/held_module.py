"""A module on a real socket that answers when the test lets it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

from scripted_module import ScriptedModule, envelope


class HeldModule(ThreadingHTTPServer):
    """The module `alpha`: `asked` gets an entry for each call, and `bodies` its body; it is answered once `opened` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: SimpleQueue[str] = SimpleQueue()
        self.bodies: list[bytes] = []
        self.opened = Event()

    def handle_error(self, *_: Any) -> None:
        """Say nothing of a caller that has hung up."""

    @property
    def url(self) -> str:
        """Where modules.yaml finds it."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: HeldModule

    def do_GET(self) -> None:  # the library's name
        self._answer(ScriptedModule().healthy())

    def do_POST(self) -> None:  # as above
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.put(self.path)
        self.server.opened.wait()
        self._answer(envelope())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def held_module() -> Iterator[HeldModule]:
    """A module under way, which lets go of all calls at the end."""
    with HeldModule() as module:
        serving = Thread(target=module.serve_forever)
        serving.start()
        try:
            yield module
        finally:
            module.opened.set()
            module.shutdown()
            serving.join()
