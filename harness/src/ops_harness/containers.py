"""The stack as containers, from the Compose file that this package ships, and single modules from their images.

Needs the extra `containers` and an engine. What is started is removed by a guard, also when the session is killed.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from ops_harness.errors import HarnessError
from ops_harness.modules_file import ORCHESTRATOR, shipped_services, url_variables, write_modules_file
from ops_harness.process import GUARD
from ops_harness.replacement import Replacement
from ops_harness.stack import Stack, http_client

PROJECT_PREFIX: Final = "ops-harness-"
_PORT: Final = 8080
_NUMBERS: Final = count()


@contextmanager
def stack_of_containers(
    folder: Path,
    replacements: Sequence[Replacement] = (),
    settings: Mapping[str, str] | None = None,
    modules_file: Path | None = None,
) -> Iterator[Stack]:
    """As `stack_of_processes`, with a container for each service.

    The images are OPS_ORCHESTRATOR_IMAGE and OPS_STUBS_IMAGE of the environment, by default those that the project's own
    `docker build` commands make. Raises HarnessError when the stack does not start.
    """
    try:
        from testcontainers.compose import DockerCompose  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise HarnessError(f"{error.name} is missing; install openpolicystack-harness[containers]") from None

    runs, logs = (folder / name for name in ("runs", "logs"))
    for path in (runs, logs):
        path.mkdir(parents=True, exist_ok=True)
    services = _services(replacements)
    modules = (modules_file or write_modules_file(folder / "modules.yaml", services.urls)).absolute()
    file = _compose_file(folder, services, {"/app/runs": runs, "/app/modules.yaml": modules}, settings or {})
    compose = DockerCompose(folder, str(file))
    command = compose.docker_compose_command()
    with removed_by(*command, "down", "--volumes", "--remove-orphans", "--timeout", "0"):
        _up(command, folder, logs)
        follow = (*command, "logs", "--follow", "--no-color")
        with _followed(logs / "containers.log", *follow), http_client() as http:
            url, *stubs = (
                f"http://127.0.0.1:{compose.get_service_port(name, port)}"
                for name, port in ((ORCHESTRATOR, 8000), *((name, _PORT) for name in services.stubs))
            )
            yield Stack(url, runs, logs, dict(zip(services.stubs, stubs, strict=True)), http)


@contextmanager
def module_container(replacement: Replacement, logs: Path) -> Iterator[str]:
    """A container of the replacement's image; gives its base URL. Raises HarnessError when it cannot be started."""
    name = f"{PROJECT_PREFIX}{os.getpid()}-{next(_NUMBERS)}-{replacement.module}"
    words = ["docker", "run", "--detach", "--name", name, "--env", f"OPS_PORT={_PORT}", "--publish", f"127.0.0.1::{_PORT}"]
    with removed_by("docker", "rm", "--force", "--volumes", name):
        _output(*words, replacement.target)
        with _followed(logs / f"{replacement.module}.log", "docker", "logs", "--follow", name):
            yield f"http://{_output('docker', 'port', name, str(_PORT)).splitlines()[0]}"


@contextmanager
def removed_by(*command: str) -> Iterator[None]:
    """Run `command` at the end, or when this process was killed."""
    words = [sys.executable, "-I", "-S", str(GUARD), "after", *command]
    with subprocess.Popen(  # noqa: S603  # our own command
        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as guard:
        try:
            yield
        finally:
            assert guard.stdin is not None  # noqa: S101  # for the type checker
            guard.stdin.close()
            guard.wait()


@dataclass(frozen=True)
class _Services:
    """The services of a stack: the orchestrator, `stubs`, and modules of one's own; `urls` has where each module listens."""

    orchestrator: dict[str, Any]
    stubs: Mapping[str, dict[str, Any]]
    others: Mapping[str, dict[str, Any]]
    urls: Mapping[str, str]


def _services(replacements: Sequence[Replacement]) -> _Services:
    """The stack that this package ships, with `replacements` in the places of stubs or beside them."""
    shipped = shipped_services()
    orchestrator = shipped.pop(ORCHESTRATOR)
    hardening = {key: value for key, value in next(iter(shipped.values())).items() if key not in ("image", "command")}
    replaced = {one.module for one in replacements}
    stubs = {name: stub for name, stub in shipped.items() if name not in replaced}
    others = {one.module: {**hardening, "image": one.target} for one in replacements if one.is_image}
    urls = {name: f"http://{name}:{_PORT}" for name in (*stubs, *others)}
    urls |= {one.module: one.url_from_container for one in replacements if not one.is_image}
    return _Services(orchestrator, stubs, others, urls)


def _compose_file(folder: Path, services: _Services, mounts: Mapping[str, Path], settings: Mapping[str, str]) -> Path:
    """Write the Compose file of a stack, in which a free port of this machine leads to each stub, too."""
    orchestrator = services.orchestrator | {
        "ports": ["127.0.0.1::8000"],
        "volumes": [{"type": "bind", "source": str(path), "target": target} for target, path in mounts.items()],
        "environment": {
            **services.orchestrator["environment"],
            **url_variables(services.urls),
            **settings,
        },
    }
    stubs = {
        name: {**stub, "command": [name, "--admin"], "ports": [f"127.0.0.1::{_PORT}"]} for name, stub in services.stubs.items()
    }
    project = f"{PROJECT_PREFIX}{os.getpid()}-{next(_NUMBERS)}"
    document = {"name": project, "services": {ORCHESTRATOR: orchestrator, **stubs, **services.others}}
    path = folder / "compose.json"
    path.write_text(json.dumps(document, indent=2), encoding="utf-8")  # JSON is YAML
    return path


def _up(command: Sequence[str], folder: Path, logs: Path) -> None:
    ran = subprocess.run([*command, "up", "--wait"], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if ran.returncode:
        log = logs / "containers.log"
        log.write_text(_output(*command, "logs", "--no-color"), encoding="utf-8")
        raise HarnessError(f"the stack did not start; the log of its containers is {log}\n{ran.stderr.strip()}")


@contextmanager
def _followed(log: Path, *command: str) -> Iterator[None]:
    """What containers log is kept in `log`, as long as they are there."""
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL) as following:  # noqa: S603
        try:
            yield
        finally:
            following.terminate()


def _output(*command: str) -> str:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own commands
    except FileNotFoundError:
        raise HarnessError(f"the command {command[0]!r} is missing; install Docker, or do without containers") from None
    if ran.returncode:
        raise HarnessError(f"{' '.join(command)} failed: {ran.stderr.strip()}")
    return ran.stdout.strip()
