"""Modules that compute something else each time, and remember by its key what they answered, as an idempotent module does."""

import json
import secrets
from collections import defaultdict
from http.server import BaseHTTPRequestHandler
from threading import Lock
from typing import Any, cast

from cluster_home import HeldModules
from scripted_module import ScriptedModule, envelope

Computed = int


class ComputingModules(HeldModules):
    """The modules `alpha`, `beta` and `refusing`, of which none refuses."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self._computed: dict[str, dict[str, Computed]] = defaultdict(dict)
        self._lock = Lock()

    def compute(self, run_id: str, step_id: str) -> Computed:
        """What is answered to a key."""
        with self._lock:
            return self._computed[run_id].setdefault(step_id, secrets.randbelow(2**31))

    def computed_of(self, run_id: str) -> dict[str, Computed]:
        """What was computed for a run, by step."""
        return self._computed[run_id]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the library's name
        self._answer(ScriptedModule(self._name).healthy())

    def do_POST(self) -> None:  # as above
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number = cast(ComputingModules, self.server).compute(asked["run_id"], asked["step_id"])
        self._answer(envelope(self._name, outputs={"number": number}))

    @property
    def _name(self) -> str:
        return self.path.split("/")[1]

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
