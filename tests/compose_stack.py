"""The Compose stack under test: testcontainers' DockerCompose with a project name, time-outs, logs, and a sweep."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import docker
import httpx2
from testcontainers.compose import DockerCompose

from ops_contract.compliance.targets.image_under_test import LABEL

ROOT: Final = Path(__file__).parents[1]
PROJECT_PREFIX: Final = "ops-e2e-"
COMPOSE_LABEL: Final = "com.docker.compose.project"


@dataclass
class Stack(DockerCompose):
    """One start of `compose.yaml`. `environment` is what a user would export; `runs` is bind-mounted as the run store."""

    project: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    runs: Path = Path("runs")
    logs: Path = ROOT / "build" / "e2e-logs"
    timeout_s: float = 300

    @property
    def compose_command_property(self) -> list[str]:
        """The Compose command with the project's name."""
        files = [word for file in self.compose_file_name or [] for word in ("-f", file)]
        return ["docker", "compose", "--project-name", self.project, *files]

    @property
    def url(self) -> str:
        """Where the orchestrator is now; the port changes when its container is started again."""
        host, port = self.get_service_host_and_port("orchestrator", 8000)
        return f"http://{host}:{port}"

    def post(self, scenario: bytes, **headers: str) -> httpx2.Response:
        """Ask the orchestrator to run `scenario`."""
        sent = {"Content-Type": "application/json", **headers}
        return httpx2.post(f"{self.url}/plan_and_execute", content=scenario, headers=sent, timeout=120)

    def get(self, path: str) -> Any:
        """The JSON document at `path` of the orchestrator."""
        return httpx2.get(f"{self.url}{path}", timeout=30).raise_for_status().json()

    def compose(self, *words: str) -> str:
        """Run `docker compose WORDS` on this stack; returns what it printed."""
        return self._run_command([*self.compose_command_property, *words]).stdout.decode()

    def start(self) -> None:
        """Start the stack; when that fails, keep the containers' logs and say where."""
        try:
            super().start()
        except subprocess.SubprocessError as error:
            said = getattr(error, "stderr", b"") or b""
            message = f"the stack did not start; logs are in {self.save_logs()}\n{said.decode(errors='replace')[-3000:]}"
            raise RuntimeError(message) from error

    def save_logs(self) -> Path:
        """Write each container's log to a file; returns their folder."""
        folder = self.logs / self.project
        folder.mkdir(parents=True, exist_ok=True)
        for container in _of_project(self.project):
            (folder / f"{container.name}.log").write_bytes(container.logs(timestamps=True))
        return folder

    def _run_command(self, cmd: Any, context: str | None = None) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, **self.environment, "OPS_RUNS_DIR": str(self.runs)}
        return subprocess.run(
            cmd, check=True, capture_output=True, cwd=context or self.context, env=environment, timeout=self.timeout_s
        )


def sweep() -> None:
    """Remove what test sessions and the compliance kit left behind that were killed; their process id is in the names."""
    client = docker.from_env()
    ours: dict[str, str | list[str] | bool] = {"label": LABEL}
    for container in client.containers.list(all=True, filters=ours):
        if _is_gone(container.labels[LABEL]):
            container.remove(force=True, v=True)
    for network in client.networks.list(filters=ours):
        if _is_gone(network.attrs["Labels"][LABEL]):
            network.remove()
    left = {c.labels[COMPOSE_LABEL] for c in client.containers.list(all=True, filters={"label": COMPOSE_LABEL})}
    for project in left:
        if project.startswith(PROJECT_PREFIX) and _is_gone(project.removeprefix(PROJECT_PREFIX)):
            for container in _of_project(project):
                container.remove(force=True, v=True)
            client.networks.prune(filters={"label": f"{COMPOSE_LABEL}={project}"})
            for volume in client.volumes.list(filters={"label": f"{COMPOSE_LABEL}={project}"}):
                volume.remove(force=True)
    client.close()


def _is_gone(mark: str) -> bool:
    """Whether the process has ended whose id `mark` begins with."""
    return not Path(f"/proc/{mark.partition('-')[0]}").exists()


def engine_answers() -> bool:
    """Whether containers can be started here."""
    try:
        client = docker.from_env(timeout=10)
        client.ping()
        client.close()
    except docker.errors.DockerException:
        return False
    return True


def _of_project(project: str) -> list[Any]:
    client = docker.from_env()
    try:
        return list(client.containers.list(all=True, filters={"label": f"{COMPOSE_LABEL}={project}"}))
    finally:
        client.close()
