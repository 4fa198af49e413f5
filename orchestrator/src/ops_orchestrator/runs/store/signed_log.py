"""Whether a log is what the holder of a key wrote, line by line, so that whoever goes on with the run may sign it."""

from typing import Protocol

from ops_orchestrator.errors import OtherKeyError
from ops_orchestrator.runs.event_reader import read_line
from ops_orchestrator.runs.events import line_sha256
from ops_orchestrator.runs.line_signature import parted
from ops_orchestrator.runs.store.stored_log import StoredLog


class Signer(Protocol):
    """Signs what one process writes, so that another with the same key knows it for its own."""

    def __call__(self, manifest: bytes) -> bytes:
        """The content of manifest-signature.json for that of a manifest."""
        ...

    def sign_line(self, line: bytes) -> bytes:
        """The line of a log with its signature."""
        ...

    def has_signed(self, line: bytes) -> bool:
        """Whether the line of a log has a signature by this signer."""
        ...


def is_signed_by(signer: Signer | None, log: StoredLog) -> bool:
    """Whether the last line is signed by `signer`, and leads back to the first: nobody else has changed anything in between."""
    if signer is None or not signer.has_signed(log.last_line):
        return False
    previous = None
    for number, line in enumerate(log.whole.splitlines(keepends=True), start=1):
        if read_line(line, number).previous_sha256 != previous:
            return False
        previous = line_sha256(line)
    return True


def refuse_other_key(signer: Signer | None, log: StoredLog, run_id: str) -> None:
    """Raise OtherKeyError if the log is signed, and not by `signer`: whoever goes on with it could not sign the run."""
    _, signature = parted(log.last_line)
    if signature is not None and not is_signed_by(signer, log):
        raise OtherKeyError(run_id, has_key=signer is not None)
