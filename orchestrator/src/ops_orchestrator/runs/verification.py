"""Whether a run is as it was written: everything in its folder against everything else, without a service or a network."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from ops_contract import ShapeError, validate
from ops_orchestrator.runs.event_reader import LogError
from ops_orchestrator.runs.events import ENDED, Status
from ops_orchestrator.runs.integrity.documents import (
    check_bytes,
    check_fingerprints,
    check_record,
    check_results_frame,
    check_step_results,
    is_of_this_version,
)
from ops_orchestrator.runs.integrity.exchanges import check_exchanges, claim_old_exchanges
from ops_orchestrator.runs.integrity.files import CheckedFolder, check_listed, read_manifest
from ops_orchestrator.runs.integrity.finding import Finding
from ops_orchestrator.runs.integrity.log import NO_LOG, CheckedLog, check_log, check_old_log
from ops_orchestrator.runs.integrity.signature import check_signature
from ops_orchestrator.runs.integrity.steps import check_answer, step_answers
from ops_orchestrator.runs.json_text import json_document
from ops_orchestrator.runs.public_key import PublicKey
from ops_orchestrator.runs.record import (
    DERIVED,
    FORMAT,
    LOGS,
    MANIFEST,
    MODULES,
    RECORD,
    RESULTS,
    Results,
    RunRecord,
    results_text,
)
from ops_orchestrator.runs.store.protocols import StoredRun
from ops_orchestrator.runs.store.stored_log import log_in


@dataclass(frozen=True)
class Verification:
    """What came of verifying a run: how many files and events it has, what is wrong, and what could not be checked.

    `left_out` counts the findings beyond the first 1,000. `signed_by` is the key of the signature, if that is good, and
    `is_trusted` whether it is one of those that the caller trusts.
    """

    run_id: str
    files: int
    events: int
    findings: tuple[Finding, ...]
    left_out: int
    notes: tuple[str, ...]
    signed_by: PublicKey | None = None
    is_trusted: bool = False

    @property
    def is_intact(self) -> bool:
        """Whether nothing was found to be wrong."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """The verification as a JSON value."""
        key = self.signed_by
        signed_by = key and {"public_key": key.text, "fingerprint": key.fingerprint, "trusted": self.is_trusted}
        return {
            "run_id": self.run_id,
            "intact": self.is_intact,
            "files": self.files,
            "events": self.events,
            "signed_by": signed_by,
            "findings": [asdict(finding) for finding in self.findings],
            "findings_left_out": self.left_out,
            "notes": list(self.notes),
        }


def verify_run(run: StoredRun, trusted: Sequence[PublicKey] = ()) -> Verification:
    """Check a run against itself: every file, line, document and fingerprint. Blocking. Raises NotFoundError, StoreError.

    With `trusted` keys, it must be signed with one of them. All findings are collected, whatever is wrong; what a foreign
    folder may hold is read within bounds.
    """
    folder = CheckedFolder.of(run)
    values = folder.values(RECORD)
    events, signed_by = 0, None
    if values is None or _can_be_verified(values, folder):
        events = _Verifier(folder, values).verify()
        signed_by = check_signature(folder, trusted)
    findings = folder.findings
    files = len({*(folder.names or ())} - {*DERIVED})
    return Verification(
        run.run_id,
        files,
        events,
        findings.all,
        findings.left_out,
        findings.notes,
        signed_by=signed_by,
        is_trusted=signed_by in trusted,
    )


def has_ended(run: StoredRun) -> bool:
    """Whether a run has come to its end, whatever its run.json says. Blocking. Raises NotFoundError, StoreError."""
    return _has_ended(CheckedFolder.of(run))


def _has_ended(folder: CheckedFolder) -> bool:
    try:
        log = log_in(folder.content(LOGS) or b"", folder.run.run_id)
    except LogError:
        return MANIFEST in (folder.names or ())
    return log.ended is not None or (MANIFEST in (folder.names or ()) and not log.goes_on_again)


def _can_be_verified(values: Mapping[str, Any], folder: CheckedFolder) -> bool:
    """Whether a run is over, and in a format that this version knows."""
    format_, status = values.get("format", 1), values.get("status")
    if isinstance(format_, int) and format_ > FORMAT:
        reason = f"format {format_}, made by a later version of the orchestrator; upgrade to verify it"
        folder.findings.add(RECORD, f"format {FORMAT} or an earlier one", reason)
        return False
    if isinstance(status, str) and status in get_args(Status) and status not in ENDED:
        folder.findings.add(RECORD, "a run that is over", status)
        return _has_ended(folder)
    return True


class _Verifier:
    """Verifies the run in `folder`, whose run.json has `values`, None when it cannot be read."""

    def __init__(self, folder: CheckedFolder, values: Mapping[str, Any] | None) -> None:
        self._folder = folder
        self._findings = folder.findings
        self._values = values
        self._record = self._read_record()
        self._is_old = self._record is not None and self._record.format < FORMAT

    def verify(self) -> int:
        """Check everything but the signature; returns the number of events."""
        manifest = self._folder.content(MANIFEST)
        listed = {} if manifest is None else read_manifest(manifest, self._findings)
        for path, sha256 in listed.items():
            self._folder.claims.add(path, sha256, None, MANIFEST)
        log = self._check_log()
        record = self._record
        if log.state is not None and (log.is_whole or record is None):
            record = log.state.record
        if log.is_whole and record is not None and self._values is not None:
            check_record(self._values, record, self._findings)
            self._check_bytes(RECORD, record, lambda: [json_document(record)])
        if record is not None:
            self._check_results(record, log)
        self._check_files(listed, log)
        return log.lines

    def _read_record(self) -> RunRecord | None:
        if self._values is None:
            return None
        try:
            record = validate(RunRecord, self._values, RECORD)
        except ShapeError as error:
            self._findings.add(RECORD, "the record of a run", str(error.problems[0]))
            return None
        if record.format < 1:
            self._findings.add(RECORD, f"format {FORMAT} or an earlier one", f"format {record.format}")
        if record.run_id != self._folder.run.run_id:
            self._findings.add(RECORD, f"the record of {self._folder.run.run_id}", f"that of {record.run_id}")
        return record

    def _check_log(self) -> CheckedLog:
        content = self._folder.content(LOGS)
        if content is None:
            return NO_LOG
        if self._record is not None and self._is_old:
            return check_old_log(content, self._record.status, self._findings)
        log = check_log(content, self._folder.run.run_id, self._findings)
        for file in log.state.files.values() if log.state else ():
            self._folder.claims.add(file.path, file.sha256, file.size, LOGS)
        if log.modules_sha256 is not None:
            self._folder.claims.add(MODULES, log.modules_sha256, None, LOGS)
        return log

    def _check_results(self, record: RunRecord, log: CheckedLog) -> None:
        """Check what the steps answered, and the documents and fingerprints that are made of it."""
        keeps = record.request["run_options"].get("save_artifacts", True) is not False
        results = self._folder.values(RESULTS)
        after_synthetic = False
        steps = {}
        for answer in step_answers(self._folder, record, results):
            completed = log.completed.get(answer.step.id)
            check_answer(answer, completed, self._folder, keeps=keeps, after_synthetic=after_synthetic)
            after_synthetic = after_synthetic or (completed is not None and completed.synthetic)
            if results is not None:
                steps[answer.step.id] = answer.results
                check_step_results(answer, results, self._findings)
        if results is not None:
            check_results_frame(results, record, self._findings)
            self._check_bytes(RESULTS, record, lambda: results_text(Results.of(record, steps)))
        check_fingerprints(record, self._findings)
        if self._is_old:
            claim_old_exchanges(self._folder, record, keeps=keeps)
        else:
            check_exchanges(log, record, self._findings, keeps=keeps)

    def _check_bytes(self, name: str, record: RunRecord, pieces: Callable[[], Iterable[bytes]]) -> None:
        """Compare a document with its `pieces` when nothing else was found, and it is known how they were written."""
        content = self._folder.content(name)
        if content is not None and not self._is_old and is_of_this_version(record.versions) and not self._findings.all:
            check_bytes(name, content, pieces(), self._findings)

    def _check_files(self, listed: Mapping[str, str], log: CheckedLog) -> None:
        needed = (RECORD, RESULTS, LOGS) if self._is_old else (RECORD, RESULTS, LOGS, MODULES)
        check_listed(self._folder, listed, needed, log.state.files.keys() if log.state and log.is_whole else None)
        self._folder.claims.check(self._folder.run, self._findings)
