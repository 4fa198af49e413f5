"""The Compose stack of a checkout, as `docker compose` runs it."""

import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ops_orchestrator.errors import CannotReachError, ConfigurationError
from ops_orchestrator.published_address import published_url

_ORCHESTRATOR: Final = "orchestrator"
_INSIDE_PORT: Final = "8000"
_SHOWN_CHARACTERS: Final = 500


@dataclass(frozen=True)
class ComposeProject:
    """The stack in `folder`, with `environment` added to ours. Output of commands goes to the terminal.

    Every call raises CannotReachError when Docker fails, ConfigurationError when there is no stack in `folder`.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def modules(self) -> tuple[str, ...]:
        """The services that stand for modules."""
        if not (self.folder / "compose.yaml").exists():
            raise ConfigurationError(
                f"there is no compose.yaml in {self.folder.resolve()}; go to the checkout and run it there"
            )
        services: dict[str, Any] = json.loads(self._output("config", "--format", "json"))["services"]
        return tuple(name for name, service in services.items() if name != _ORCHESTRATOR and "profiles" not in service)

    def up(self) -> str:
        """Build what is ours, start everything and wait until it is ready; returns the orchestrator's address."""
        self._run("docker", "compose", "build", visible=True)
        self._run("docker", "compose", "up", "--detach", "--wait", visible=True, **self._image_digests())
        return published_url(self._output("port", _ORCHESTRATOR, _INSIDE_PORT).strip())

    def image_digest(self, image: str) -> str | None:
        """The digest of an image as records of runs have it; None when the engine does not know the image."""
        try:
            return self._run("docker", "image", "inspect", "--format", "{{.Id}}", image, visible=False).strip() or None
        except CannotReachError:
            return None

    def _image_digests(self) -> dict[str, str]:
        """Which image each service runs, for the records of runs; modules.yaml takes it from the environment."""
        script = self.folder / "orchestrator" / "image-digests"
        lines = self._run(str(script.resolve()), visible=False).splitlines() if script.exists() else []
        return dict(shlex.split(line.removeprefix("export "))[0].split("=", 1) for line in lines)

    def _output(self, *words: str) -> str:
        return self._run("docker", "compose", *words, visible=False)

    def _run(self, *command: str, visible: bool, **variables: str) -> str:
        environment = {**os.environ, **self.environment, **variables}
        try:
            ran = subprocess.run(  # noqa: S603  # commands of ours, with names that Compose itself gave
                command, cwd=self.folder, env=environment, capture_output=not visible, text=True, check=False
            )
        except FileNotFoundError as error:
            message = "the command docker is not on the PATH; install Docker with Compose 2.24 or newer"
            raise CannotReachError(message) from error
        if ran.returncode:
            output = "see its output above" if visible else ran.stderr.strip()[-_SHOWN_CHARACTERS:]
            raise CannotReachError(f"{shlex.join(command)} ended with {ran.returncode}: {output}")
        return ran.stdout or ""
