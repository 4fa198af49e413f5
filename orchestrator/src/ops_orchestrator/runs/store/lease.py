"""The lease of a run that is kept in a folder: a lock on its log, which the operating system drops with the process."""

import fcntl
from io import FileIO
from pathlib import Path
from typing import IO, Self

from ops_orchestrator.runs.store.plain_file import open_below


class FolderLease:
    """The right to execute the run whose log is locked. `log` is that file, open for reading and writing, unbuffered."""

    def __init__(self, log: IO[bytes]) -> None:
        self.log = log

    @classmethod
    def create(cls, log: Path) -> Self:
        """Make the empty log of a new run and lock it. Raises OSError."""
        return cls(_locked(FileIO(log, "x+")))

    @classmethod
    def take(cls, log: Path) -> Self | None:
        """Lock the log of a run; None when another holder has it.

        Raises FileNotFoundError when there is no log, NotPlainError when it or its folder is a link or not plain, OSError.
        """
        try:
            # For writing too: on NFS nothing else can be locked exclusively.
            return cls(_locked(open_below(log.parent.parent, f"{log.parent.name}/{log.name}", to_change=True)))
        except BlockingIOError:
            return None

    def release(self) -> None:
        """See Lease."""
        self.log.close()


def has_no_holder(log: Path) -> bool:
    """Whether nobody executes the run whose log this is; False when that is not known. Takes the lease for a moment."""
    try:
        lease = FolderLease.take(log)
    except OSError:
        return False
    if lease is not None:
        lease.release()
    return lease is not None


def _locked(file: IO[bytes]) -> IO[bytes]:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file
