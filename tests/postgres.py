"""A PostgreSQL of the tests' own: one cluster for a session of tests, in a folder of its own, on a Unix socket."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

import psycopg
import pytest

_PLACES: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
_NEEDS: Final = "PostgreSQL is not installed; `.ci/install pg_ctlcluster postgresql` installs it"
_CONFIGURATION: Final = """
listen_addresses = ''
unix_socket_directories = '{folder}'
fsync = off
max_connections = 200
shared_buffers = 16MB
timezone = 'UTC'
"""


@dataclass
class Postgres:
    """A cluster in `folder`; its programs are in `programs`, and run as `user`."""

    folder: Path
    programs: Path
    user: str | None
    _numbers: Iterator[int] = field(default_factory=count)

    def start(self) -> None:
        """Start it; returns when it takes connections."""
        self._run("pg_ctl", "-w", "-s", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it; returns when all its processes are gone. `immediate` is as if it were killed."""
        self._run("pg_ctl", "-w", "-s", "-D", str(self.folder / "data"), "-m", mode, "stop")

    def make(self) -> None:
        """Make the cluster."""
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "ops", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.write(_CONFIGURATION.format(folder=self.folder))

    def database(self) -> str:
        """The address of a new database."""
        name = f"ops_{next(self._numbers)}"
        self._run("createdb", "-h", str(self.folder), "-U", "ops", name)
        return f"postgresql://ops@/{name}?host={self.folder}"

    def _run(self, program: str, *words: str) -> None:
        line = [str(self.programs / program), *words]
        # What it starts in the background keeps a pipe open: its output goes to a file.
        with tempfile.TemporaryFile() as output:
            found = subprocess.run(line, user=self.user, stdout=output, stderr=output, check=False, cwd="/")
            output.seek(0)
            assert found.returncode == 0, output.read().decode()


def empty(url: str) -> None:
    """Remove what is in the tables of a database."""
    ours = ("runs", "tagged", "calls", "keys", "cancellations")
    tables = [*(f"ops.{name}" for name in ours), *(f"procrastinate_{name}" for name in ("jobs", "workers", "events"))]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {', '.join(tables)} CASCADE".encode())


def _unprivileged() -> str | None:
    """Who may run a server: not root, so that it is the user that Debian's package makes."""
    return None if os.getuid() else pwd.getpwnam("postgres").pw_name


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A cluster under way. Skips the test where PostgreSQL is not installed, and fails it in CI."""
    if not _PLACES:
        if os.environ.get("CI") == "true":
            pytest.fail(_NEEDS)
        pytest.skip(_NEEDS)
    # Not below pytest's folder, which only its user may enter, and whose path is too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="ops-pg-"))
    user = _unprivileged()
    if user is not None:
        shutil.chown(folder, user)
    cluster = Postgres(folder, _PLACES[-1], user)
    try:
        cluster.make()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
