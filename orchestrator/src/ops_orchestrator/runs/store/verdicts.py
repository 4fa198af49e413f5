"""The verdicts of the compliance kit, one file a module, in `.compliance` beside the runs. What is here blocks."""

import os
import secrets
from pathlib import Path
from typing import Final

from ops_contract import ContractError, parse_json, validate
from ops_orchestrator.errors import NotFoundError, StoreError
from ops_orchestrator.excerpt import excerpt
from ops_orchestrator.modules.module import Module
from ops_orchestrator.runs.json_text import json_document
from ops_orchestrator.runs.store.plain_file import NotPlainError, read_below
from ops_orchestrator.runs.verdict import Compliance, Verdict

FOLDER_NAME: Final = ".compliance"
_REPORTS: Final = "reports"
_MOST_BYTES: Final = 1024 * 1024
_MOST_VALUES: Final = 2_000
_MOST_REPORT_BYTES: Final = 64 * 1024 * 1024
_MOST_REASON_CHARACTERS: Final = 300


class VerdictStore:
    """Keeps the last verdict on each module. The service and commands share it; whoever writes last is right."""

    def __init__(self, runs_folder: Path) -> None:
        self._runs = runs_folder
        self._folder = runs_folder / FOLDER_NAME

    def _file_of(self, module: str) -> Path:
        return self._folder / f"{module}.json"

    def keep(self, verdict: Verdict, report: bytes) -> Path:
        """Keep a verdict, and the whole `report` in HTML beside it; returns where the report is. Raises StoreError."""
        name = _report_of(verdict.module)
        document = json_document(verdict.model_copy(update={"report": name}).model_dump(mode="json"))
        try:
            for folder in (self._folder, self._folder / _REPORTS):
                if folder.is_symlink():
                    raise StoreError(f"{folder} is a link, and verdicts are kept in a folder; remove it")
                folder.mkdir(parents=True, exist_ok=True)
            _write_whole(self._folder / name, report)
            _write_whole(self._file_of(verdict.module), document)
        except OSError as error:
            raise StoreError(f"the verdict cannot be kept in {self._folder}: {error.strerror or error}") from error
        return self._folder / name

    def compliance(self, module: Module, version: str | None = None) -> Compliance:
        """What is known of the compliance of `module`, whose health says `version`. Nothing in a file makes this fail."""
        try:
            verdict = self._verdict(module.name)
        except FileNotFoundError:
            return Compliance()
        except NotPlainError as error:
            return self._unreadable(module, error.reason)
        except OSError as error:
            return self._unreadable(module, error.strerror or str(error))
        except ContractError as error:
            return self._unreadable(module, str(error))
        if verdict.module != module.name:
            return self._unreadable(module, f"it is about {verdict.module!r}")
        return Compliance(verdict, stale=verdict.stale_because(module, version))

    def report(self, module: str) -> bytes:
        """The whole report on a module, in HTML, whoever wrote it. Raises NotFoundError, StoreError."""
        try:
            return read_below(self._runs, f"{FOLDER_NAME}/{_report_of(module)}", _MOST_REPORT_BYTES)
        except (FileNotFoundError, NotPlainError) as error:
            raise NotFoundError(f"There is no report on {module}; `ops modules check {module}` makes one.") from error
        except OSError as error:
            raise StoreError(f"cannot read {self._folder / _report_of(module)}: {error.strerror}") from error

    def _verdict(self, module: str) -> Verdict:
        content = read_below(self._runs, f"{FOLDER_NAME}/{module}.json", _MOST_BYTES)
        return validate(Verdict, parse_json(content, max_values=_MOST_VALUES), "its content")

    def _unreadable(self, module: Module, reason: str) -> Compliance:
        shown = excerpt(reason, _MOST_REASON_CHARACTERS)
        return Compliance(unreadable=f"{self._file_of(module.name)} cannot be read: {shown}")


def _report_of(module: str) -> str:
    return f"{_REPORTS}/{module}.html"


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
