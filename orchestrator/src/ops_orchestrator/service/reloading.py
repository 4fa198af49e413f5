"""modules.yaml, read again while the service runs: a good file takes effect in all workers, a wrong one in none."""

import asyncio
import os
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import structlog

from ops_orchestrator.errors import BadModulesFileError, ConfigurationError
from ops_orchestrator.modules.catalogue import Catalogue, load_catalogue
from ops_orchestrator.modules.registration import Changes, Registration
from ops_orchestrator.modules.shared_files import refuse_unshared
from ops_orchestrator.modules.yaml_file import content_of
from ops_orchestrator.runs.store.claimed_keys import alone_in
from ops_orchestrator.service.siblings import Siblings, Worker

RELOAD: Final = "/modules/reload"
"""Where a caller has modules.yaml read again, and a worker tells the others that it was."""

# In the folder of the workers, the bytes of modules.yaml that are in effect in all of them.
_IN_EFFECT: Final = "registered"

_log: Any = structlog.get_logger("ops_orchestrator")


@dataclass(frozen=True)
class _Read:
    """What was read of modules.yaml, and when."""

    content: bytes
    at: datetime


class ModulesFile:
    """The file `path`, and what of it is in effect. Several workers share what the first of them read in `folder`."""

    def __init__(
        self, path: Path, folder: Path | None, read: _Read, registration: Registration, *, among_processes: bool
    ) -> None:
        self.path = path
        self._among_processes = among_processes
        self.registration = registration
        self._folder = folder
        self._read = read

    @classmethod
    def read(cls, path: Path, worker: Worker | None, *, among_processes: bool = False) -> Self:
        """Register what the file says, or what it said when the other workers read it. Raises ConfigurationError.

        `among_processes`, runs are executed by others, too, which a file has to fit then.
        """
        folder = worker.folder if worker else None
        if folder is None:
            read = _Read(content_of(path), _now())
            registration = Registration(_fitting(path, read.content, among_processes=among_processes))
            return cls(path, None, read, registration, among_processes=among_processes)
        with alone_in(folder):
            in_effect = _in_effect(folder)
            read = in_effect or _Read(content_of(path), _now())
            registration = Registration(_fitting(path, read.content, among_processes=among_processes))
            if in_effect is None:
                _put_into_effect(folder, read.content)
        return cls(path, folder, read, registration, among_processes=among_processes)

    @property
    def read_at(self) -> datetime:
        """When what is in effect was read."""
        return self._read.at

    def is_current(self) -> bool:
        """Whether the file still says what is in effect; False also when it cannot be read. Blocking."""
        with suppress(ConfigurationError):
            return _content_again(self.path) == self._read.content
        return False

    def read_again(self) -> Changes:
        """Register what the file says now. Blocking. Raises ConfigurationError, after which all is as before."""
        with alone_in(self._folder) if self._folder else nullcontext():
            content = _content_again(self.path)
            catalogue = _fitting(self.path, content, among_processes=self._among_processes)
            if self._folder is not None:
                _put_into_effect(self._folder, content)
        self._read = _Read(content, _now())
        return self.registration.replace(catalogue)

    def take(self) -> None:
        """Register what another worker has read. Blocking."""
        if self._folder is not None and (read := _in_effect(self._folder)) and read.content != self._read.content:
            self.registration.replace(load_catalogue(self.path, os.environ, read.content))
            self._read = read


class Reloading:
    """Has `file` read again, one request after another, and tells the `siblings`."""

    def __init__(self, file: ModulesFile, siblings: Siblings) -> None:
        self.file = file
        self._siblings = siblings
        self._one_by_one = asyncio.Lock()

    async def reload(self) -> Changes:
        """Read modules.yaml again; what it says is in effect in all workers that answer. Raises BadModulesFileError."""
        async with self._one_by_one:
            try:
                changes = await asyncio.to_thread(self.file.read_again)
            except ConfigurationError as error:
                _log.error("modules.not_reloaded", message=f"{error}; the modules that were registered before stay")
                raise BadModulesFileError(f"{error}. The modules that were registered before stay.") from error
            await self._siblings.tell(RELOAD)
        message = f"{self.file.path} was read again: {changes.in_words()}; runs and sweeps under way keep what they began with"
        _log.info("modules.reloaded", **changes.as_json(), message=message)
        return changes

    async def on_signal(self) -> None:
        """As `reload`, for a signal, whose sender reads the log."""
        with suppress(BadModulesFileError):
            await self.reload()

    async def take(self) -> None:
        """Take over what a sibling has read."""
        await asyncio.to_thread(self.file.take)


def _fitting(path: Path, content: bytes, *, among_processes: bool) -> Catalogue:
    """What the file says, unless it cannot work here. Raises ConfigurationError."""
    catalogue = load_catalogue(path, os.environ, content)
    refuse_unshared(catalogue, among_processes=among_processes)
    return catalogue


def _now() -> datetime:
    return datetime.now(UTC)


def _content_again(path: Path) -> bytes:
    """As `content_of`. A pipe can be read once at most, and whoever opens it again may wait for ever."""
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"cannot read {path}: it is not a plain file; set OPS_MODULES_FILE to your modules.yaml")
    return content_of(path)


def _in_effect(folder: Path) -> _Read | None:
    """What the workers have read; None when the first of them starts."""
    with suppress(FileNotFoundError), (folder / _IN_EFFECT).open("rb") as file:
        return _Read(file.read(), datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC))
    return None


def _put_into_effect(folder: Path, content: bytes) -> None:
    part = folder / f"{_IN_EFFECT}.{os.getpid()}"
    part.write_bytes(content)
    part.replace(folder / _IN_EFFECT)
