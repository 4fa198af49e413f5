"""A module on a real socket that answers when the test lets it."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

from json_handler import JsonHandler
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


class _Handler(JsonHandler):
    server: HeldModule

    def get(self) -> None:
        self.answer(ScriptedModule().healthy())

    def post(self) -> None:
        self.server.bodies.append(self.body())
        self.server.asked.put(self.path)
        self.server.opened.wait()
        self.answer(envelope())


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
