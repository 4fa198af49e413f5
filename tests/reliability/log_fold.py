"""What the log of a run says of it, folded from its lines alone: a second reading of runs/README.md, none of our code's."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

Line = Mapping[str, Any]

ENDED: Final = ("completed", "failed", "errored", "cancelled", "interrupted")
_COPIED: Final = {
    "module.ready": ("module_version", "contract_versions"),
    "step.completed": ("attempts", "result", "warnings", "exchange", "synthetic", "module_version"),
    "step.failed": ("attempts", "error", "exchange"),
}
"""The fields of a line that a step's record repeats, where the line has them: logs of version 0.1.0 have fewer."""


@dataclass
class Folded:
    """What must stand in run.json, as far as the log says; `files` are those that lines name, by path, as the last one does."""

    status: str = "queued"
    error: dict[str, Any] | None = None
    finished_at: str | None = None
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, Line] = field(default_factory=dict)

    @property
    def completed(self) -> list[str]:
        """The steps that are completed, in the order in which they were."""
        return [step for step, fields in self.steps.items() if fields["status"] == "completed"]


def read_lines(log: Path) -> tuple[list[Line], list[str]]:
    """The lines of a log that are JSON objects, and what is wrong with the others."""
    *lines, rest = log.read_bytes().split(b"\n")
    read: list[Line] = []
    wrong = ["logs.jsonl: its last line has no end"] if rest else []
    for number, text in enumerate(lines, 1):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            wrong.append(f"logs.jsonl:{number}: is not JSON: {text[:80]!r}")
            continue
        if isinstance(line, dict):
            read.append(line)
        else:
            wrong.append(f"logs.jsonl:{number}: is not an object: {text[:80]!r}")
    return read, wrong


def fold(lines: list[Line]) -> Folded:
    """What the lines say, in their order. Events and fields that are not known change nothing."""
    folded = Folded()
    for line in lines:
        _apply(folded, line)
    return folded


def _apply(folded: Folded, line: Line) -> None:
    event, at = line.get("event", ""), line.get("timestamp")
    files = {file["path"]: file for file in line.get("files", ())}
    match event:
        case "run.started":
            folded.status = "running"
        case "run.resumed":
            _resume(folded)
        case "step.started":
            folded.steps[line["step"]] = {"status": "running", "started_at": at}
        case "step.retry" if "error" in line:  # in version 0.1.0 the record has the attempts of a step that is over only
            folded.steps[line["step"]]["attempts"] = line["attempt"]
        case "step.completed" | "step.failed":
            folded.steps[line["step"]] |= {"status": event.removeprefix("step."), "finished_at": at}
        case "run.ended":
            folded.status, folded.error, folded.finished_at = line["status"], line.get("error"), at
            for fields in folded.steps.values():
                if fields["status"] == "running":
                    fields["status"] = "interrupted"
    folded.files |= files
    if event in _COPIED:
        folded.steps[line["step"]] |= {name: line[name] for name in _COPIED[event] if line.get(name) is not None}


def _resume(folded: Folded) -> None:
    """Open the steps again that were not completed; what their last attempt left has moved to where the line says."""
    folded.status, folded.error, folded.finished_at = "queued", None, None
    for step in folded.steps.keys() - {*folded.completed}:
        folded.steps[step] = {"status": "pending", "started_at": None, "finished_at": None, "error": None, "exchange": None}
        left = re.compile(rf"steps/[0-9]+-{re.escape(step)}/[^/]+")
        folded.files = {path: file for path, file in folded.files.items() if not left.fullmatch(path)}
