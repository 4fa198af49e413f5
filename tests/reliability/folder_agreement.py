"""Whether the folder of a run that is over agrees with itself: by what runs/README.md says of it, and as `ops` verifies it.

The two are written independently, so that neither has to be believed.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from subprocess import run
from typing import Any, Final

from reliability.log_fold import ENDED, Folded, Line, fold, read_lines

from ops_contract import fingerprint
from ops_orchestrator.runs.store.folder_run import FolderRun
from ops_orchestrator.runs.verification import verify_run

_MANIFEST: Final = "manifest-sha256.txt"
_DOCUMENTS: Final = ("run.json", "results.json", "logs.jsonl", _MANIFEST)
_STORE: Final = (".index.sqlite3", ".index.sqlite3-wal", ".index.sqlite3-shm", ".keys", ".reserve")


@dataclass(frozen=True)
class _Folder:
    """What was read of a run."""

    path: Path
    record: Mapping[str, Any]
    results: Mapping[str, Any]
    lines: list[Line]
    folded: Folded

    @property
    def is_version_1(self) -> bool:
        """Version 0.1.0 wrote it: its lines name no files, and it has neither modules.json nor a step's result.json."""
        return "format" not in self.record

    @property
    def files(self) -> set[str]:
        """The paths of all files, relative to the folder."""
        return {path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if not path.is_dir()}


def disagreements(folder: Path) -> list[str]:
    """What contradicts what in the folder of a run that is over, or is left over in it; empty when nothing does."""
    return [*contradictions(folder), *unverified(folder)]


def unverified(folder: Path) -> list[str]:
    """What `ops runs verify` finds."""
    findings = verify_run(FolderRun(folder.parent, folder.name)).findings
    return [f"{finding.file}: expected {finding.expected}, found {finding.found}" for finding in findings]


def contradictions(folder: Path) -> list[str]:
    """What contradicts what by a reading of the folder that uses none of the orchestrator's code."""
    missing = [f"{name}: is missing" for name in _DOCUMENTS if not (folder / name).is_file()]
    if missing:
        return missing
    lines, wrong = read_lines(folder / "logs.jsonl")
    try:
        record, results = (json.loads((folder / name).read_bytes()) for name in ("run.json", "results.json"))
        read = _Folder(folder, record, results, lines, fold(lines))
        checks = (
            _of_numbers,
            _of_chain,
            _of_ends,
            _of_record,
            _of_results,
            _of_fingerprints,
            _of_artifacts,
            _of_files,
            _of_manifest,
        )
        return [*wrong, *(complaint for check in checks for complaint in check(read))]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        return [*wrong, f"a document lacks what it must have: {error!r}"]


def left_over(runs: Path) -> list[str]:
    """What is in the folder of all runs besides runs, the index and the keys of callers, and what is left of making those."""
    unknown = [path.name for path in runs.iterdir() if not path.name.startswith("run_") and path.name not in _STORE]
    return sorted([*unknown, *(f"{path.parent.name}/{path.name}" for path in runs.glob(".keys/*.making"))])


def _of_numbers(folder: _Folder) -> Iterator[str]:
    numbers = [line.get("seq") for line in folder.lines]
    if numbers != [*range(1, len(numbers) + 1)]:
        yield f"logs.jsonl: seq is {numbers}"
    if others := {line.get("run_id") for line in folder.lines} - {folder.path.name}:
        yield f"logs.jsonl: tells of other runs: {others}"
    for name, document in (("run.json", folder.record), ("results.json", folder.results)):
        if document["run_id"] != folder.path.name:
            yield f"{name}: belongs to {document['run_id']}"


def _of_chain(folder: _Folder) -> Iterator[str]:
    lines = (folder.path / "logs.jsonl").read_bytes().splitlines()
    hashes = [None, *(hashlib.sha256(line).hexdigest() for line in lines)]
    for number, (line, expected) in enumerate(zip(folder.lines, hashes, strict=False), start=1):
        if line.get("previous_sha256") != expected and not folder.is_version_1:
            yield f"logs.jsonl:{number}: refers to {line.get('previous_sha256')}, the line before is {expected}"


