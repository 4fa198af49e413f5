"""The Compose stack under test: testcontainers' DockerCompose with a project of its own, logs, and a sweep."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import docker
import httpx2
from container_engine import engine
from local_service import HTTP, ROOT
from testcontainers.compose import DockerCompose

from ops_contract.compliance.targets.image_under_test import LABEL
from ops_harness.containers import removed_by

PROJECT_PREFIX: Final = "ops-e2e-"
COMPOSE_LABEL: Final = "com.docker.compose.project"


@dataclass
class Stack(DockerCompose):
    """`compose.yaml` as `project`, up for as long as a `with` block lasts; `runs` is bind-mounted as the run store."""

    project: str = ""
    runs: Path = Path("runs")
    logs: Path = ROOT / "build" / "e2e-logs"
    _removal: ExitStack = field(default_factory=ExitStack, init=False, repr=False)

    @property
    def url(self) -> str:
        """The orchestrator's present address; the port changes when its container is started again."""
        return f"http://{self.compose('port', 'orchestrator', '8000').strip()}"

    def post(self, scenario: bytes, **headers: str) -> httpx2.Response:
        """Ask the orchestrator to run `scenario`."""
        headers = {"Content-Type": "application/json", **headers}
        return HTTP.post(f"{self.url}/plan_and_execute", content=scenario, headers=headers)

    def get(self, path: str) -> Any:
        """The JSON document at `path` of the orchestrator."""
        return HTTP.get(f"{self.url}{path}").raise_for_status().json()

    def compose(self, *words: str) -> str:
        """Run `docker compose WORDS` on this stack; returns what it printed."""
        command = [*self.docker_compose_command(), *words]
        ran = subprocess.run(command, cwd=self.context, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def start(self) -> None:
        """Start the services; when that fails, keep the containers' logs and say where."""
        down = ("down", "--volumes", "--remove-orphans", "--timeout", "0")  # no test is interested in how it stops
        self._removal.enter_context(removed_by(*self.docker_compose_command(), *down))
        try:
            self.compose("up", "--wait", *(["--build"] if self.build else []), *(self.services or ()))
        except AssertionError as error:
            error.add_note(f"the stack did not start; its logs are in {self.save_logs()}")
            raise

    def stop(self, down: bool = True) -> None:  # noqa: ARG002  # testcontainers' signature
        """Remove the stack."""
        self._removal.close()

    def save_logs(self) -> Path:
        """Write each container's log to a file; returns their folder."""
        folder = self.logs / self.project
        folder.mkdir(parents=True, exist_ok=True)
        with engine() as client:
            for container in client.containers.list(all=True, ignore_removed=True, filters=_of(self.project)):
                (folder / f"{container.name}.log").write_bytes(container.logs(timestamps=True))
        return folder


MakeStack = Callable[..., Stack]
"""Makes a stack of the override files and the environment that it is given; see the fixture `make_stack`."""


def sweep() -> None:
    """Remove what killed checks of the kit left behind; their process id is in the label."""
    with engine() as client:
        for container in client.containers.list(all=True, ignore_removed=True, filters={"label": LABEL}):
            if _is_gone(container.labels[LABEL]):
                with _unless_another_does():
                    container.remove(force=True, v=True)
        for network in client.networks.list(filters={"label": LABEL}):
            if _is_gone(network.attrs["Labels"][LABEL]):
                with _unless_another_does():
                    network.remove()


@contextmanager
def _unless_another_does() -> Iterator[None]:
    """Several processes sweep at once: what one has removed is not found, and what it is removing is a conflict."""
    try:
        yield
    except docker.errors.APIError as error:
        if error.status_code not in (404, 409):
            raise


def _of(project: str) -> dict[str, str | list[str] | bool]:
    return {"label": f"{COMPOSE_LABEL}={project}"}


def _is_gone(mark: str) -> bool:
    """Whether the process has ended whose id `mark` begins with."""
    return not Path(f"/proc/{mark.partition('-')[0]}").exists()
