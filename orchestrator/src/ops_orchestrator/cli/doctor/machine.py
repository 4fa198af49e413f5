"""The machine: the port and who has it, descriptors, and the container engine that `ops up` needs."""

import errno
import http.client
import json
import resource
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ops_orchestrator.cli.doctor.finding import Finding
from ops_orchestrator.descriptors import needed, places_for
from ops_orchestrator.settings import Settings

_PATIENCE_S: Final = 3.0
_DOCKER_PATIENCE_S: Final = 20.0
_MOST_BYTES: Final = 64 * 1024
_LISTENS: Final = "0A"


def port(settings: Settings) -> Iterator[Finding]:
    """Whether a service answers at OPS_URL, and whether the port is free or who has it."""
    version = _orchestrator_at(settings.url)
    if version is not None:
        yield Finding("ok", "service", f"orchestrator {version} answers at {settings.url}")
    else:
        yield Finding("ok", "service", f"none answers at {settings.url}; `ops serve` starts one")
    if settings.port == 0:
        yield Finding("ok", "port", "the system picks a free one")
        return
    where = f"{settings.host}:{settings.port}"
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        with socket.create_server((settings.host, settings.port), family=family):
            yield Finding("ok", "port", f"{where} is free")
    except OSError as error:
        yield _taken(settings, where, error, is_ours=version is not None and urlsplit(settings.url).port == settings.port)


def _taken(settings: Settings, where: str, error: OSError, *, is_ours: bool) -> Finding:
    holder = _holder_of(settings.port)
    by = f" by {holder}" if holder else ""
    if is_ours and error.errno == errno.EADDRINUSE:
        return Finding("ok", "port", f"{where} is in use{by}, the orchestrator")
    reason = str(error.strerror).partition(" (while ")[0]
    if error.errno != errno.EADDRINUSE:
        return Finding(
            "wrong", "port", f"{where} cannot be used: {reason}", "set OPS_HOST to an address of this machine, or OPS_PORT"
        )
    return Finding("wrong", "port", f"{where} cannot be used: {reason}{by}", "stop that, or set OPS_PORT, and OPS_URL with it")


def _orchestrator_at(url: str) -> str | None:
    """The version of the orchestrator that answers there, or None."""
    parts = urlsplit(url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with suppress(OSError, http.client.HTTPException, ValueError):
        connection = connect(parts.hostname or "", parts.port, timeout=_PATIENCE_S)
        try:
            connection.request("GET", f"{parts.path.rstrip('/')}/health", headers={"Accept": "application/json"})
            body = json.loads(connection.getresponse().read(_MOST_BYTES))
        finally:
            connection.close()
        if isinstance(body, dict) and body.get("module") == "orchestrator":
            return str(body.get("version"))[:60]
    return None


def _holder_of(number: int) -> str | None:
    """The process that listens on a port, as far as this user may see that."""
    inodes = {f"socket:[{inode}]" for inode in _listening(number)}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(str(link.readlink()) in inodes for link in (process / "fd").iterdir()):
                name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                return f"process {process.name} ({name})"
    return None


def _listening(number: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == number:
                    yield fields[9]


def descriptors(settings: Settings) -> Finding:
    """Whether the runs that the settings allow fit below the limit on open files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = None if hard == resource.RLIM_INFINITY else hard
    warning = places_for(settings, most).warning
    if warning is None:
        return Finding(
            "ok", "descriptors", f"{'no limit' if most is None else f'{most:,}'}; runs need up to {needed(settings):,}"
        )
    message, _, remedy = warning.partition("; ")
    return Finding("warning", "descriptors", message, remedy)


def docker() -> Iterator[Finding]:
    """Whether there is a container engine with Compose, which `ops up` alone needs."""
    if shutil.which("docker") is None:
        yield Finding("warning", "docker", "the command docker is not on the PATH", "`ops up` needs it; `ops serve` does not")
        return
    engine, why = _said("docker", "version", "--format", "{{.Server.Version}}")
    if engine is None:
        remedy = "start the engine, or see that this user may use it; only `ops up` needs it"
        yield Finding("warning", "docker", f"the engine does not answer: {why}", remedy)
        return
    compose, why = _said("docker", "compose", "version", "--short")
    if compose is None:
        yield Finding("warning", "docker", f"there is no Compose: {why}", "install Compose 2.24 or newer, for `ops up`")
    else:
        yield Finding("ok", "docker", f"engine {engine}, Compose {compose}")


def _said(*words: str) -> tuple[str | None, str]:
    """What a command prints when it succeeds, and else why it does not."""
    try:
        ran = subprocess.run(  # noqa: S603  # words of ours
            words, capture_output=True, text=True, check=False, timeout=_DOCKER_PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    if ran.returncode == 0 and ran.stdout.strip():
        return ran.stdout.strip().splitlines()[0][:60], ""
    said = (ran.stderr or ran.stdout).strip().splitlines()
    return None, said[-1][:200] if said else f"exit code {ran.returncode}"