def _of_ends(folder: _Folder) -> Iterator[str]:
    events = [line.get("event") for line in folder.lines]
    first = "run.started" if folder.is_version_1 else "run.queued"
    if events[:1] != [first]:
        yield f"logs.jsonl: begins with {events[:1]}, not {first}"
    if events[-1:] != ["run.ended"]:
        yield f"logs.jsonl: ends with {events[-1:]}, not run.ended"
    for name, value in folder.lines[-1].get("fingerprints", {}).items():
        if folder.record["fingerprints"][name] != value:
            yield f"run.json: fingerprint of the {name} is {folder.record['fingerprints'][name]}, the log says {value}"
    if wrong := [after for event, after in pairwise(events) if event == "run.ended" and after != "run.resumed"]:
        yield f"logs.jsonl: goes on with {wrong} after run.ended"


def _of_record(folder: _Folder) -> Iterator[str]:
    folded, first = folder.folded, folder.lines[0]
    for name in ("request", "plan", "versions"):
        if name in first and folder.record[name] != first[name]:
            yield f"run.json: {name} is not that of the log"
    if folded.status not in ENDED:
        yield f"logs.jsonl: leaves the run {folded.status}"
    for name in ("status", "error", "finished_at"):
        if folder.record.get(name) != getattr(folded, name):
            yield f"run.json: {name} is {folder.record.get(name)!r}, the log says {getattr(folded, name)!r}"
    for step in folder.record["steps"]:
        expected = folded.steps.get(step["id"], {"status": "pending", "started_at": None})
        for name, value in expected.items():
            if step.get(name) != value:
                yield f"run.json: {name} of {step['id']} is {step.get(name)!r}, the log says {value!r}"
    if unknown := folded.steps.keys() - {step["id"] for step in folder.record["steps"]}:
        yield f"logs.jsonl: tells of steps that run.json does not have: {unknown}"


def _of_results(folder: _Folder) -> Iterator[str]:
    steps, completed = folder.results["steps"], folder.folded.completed
    for name in ("results", "steps"):
        if [*folder.results[name]] != completed:
            yield f"results.json: {name} has {[*folder.results[name]]}, completed are {completed}"
    for step, flat in folder.results["results"].items():
        if step in steps and flat != {
            **steps[step]["outputs"],
            "artifacts": [artifact["name"] for artifact in steps[step]["artifacts"]],
        }:
            yield f"results.json: the flat form of {step} is not its full form"
    if folder.is_version_1:
        return
    for step in completed:
        path = folder.path / f"{_step_folder(folder, step)}/result.json"
        if not path.is_file():
            yield f"{_step_folder(folder, step)}/result.json: is missing"
        elif step in steps:
            kept = json.loads(path.read_bytes())
            if wrong := [name for name, value in steps[step].items() if name in kept and kept[name] != value]:
                yield f"results.json: {wrong} of {step} differ from its result.json"


def _of_fingerprints(folder: _Folder) -> Iterator[str]:
    record, steps = folder.record, folder.record["steps"]
    for step in steps:
        found = folder.results["steps"].get(step["id"])
        if found is not None and step["result"] != _result(found):
            yield f"run.json: result of {step['id']} is not the fingerprint of what results.json has"
    complete = record["status"] == "completed"
    result = fingerprint({step["id"]: step["result"] for step in steps}) if complete else None
    if record["fingerprints"]["result"] != result:
        yield f"run.json: fingerprint of the result is {record['fingerprints']['result']}, not {result}"
    known = all(step["module_version"] is not None or step["status"] == "completed" for step in steps)
    recipe = _recipe(record) if known else None
    if record["fingerprints"]["recipe"] != recipe:
        yield f"run.json: fingerprint of the recipe is {record['fingerprints']['recipe']}, not {recipe}"


