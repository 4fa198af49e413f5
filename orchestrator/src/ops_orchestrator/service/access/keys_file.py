"""The file of keys: read whole, and written so that a reader finds the old one or the new one."""

import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ops_contract import JsonError, parse_json, problem_of
from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.service.access.api_key import ApiKey

MOST_KEYS: Final = 1000
"""So many keys are in a file at most."""

MOST_BYTES: Final = 1024 * 1024
"""And so many bytes."""

_FORMAT: Final = 1
_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Annotated[int, Field(ge=_FORMAT, le=_FORMAT)]
    keys: Annotated[list[ApiKey], Field(max_length=MOST_KEYS, fail_fast=True)]


def read_keys(file: Path) -> tuple[ApiKey, ...]:
    """The keys in `file`, oldest first. Raises ConfigurationError, and FileNotFoundError when there is no such file."""
    keys = _parsed(file, _content(file)).keys
    for what in ("id", "name"):
        values = [getattr(key, what) for key in keys]
        if len(set(values)) < len(values):
            twice = next(value for value in values if values.count(value) > 1)
            raise ConfigurationError(f"{file}: two keys have the {what} {twice!r}; remove one of them from the file")
    return tuple(keys)


def _content(file: Path) -> bytes:
    try:
        # Without O_NONBLOCK, opening a pipe waits for its other end.
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise ConfigurationError(
                    f"cannot read {file}: it is not a plain file; OPS_API_KEYS_FILE names the file of keys"
                )
            content = opened.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}; OPS_API_KEYS_FILE names the file of keys") from error
    if len(content) > MOST_BYTES:
        raise ConfigurationError(f"cannot read {file}: it has more than {MOST_BYTES} bytes; is it a file of keys?")
    return content


def _parsed(file: Path, content: bytes) -> _Keys:
    try:
        return _Keys.model_validate(parse_json(content))
    except (JsonError, ValidationError) as error:
        reason = _problem(error) if isinstance(error, ValidationError) else error
        cure = "restore it from a copy, or remove it and make new keys with `ops keys add`"
        raise ConfigurationError(f"{file} is not a file of keys: {reason}; {cure}") from error


def _problem(error: ValidationError) -> str:
    problem = problem_of(error.errors()[0])
    # Somebody may have put a secret where its hash belongs.
    return f"{problem.pointer} is not a hash" if problem.pointer.endswith("/hash") else str(problem)


@contextmanager
def changing(file: Path) -> Iterator[list[ApiKey]]:
    """The keys in `file`, which are written back as they are at the end; whoever else changes them waits.

    A file that is not there has none, and is made with its folder. Raises ConfigurationError.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}: {error.strerror}; choose another file with --file") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        keys = list(read_keys(file)) if os.path.lexists(file) else []
        before = tuple(keys)
        yield keys
        if tuple(keys) != before:
            _write(file, keys)
            os.fsync(folder)
    finally:
        os.close(folder)


def _write(file: Path, keys: Sequence[ApiKey]) -> None:
    if len(keys) > MOST_KEYS:
        raise ConfigurationError(f"{file} has {MOST_KEYS} keys, which is the most; remove some with `ops keys revoke`")
    entries = [key.model_dump(mode="json", exclude_none=True) for key in keys]
    content = json.dumps({"format": _FORMAT, "keys": entries}, indent=2).encode() + b"\n"
    place = file.resolve()
    part = place.with_name(f".{secrets.token_hex(6)}.part")
    try:
        try:
            # As it was where its owner has changed it, such as for a group that the service belongs to.
            mode = stat.S_IMODE(place.stat().st_mode) if place.exists() else 0o600
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as opened:
                opened.write(content)
                os.fchmod(opened.fileno(), mode & ~_OTHERS_MAY_WRITE)
                opened.flush()
                os.fsync(opened.fileno())
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}: {error.strerror}; choose another file with --file") from error


def why_exposed(file: Path) -> str | None:
    """That others may change the file, in a sentence; None when only its owner can."""
    if file.stat().st_mode & _OTHERS_MAY_WRITE == 0:
        return None
    return f"others can write {file}, and so make keys for themselves; change that with `chmod 600 {file}`"
