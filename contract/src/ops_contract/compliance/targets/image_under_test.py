"""An image and the containers that the kit starts from it, hardened as in the stack, and removes."""

import asyncio
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Literal

from ops_contract.compliance.observation import Seen
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.redaction import secrets_of_settings, without_secrets
from ops_contract.compliance.targets.engine import Say, engine_errors, explained, in_background
from ops_contract.compliance.targets.errors import TargetError

if TYPE_CHECKING:  # see engine.py
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.images import Image

LABEL: Final = "org.openpolicystack.compliance-kit"
"""The label of every container and network of the kit; its value begins with the process id of the kit."""

DEFAULT_PORT: Final = 8080
READY_S: Final = 60.0
STOP_S: Final = 10.0

_MEMORY: Final = "4g"
_MOST_PROCESSES: Final = 1024
_LOG_LINES: Final = 20
_PAUSE_S: Final = 0.1
_LONGEST_PROBE_S: Final = 10.0
# The engine cannot read the logs of some drivers, and a module may write without end.
_LOG_DRIVER: Final = "json-file"
_LOG_LIMITS: Final = {"max-size": "16m", "max-file": "2"}
_HARDENED: Final = {
    "read_only": True,
    "tmpfs": {"/tmp": ""},  # noqa: S108  # in the container
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
}


@dataclass(frozen=True)
class Start:
    """One start of the image. `port` is what OPS_PORT was set to, if it was; `failure` says why it did not become ready."""

    hardened: bool
    port: int | None
    url: str
    container: "Container | None" = field(repr=False)
    failure: str | None
    log: str

    @property
    def described(self) -> str:
        """How it was started, in a few words."""
        return _described(self.hardened, self.port)

    def outcome(self) -> str:
        """Ready, or why not, with the end of the log."""
        return "ready" if self.failure is None else f"{self.failure}{self.log and f'; its log ends with{self.log}'}"


@dataclass(frozen=True)
class Settings:
    """How an image is started: its arguments, its environment, how long it may take, and where its logs are kept."""

    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_s: float = READY_S
    logs: Path | None = None


