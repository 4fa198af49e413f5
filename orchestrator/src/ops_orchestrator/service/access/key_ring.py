"""The keys that count now: those of the file, read again when it has changed."""

from pathlib import Path
from typing import Any, Final

import structlog

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.service.access.api_key import ApiKey
from ops_orchestrator.service.access.keys_file import read_keys, why_exposed

_log: Any = structlog.get_logger("ops_orchestrator.access")

_Version = tuple[int, int, int] | None
_NEVER_READ: Final[_Version] = (-1, -1, -1)


class KeyRing:
    """The keys in `file`. While it is not there, or cannot be read, no key counts: nobody knows which were revoked."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._version = _NEVER_READ
        self._keys: dict[str, ApiKey] = {}
        self.is_broken = False
        """Whether the file could not be read; the log says why."""

    @classmethod
    def open(cls, file: Path, *, warns: bool = True) -> "KeyRing":
        """The keys in a file that has to be there. Raises ConfigurationError."""
        try:
            is_empty = not read_keys(file)
        except FileNotFoundError as error:
            how = "make the first key with `ops keys add NAME --scope run`"
            raise ConfigurationError(f"there is no file of keys {file}, which OPS_API_KEYS_FILE names; {how}") from error
        if warns and is_empty:
            _log.warning("access.no_keys", message=f"{file} has no key, so that nobody can use the service; see `ops keys add`")
        if warns and (exposed := why_exposed(file)):
            _log.warning("access.keys_exposed", message=exposed)
        return cls(file)

    def find(self, key_id: str) -> ApiKey | None:
        """The key with this public id, expired or not."""
        version = self._now()
        if version != self._version:
            self._read()
            self._version = version
        return self._keys.get(key_id)

    def __len__(self) -> int:
        return len(self._keys)

    def _now(self) -> _Version:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> None:
        try:
            self._keys = {key.id: key for key in read_keys(self._file)}
            self.is_broken = False
        except (ConfigurationError, FileNotFoundError) as error:
            self._keys, self.is_broken = {}, True
            reason = f"there is no file {self._file}" if isinstance(error, FileNotFoundError) else str(error)
            _log.error("access.keys_unreadable", message=f"no key is accepted until this is repaired: {reason}")
