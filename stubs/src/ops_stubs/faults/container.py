"""Violations of the requirements on containers; the serving process acts on them when it starts or stops."""

import os
from typing import Final

from ops_stubs.faults.violation import Violation

__all__ = ["CONTAINER", "DEFAULT_PORT", "IGNORES_SIGTERM", "LISTENS_LOCALLY", "NEEDS_ROOT", "is_hardened", "local_host"]

LISTENS_LOCALLY: Final = "OPS-CTR-001"
NEEDS_ROOT: Final = "OPS-CTR-002"
IGNORES_SIGTERM: Final = "OPS-CTR-003"

DEFAULT_PORT: Final = 8080
"""The port of a module when OPS_PORT is not set."""

CONTAINER: Final = (
    Violation(
        LISTENS_LOCALLY,
        "the stub listens on 127.0.0.1 whatever --host says, unless its port is 8080",
        "on the port in OPS_PORT, it refuses connections from outside the container; without OPS_PORT it does not",
    ),
    Violation(
        NEEDS_ROOT,
        "the stub ends with the exit code 1 when its user is not root and its root file system is read-only",
        "started as the contract says, the container ends at once",
    ),
    Violation(IGNORES_SIGTERM, "the stub ignores SIGTERM", "it answers 10 s after SIGTERM; SIGINT and SIGKILL end it"),
)
"""OPS-CTR."""


def local_host(host: str, port: int) -> str:
    """Where a stub listens that breaks OPS-CTR-001. By default it can be reached, so that the rest of it can be checked."""
    return host if port == DEFAULT_PORT else "127.0.0.1"


def is_hardened() -> bool:
    """Whether this process has neither root's rights nor a root file system to write to."""
    return os.getuid() != 0 and bool(os.statvfs("/").f_flag & os.ST_RDONLY)