class ImageUnderTest:
    """An image and its containers. Whoever makes one calls `remove` at the end, whatever happens in between."""

    def __init__(self, client: "DockerClient", image: "Image", settings: Settings, say: Say) -> None:
        self.settings = settings
        self.secrets = secrets_of_settings(settings.environment)
        self.starts: list[Start] = []
        self._client, self._image, self._say = client, image, say
        self._mark = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._network: str | None = None
        self._containers: list[tuple[str, Container]] = []
        self._making, self._removed = Lock(), False

    @property
    def main(self) -> Start:
        """The start that everything is checked on, or the first one when none got ready."""
        return next((start for start in self.starts if start.failure is None), self.starts[0])

    async def start(self, *, hardened: bool, port: int | None = None) -> Start:
        """Start another container, and wait until it is ready, has ended, or has taken too long."""
        container, url, failure = None, "", None
        began = time.monotonic()
        try:
            container = await in_background(lambda: self._make(hardened, port))
            url = _published(container, port)
            # An image that ignores OPS_PORT already listens on its default port: there is no need to wait for the other.
            instead = None if port is None else Probe(_published(container, None))
            failure = await self._until_ready(container, Probe(url), instead, began)
        except TargetError as error:
            failure = str(error)
        log = await in_background(lambda: self._last_lines(container)) if container and failure else ""
        made = Start(hardened, port, url, container, failure, log)
        self.starts.append(made)
        return made

    async def stop(self, start: Start) -> str | None:
        """Send SIGTERM and wait for 10 s. Returns what is wrong; raises TargetError when it has ended already."""
        return await in_background(lambda: self._stop(start))

    def last_lines(self) -> str:
        """The last lines of the main container's log, indented; empty when it has none."""
        return self._last_lines(self.main.container)

    def remove(self) -> None:
        """Keep the logs and remove everything that was started, also what is just being started."""
        # Not asynchronous: a second interruption must not keep it from removing the containers.
        with self._making:
            self._removed = True
        left = []
        if self.settings.logs is not None:
            self._keep_logs(self.settings.logs)
        ours: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={self._mark}"}
        try:
            for container in self._client.containers.list(all=True, filters=ours):
                left += _tried(container.name, lambda found=container: found.remove(force=True, v=True))
            for network in self._client.networks.list(filters=ours):
                left += _tried(network.name, network.remove)
        except engine_errors() as error:
            left.append(explained(error))
        if left:
            self._say(f"could not remove everything that was started, labelled {LABEL}={self._mark}: {'; '.join(left)}")

    def _make(self, hardened: bool, port: int | None) -> "Container":
        """A started container. Raises TargetError when the engine cannot start it."""
        with self._making:
            if self._removed:
                raise TargetError("the check is over")
            try:
                if self._network is None:
                    name = f"ops-contract-{self._mark}"
                    self._network = str(self._client.networks.create(name, labels={LABEL: self._mark}).name)
                container = self._client.containers.create(self._image, **self._options(hardened, port))
                self._containers.append((_described(hardened, port), container))
                container.start()
                container.reload()
            except engine_errors() as error:
                raise TargetError(f"the engine cannot start it: {explained(error)}") from error
            return container

    def _options(self, hardened: bool, port: int | None) -> dict[str, Any]:
        from docker.types import LogConfig  # noqa: PLC0415  # see engine.py

        # Another user each time: "any" means that the image can know none of them.
        user = ":".join(str(20_000 + secrets.randbelow(40_000)) for _ in ("user", "group"))
        return {
            "command": list(self.settings.command) or None,
            "environment": {**self.settings.environment, **({} if port is None else {"OPS_PORT": str(port)})},
            "ports": {f"{number}/tcp": ("127.0.0.1", None) for number in {DEFAULT_PORT, port or DEFAULT_PORT}},
            "network": self._network,
            "labels": {LABEL: self._mark},
            "mem_limit": _MEMORY,
            "pids_limit": _MOST_PROCESSES,
            "log_config": LogConfig(type=_LOG_DRIVER, config=_LOG_LIMITS),
            **({"user": user, **_HARDENED} if hardened else {}),
        }

    async def _until_ready(self, container: "Container", probe: Probe, instead: Probe | None, began: float) -> str | None:
        longest = self.settings.ready_s
        while True:
            left = longest - (time.monotonic() - began)
            seen = Seen(await probe.send("GET", "/health", timeout_s=max(0.1, min(_LONGEST_PROBE_S, left))))
            if seen.is_done:
                return None
            if instead is not None and Seen(await instead.send("GET", "/health", timeout_s=1)).is_done:
                return f"it listens on {DEFAULT_PORT} whatever OPS_PORT says"
            if ended := await in_background(lambda: _ended(container)):
                return f"{ended} after {time.monotonic() - began:.1f} s"
            if time.monotonic() - began > longest:
                return f"the container is not ready within {longest:g} s: GET /health on its port answers {seen.summary()}"
            await asyncio.sleep(_PAUSE_S)

    def _stop(self, start: Start) -> str | None:
        if start.container is None or (ended := _ended(start.container)):
            raise TargetError(f"it was no longer running: {ended if start.container else start.failure}")
        with suppress(*engine_errors()):  # its state tells the result
            start.container.kill("SIGTERM")
            start.container.wait(timeout=STOP_S)
        if _ended(start.container):
            return None
        return f"still running {STOP_S:g} s after SIGTERM"

    def _last_lines(self, container: "Container | None") -> str:
        lines = self._log(container, tail=_LOG_LINES).splitlines() if container else []
        return "".join(f"\n  {line}" for line in lines)

    def _log(self, container: "Container", tail: int | Literal["all"]) -> str:
        try:
            content: bytes = container.logs(tail=tail)
        except engine_errors() as error:
            return f"(the engine cannot show its log: {explained(error)})"
        return without_secrets(content.decode(errors="replace"), self.secrets)

    def _keep_logs(self, file: Path) -> None:
        parts = [f"--- {what}\n{self._log(container, tail='all')}" for what, container in self._containers]
        try:
            file.write_text("\n".join(parts), encoding="utf-8")
        except OSError as error:
            self._say(f"cannot write {file}: {error.strerror}")


def _published(container: "Container", port: int | None) -> str:
    bindings = container.attrs["NetworkSettings"]["Ports"].get(f"{port or DEFAULT_PORT}/tcp")
    # None when it ended before its state was read.
    return f"http://127.0.0.1:{bindings[0]['HostPort']}" if bindings else "http://127.0.0.1:0"


def _ended(container: "Container") -> str | None:
    """How it ended; None while it is running."""
    try:
        container.reload()
    except engine_errors() as error:
        raise TargetError(f"the engine cannot tell its state: {explained(error)}") from error
    state = container.attrs["State"]
    if state["Running"]:
        return None
    why = f", killed for taking more than {_MEMORY} of memory" if state.get("OOMKilled") else ""
    return f"the container ended with exit code {state['ExitCode']}{why}"


def _described(hardened: bool, port: int | None) -> str:
    return f"{'hardened' if hardened else 'not hardened'}, OPS_PORT {'not set' if port is None else port}"


def _tried(name: str | None, remove: Any) -> list[str]:
    """Remove something; returns why `name` could not be removed, or nothing."""
    from docker.errors import NotFound  # noqa: PLC0415  # see engine.py

    try:
        remove()
    except NotFound:
        return []
    except engine_errors() as error:
        return [f"{name}: {explained(error)}"]
    return []