def _of_artifacts(folder: _Folder) -> Iterator[str]:
    for step, found in folder.results["steps"].items():
        for artifact in found["artifacts"]:
            path = artifact["path"] and folder.path / artifact["path"]
            if path is None:
                continue
            if not path.is_file():
                yield f"{artifact['path']}: is missing, an artifact of {step}"
            elif hashlib.sha256(path.read_bytes()).hexdigest() != artifact["sha256"]:
                yield f"{artifact['path']}: has other bytes than results.json says"


def _of_files(folder: _Folder) -> Iterator[str]:
    there = folder.files - set(_DOCUMENTS)
    if folder.is_version_1:
        expected = {file for file in there if file.startswith(tuple(_folders_of_version_1(folder)))}
    else:
        expected = {*folder.folded.files, "modules.json"}
        modules = (folder.path / "modules.json").read_bytes() if "modules.json" in there else b""
        if hashlib.sha256(modules).hexdigest() != folder.lines[0]["modules_sha256"]:
            yield "modules.json: has other bytes than the log says"
        for path, file in folder.folded.files.items():
            content = (folder.path / path).read_bytes() if path in there else None
            if content is not None and (len(content), hashlib.sha256(content).hexdigest()) != (file["size"], file["sha256"]):
                yield f"{path}: has other bytes than the log says"
    if there - expected:
        yield f"left over: {sorted(there - expected)}"
    if expected - there:
        yield f"named and missing: {sorted(expected - there)}"
    yield from (f"left over: {path.relative_to(folder.path)}" for path in folder.path.iterdir() if path.name.startswith("."))


def _of_manifest(folder: _Folder) -> Iterator[str]:
    listed = {line.partition("  ")[2] for line in (folder.path / _MANIFEST).read_text().splitlines()}
    if listed != folder.files - {_MANIFEST}:
        yield f"{_MANIFEST}: lists other files than there are: {sorted(listed ^ (folder.files - {_MANIFEST}))}"
    checked = run(
        ["sha256sum", "--check", "--strict", "--quiet", _MANIFEST], cwd=folder.path, capture_output=True, text=True, check=False
    )
    if checked.returncode != 0:
        yield f"{_MANIFEST}: {checked.stdout}{checked.stderr}"


def _step_folder(folder: _Folder, step: str) -> str:
    return next(f"steps/{known['step']}-{step}" for known in folder.record["steps"] if known["id"] == step)


def _folders_of_version_1(folder: _Folder) -> Iterator[str]:
    """Where files may be: of steps that are completed, or failed with an exchange."""
    for step in folder.record["steps"]:
        fields = folder.folded.steps.get(step["id"], {})
        if fields.get("status") == "completed":
            yield f"artifacts/{step['id']}/"
        if fields.get("status") in ("completed", "failed"):
            yield f"{_step_folder(folder, step['id'])}/"


def _result(found: Mapping[str, Any]) -> str:
    evidence = [
        {name: value for name, value in item.items() if name != "observed_at" and value is not None}
        for item in found["evidence"]
    ]
    artifacts = {artifact["name"]: artifact["sha256"] for artifact in found["artifacts"]}
    return fingerprint({"outputs": found["outputs"], "evidence": evidence, "artifacts": artifacts})


def _recipe(record: Mapping[str, Any]) -> str:
    modules = {}
    for step in record["steps"]:
        made_with = {"module": step["module"], "version": step["module_version"], "image_digest": step["image_digest"]}
        modules[step["id"]] = made_with | ({"adapter": step["adapter"]} if step["adapter"] else {})
    request = record["request"]
    # What does not change the result is not part of the recipe.
    options = {name: value for name, value in request["run_options"].items() if name not in ("labels", "deadline_s")}
    return fingerprint({"plan": record["plan"], "inputs": request["inputs"], "options": options, "modules": modules})
