"""Modules to start from: files that a team copies, in languages that share nothing with this package.

python -m ops_contract.compliance.starter DIR           write one of each language below DIR, over what is there
python -m ops_contract.compliance.starter DIR --check   exit 1 and name the files that are not what would be written
"""

import argparse
import re
import shlex
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from ops_contract import suggestion

__all__ = ["LANGUAGES", "StarterError", "start_module", "starter_files"]

LANGUAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "node": ("node module.mjs",),
    "python": ("pip install -r requirements.txt", "python module.py"),
}
"""The languages that there is a starter in, each with the commands that start it in its folder."""

_EXAMPLE: Final = "vat-revenue"
_PLACEHOLDER: Final = "my-module"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class StarterError(ValueError):
    """A starter that cannot be written as it was asked for; the message says what to ask for instead."""


def start_module(folder: Path, language: str, name: str | None) -> str:
    """Write a module to start from into `folder`, called like it unless `name` is given; returns what to do next.

    Raises StarterError; then no file was written, and none is ever written over.
    """
    called = folder.resolve().name if name is None else name
    content = starter_files(language, called)
    _write_new(folder, content)
    commands = (f"cd {shlex.quote(str(folder))}", *LANGUAGES[language])
    return "\n".join(
        (
            f"{called}, a module to start from, is in {folder}: {', '.join(content)}",
            *(f"  {command}" for command in commands),
            "and then, while it runs:",
            "  ops-contract check http://localhost:8080",
        )
    )


def starter_files(language: str, name: str) -> Mapping[str, bytes]:
    """The files of a module called `name`, by their names. Raises StarterError for other languages and for odd names."""
    if language not in LANGUAGES:
        hint = suggestion(language, LANGUAGES) or f"there are {' and '.join(LANGUAGES)}"
        raise StarterError(f"there is no module to start from in {language!r}; {hint}")
    if not _NAME.fullmatch(name):
        raise StarterError(f"{name!r} cannot be a module's name; give one of letters, digits, '.', '_' and '-' with --name")
    sources = files(__package__).joinpath("starters", language).iterdir()
    content = {source.name: source.read_bytes() for source in sources if source.is_file()}
    return {file: content[file].replace(_PLACEHOLDER.encode(), name.encode()) for file in sorted(content)}


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
            raise StarterError(f"{found} is there already, so nothing was written; choose a folder without it") from error
        raise StarterError(f"cannot write {found}: {error.strerror}; nothing was written") from error


def main(arguments: list[str] | None = None) -> int:
    """Write the examples into a folder, or with --check say which of its files are stale. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ops_contract.compliance.starter", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale or missing")
    options = parser.parse_args(arguments)
    stale = []
    for language in LANGUAGES:
        for name, data in starter_files(language, _EXAMPLE).items():
            path = options.folder / language / name
            if options.check and (not path.is_file() or path.read_bytes() != data):
                stale.append(str(path))
            elif not options.check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
    if stale:
        sys.stderr.write(f"not what ops-contract init writes: {', '.join(stale)}; run make examples\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
