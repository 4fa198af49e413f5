"""Modules that compute something else each time, and remember by its key what they answered, as an idempotent module does."""

import json
import secrets
from collections import defaultdict
from threading import Lock
from typing import cast

from cluster_home import HeldModules
from json_handler import JsonHandler
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


class _Handler(JsonHandler):
    def get(self) -> None:
        self.answer(ScriptedModule(self.name).healthy())

    def post(self) -> None:
        asked = json.loads(self.body())
        number = cast(ComputingModules, self.server).compute(asked["run_id"], asked["step_id"])
        self.answer(envelope(self.name, outputs={"number": number}))
