"""The keys that count now: those of the file, read again when it has changed."""

import time
from pathlib import Path
from typing import Any, Final

import structlog

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.service.access.api_key import ApiKey
from ops_orchestrator.service.access.keys_file import read_keys, why_exposed

_log: Any = structlog.get_logger("ops_orchestrator.access")

_Version = tuple[int, int, int] | None
_NEVER_READ: Final[_Version] = (-1, -1, -1)
_TRY_AGAIN_S: Final = 1.0


class KeyRing:
    """The keys in `file`. While it is not there, or cannot be read, no key counts: nobody knows which were revoked."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._version = _NEVER_READ
        self._keys: dict[str, ApiKey] = {}
        self.is_broken = False
        """Whether the file could not be read; the log says why."""
        self._said = ""
        self._try_again_at = 0.0

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
        self.look()
        return self._keys.get(key_id)

    def look(self) -> None:
        """Read the file again, if it has changed."""
        version = self._now()
        if version != self._version or self._is_due():
            self._read()
            self._version = version

    def __len__(self) -> int:
        return len(self._keys)

    def _is_due(self) -> bool:
        """Whether a file that could not be read may be readable now, unchanged: it was given to this user, say."""
        return self.is_broken and time.monotonic() >= self._try_again_at

    def _now(self) -> _Version:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> None:
        try:
            self._keys = {key.id: key for key in read_keys(self._file)}
            self.is_broken, self._said = False, ""
        except (ConfigurationError, FileNotFoundError) as error:
            self._keys, self.is_broken = {}, True
            self._try_again_at = time.monotonic() + _TRY_AGAIN_S
            reason = f"there is no file {self._file}" if isinstance(error, FileNotFoundError) else str(error)
            if reason != self._said:
                _log.error("access.keys_unreadable", message=f"no key is accepted until this is repaired: {reason}")
            self._said = reason
