"""The verdicts of the compliance kit, one file a module, in `.compliance` beside the runs. What is here blocks."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops_contract import ContractError, parse_json, validate
from ops_orchestrator.errors import StoreError
from ops_orchestrator.excerpt import excerpt
from ops_orchestrator.runs.json_text import json_document
from ops_orchestrator.runs.store.plain_file import NotPlainError, read_below
from ops_orchestrator.runs.verdict import Verdict

FOLDER_NAME: Final = ".compliance"
_REPORTS: Final = "reports"
_MOST_BYTES: Final = 1024 * 1024
_MOST_VALUES: Final = 2_000
_MOST_REASON_CHARACTERS: Final = 300


@dataclass(frozen=True)
class UnreadableVerdict:
    """A file that holds no verdict on its module; `reason` says why, without its name."""

    file: Path
    reason: str


class VerdictStore:
    """Keeps the last verdict on each module. The service and commands share it; whoever writes last is right."""

    def __init__(self, runs_folder: Path) -> None:
        self._runs = runs_folder
        self._folder = runs_folder / FOLDER_NAME

    def file_of(self, module: str) -> Path:
        """Where the verdict on a module is kept."""
        return self._folder / f"{module}.json"

    def keep(self, verdict: Verdict, report: bytes) -> Path:
        """Keep a verdict, and the whole `report` in HTML beside it; returns where the report is. Raises StoreError."""
        name = f"{_REPORTS}/{verdict.module}.html"
        document = json_document(verdict.model_copy(update={"report": name}).model_dump(mode="json"))
        try:
            for folder in (self._folder, self._folder / _REPORTS):
                if folder.is_symlink():
                    raise StoreError(f"{folder} is a link, and verdicts are kept in a folder; remove it")
                folder.mkdir(parents=True, exist_ok=True)
            _write_whole(self._folder / name, report)
            _write_whole(self.file_of(verdict.module), document)
        except OSError as error:
            raise StoreError(f"the verdict cannot be kept in {self._folder}: {error.strerror or error}") from error
        return self._folder / name

    def read(self, module: str) -> Verdict | UnreadableVerdict | None:
        """The last verdict on a module; None when it was never checked. Nothing that the file holds makes this fail."""
        try:
            content = read_below(self._runs, f"{FOLDER_NAME}/{module}.json", _MOST_BYTES)
            verdict = validate(Verdict, parse_json(content, max_values=_MOST_VALUES), "it")
        except FileNotFoundError:
            return None
        except NotPlainError as error:
            return self._unreadable(module, error.reason)
        except OSError as error:
            return self._unreadable(module, error.strerror or str(error))
        except ContractError as error:
            return self._unreadable(module, str(error))
        return verdict if verdict.module == module else self._unreadable(module, f"it is about {verdict.module!r}")

    def _unreadable(self, module: str, reason: str) -> UnreadableVerdict:
        return UnreadableVerdict(self.file_of(module), excerpt(reason, _MOST_REASON_CHARACTERS))


def _write_whole(file: Path, content: bytes) -> None:
    """Write a file that is there only when it is whole and on disk."""
    part = file.with_name(f".{secrets.token_hex(6)}.part")
    try:
        with part.open("xb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
