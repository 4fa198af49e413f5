"""Keys of a service under test, made and taken away as its operator does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from ops_orchestrator.service.access.api_key import NewKey, Scope
from ops_orchestrator.service.access.keys_file import changing


def make_key(file: Path, name: str, scope: Scope = "run", expires_in: timedelta | None = None) -> str:
    """Put a key into the file; returns its token."""
    ends = None if expires_in is None else datetime.now(UTC) + expires_in
    made = NewKey.make(name, scope, ends)
    with changing(file) as keys:
        keys.append(made.key)
    return made.token


def let_expire(file: Path, name: str) -> None:
    """Have a key of the file expire now."""
    with changing(file) as keys:
        keys[:] = [key.model_copy(update={"expires_at": datetime.now(UTC)}) if key.name == name else key for key in keys]


def revoke(file: Path, name: str) -> None:
    """Take a key out of the file."""
    with changing(file) as keys:
        keys[:] = [key for key in keys if key.name != name]


def bearer(token: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {token}"}
