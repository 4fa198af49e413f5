"""Modules to start from: files that a team copies, in languages that share nothing with this package."""

import re
import shlex
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from ops_contract import suggestion

__all__ = ["LANGUAGES", "StarterError", "start_module"]

LANGUAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "node": ("node module.mjs",),
    "python": ("pip install -r requirements.txt", "python module.py"),
}
"""The languages with a starter, each with the commands that start it in its folder."""

_PLACEHOLDER: Final = "my-module"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class StarterError(ValueError):
    """The starter cannot be written as requested; the message says what to request instead."""


def start_module(folder: Path, language: str, name: str | None) -> str:
    """Write a module to start from into `folder`, named like the folder unless `name` is given; returns what to do next.

    Raises StarterError; then no file was written. Existing files are never overwritten.
    """
    module = folder.resolve().name if name is None else name
    content = _starter_files(language, module)
    _write_new(folder, content)
    commands = (f"cd {shlex.quote(str(folder))}", *LANGUAGES[language])
    return "\n".join(
        (
            f"{module}, a module to start from, is in {folder}: {', '.join(content)}",
            *(f"  {command}" for command in commands),
            "and then, while it runs:",
            "  ops-contract check http://localhost:8080",
        )
    )


def _starter_files(language: str, module: str) -> Mapping[str, bytes]:
    """The content of each file of a module named `module`."""
    if language not in LANGUAGES:
        hint = suggestion(language, LANGUAGES) or f"choose {' or '.join(LANGUAGES)}"
        raise StarterError(f"there is no starter in {language!r}; {hint}")
    if not _NAME.fullmatch(module):
        raise StarterError(f"{module!r} cannot be a module's name; give one of letters, digits, '.', '_' and '-' with --name")
    sources = files(__package__).joinpath("starters", language).iterdir()
    content = {source.name: source.read_bytes() for source in sources if source.is_file()}
    return {file: content[file].replace(_PLACEHOLDER.encode(), module.encode()) for file in sorted(content)}


def _write_new(folder: Path, content: Mapping[str, bytes]) -> None:
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in content.items():
            with (folder / name).open("xb") as file:
                written.append(folder / name)
                file.write(data)
    except OSError as error:
        for path in written:
            path.unlink()
        found = error.filename or folder
        if isinstance(error, FileExistsError):
            raise StarterError(f"{found} already exists, so nothing was written; choose another folder") from error
        raise StarterError(f"cannot write {found}: {error.strerror}; nothing was written") from error
