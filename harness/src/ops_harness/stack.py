"""A stack that runs: the orchestrator, its modules, and the folder in which its runs are kept."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from ops_harness.errors import HarnessError
from ops_harness.process import last_lines
from ops_harness.scenario import Scenario, read_scenario
from ops_harness.stub import Stub
from ops_orchestrator import Run, open_run


@dataclass(frozen=True)
class Stack:
    """The orchestrator listens at `url`, keeps its runs in `runs`, and its services write their logs to `logs`.

    `stubs` has the base URLs of the stubs, by module, as this process reaches them; modules that were replaced have none.
    """

    url: str
    runs: Path
    logs: Path
    stubs: Mapping[str, str]
    http: httpx2.Client

    @property
    def modules(self) -> list[str]:
        """The names of all registered modules."""
        return [str(one["name"]) for one in self.http.get(f"{self.url}/modules").raise_for_status().json()["modules"]]

    def run(self, scenario: Scenario, *, seed: int | None = None, status: str = "completed") -> Run:
        """Run a scenario and wait until it is over. `seed` takes the place of the scenario's own.

        Raises AssertionError with the step and the message when it ends with another status, or is refused.
        """
        __tracebackhide__ = True
        answer = self.http.post(f"{self.url}/plan_and_execute", json=read_scenario(scenario, seed))
        return self._ended(answer, status)

    def reproduce(self, run: Run) -> tuple[Run, dict[str, Any]]:
        """Run it again with the modules as they were recorded; returns the new run, and its `reproduction`: grade and cause."""
        __tracebackhide__ = True
        answer = self.http.post(f"{self.url}/runs/{run.id}/reproduce", json={})
        again = self._ended(answer, run.status)
        return again, dict(answer.json()["reproduction"])

    def open(self, run_id: str) -> Run:
        """A run of this stack by its id, such as one that the module under test has started."""
        return open_run(run_id, self.runs)

    def stub(self, name: str) -> Stub:
        """The stub of the module `name`. Raises HarnessError when there is none."""
        if name not in self.stubs:
            raise HarnessError(f"{name!r} is no stub of this stack; its stubs are {', '.join(sorted(self.stubs)) or 'none'}")
        return Stub(name, self.stubs[name], self.http)

    def log_sizes(self) -> dict[Path, int]:
        """How long each log is now."""
        return {path: path.stat().st_size for path in sorted(self.logs.glob("*.log"))}

    def logged_since(self, before: Mapping[Path, int]) -> str:
        """The last lines that each service has logged since `log_sizes` was `before`."""
        parts = {path: last_lines(path, since=before.get(path, 0)) for path in self.log_sizes()}
        return "\n".join(f"--- {path}\n{text}" for path, text in parts.items() if text)

    def _ended(self, answer: httpx2.Response, status: str) -> Run:
        __tracebackhide__ = True  # a failed test shows the test
        told = answer.json()
        if "run_id" not in told:
            raise AssertionError(f"the orchestrator made no run: {_problem(told)}")
        run = self.open(told["run_id"])
        if run.status != status:
            raise AssertionError(f"{_ending(run, told)}\nIts folder: {run.folder}{os.sep}")
        return run


def http_client() -> httpx2.Client:
    """What a stack is asked with: by no proxy, and without a limit of its own. A test that hangs is ended by its own."""
    return httpx2.Client(timeout=None, trust_env=False, verify=False)  # nothing is reached through TLS


def _problem(told: Mapping[str, Any]) -> str:
    """The problem document in sentences."""
    errors = [f"{one.get('pointer', '')} {one.get('message', one.get('detail', ''))}".strip() for one in told.get("errors", ())]
    return "\n  ".join([f"{told.get('title')}: {told.get('detail')}", *errors])


def _ending(run: Run, told: Mapping[str, Any]) -> str:
    error = told.get("error")
    if error is None:
        return f"run {run.id} is {run.status}."
    where = f" in step {error['step']!r} ({error['module']})" if error.get("step") else ""
    return f"run {run.id} is {run.status}{where}: {error['code']}: {error['message']}"
