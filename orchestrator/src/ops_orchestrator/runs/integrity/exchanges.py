"""The exchanges of a run against the files of requests and answers, as far as those hold every byte."""

from dataclasses import dataclass
from typing import Final

from ops_contract import sha256_hex
from ops_orchestrator.runs.events import AttemptFailed, ExchangeRecord, StepCompleted, StepFailed
from ops_orchestrator.runs.integrity.files import CheckedFolder
from ops_orchestrator.runs.integrity.finding import Findings
from ops_orchestrator.runs.integrity.log import CheckedLog
from ops_orchestrator.runs.record import LOGS, RECORD, STEPS, RunRecord, is_request, response_type, step_folder
from ops_orchestrator.runs.run_file import FileRef

_OF_NOTHING: Final = sha256_hex(b"")


def check_exchanges(log: CheckedLog, record: RunRecord, findings: Findings, *, keeps: bool) -> None:
    """Compare the hashes of requests and answers with the files that the same lines name; `keeps` is save_artifacts."""
    adapted = {step.id for step in record.steps if step.adapter is not None}
    for event in log.events:
        match event.what:
            case StepCompleted() | StepFailed() | AttemptFailed() as what if what.exchange is not None:
                files = [file for file in what.files if file.path.startswith(f"{STEPS}/")]
                check = _ExchangeCheck(f"line {event.seq} of {LOGS}", what.exchange, files, findings)
                check.request()
                check.response(is_adapted=what.step in adapted, keeps=keeps)


@dataclass(frozen=True)
class _ExchangeCheck:
    """The exchange that a line tells of, and the files of its step."""

    line: str
    exchange: ExchangeRecord
    files: list[FileRef]
    findings: Findings

    def request(self) -> None:
        """The request is kept byte for byte; one without a body has no file."""
        kept = next((file for file in self.files if is_request(file.path)), None)
        self._compare(kept.path if kept else LOGS, self.exchange.request_sha256, kept.sha256 if kept else _OF_NOTHING)

    def response(self, *, is_adapted: bool, keeps: bool) -> None:
        """The answer is kept byte for byte, unless the run keeps hashes of artifacts only, and the answer holds some."""
        kept = next((file for file in self.files if response_type(file.path)), None)
        if kept is None:
            if keeps or not is_adapted:
                self.findings.add(LOGS, f"the answer among the files of {self.line}", "no such file")
            else:
                self.findings.note(f"the answer of {self.line} holds artifacts and was not kept: save_artifacts is false")
        elif keeps or is_adapted:
            self._compare(kept.path, self.exchange.response_sha256, kept.sha256)
        elif kept.sha256 != self.exchange.response_sha256:
            self.findings.note(
                f"{kept.path} was kept without the bytes of artifacts, since save_artifacts is false: the SHA-256 of the "
                "complete answer cannot be checked"
            )

    def _compare(self, path: str, expected: str, found: str) -> None:
        if expected != found:
            self.findings.add(path, f"SHA-256 {expected}, as the exchange in {self.line} says", f"SHA-256 {found}")


def claim_old_exchanges(folder: CheckedFolder, record: RunRecord, *, keeps: bool) -> None:
    """Note what run.json of version 0.1.0 says of requests and answers: its log says nothing of them."""
    for step in record.steps:
        for name in folder.names or () if step.exchange else ():
            if name.rpartition("/")[0] != step_folder(step.step, step.id) or step.exchange is None:
                continue
            if is_request(name):
                folder.claims.add(name, step.exchange.request_sha256, None, RECORD)
            elif response_type(name) and keeps:
                folder.claims.add(name, step.exchange.response_sha256, None, RECORD)
