"""Callers of the service that write what they want into a socket, and what the service's process takes for them."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reliability.page import write_assault

_MIB: Final = 1024 * 1024
_KIB_PER_MIB: Final = 1024
# An assault comes from one loopback address, and an honest caller from another.
_ATTACKER: Final = "127.0.0.9"
_HONEST: Final = "127.0.0.1"


@dataclass
class Cost:
    """What an assault cost the service's process: MiB at its worst, beyond what it had, and seconds."""

    mib: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Victim:
    """The service under assault."""

    pid: int
    port: int
    run: str
    """The address of a stored run."""

    def connect(self, source: str = _ATTACKER) -> socket.socket:
        """A connection; what is received on it is waited for."""
        return socket.create_connection(("127.0.0.1", self.port), source_address=(source, 0))

    def ask(self, *parts: bytes, source: str = _ATTACKER) -> bytes:
        """All that the service answers to `parts` until it closes the connection."""
        with self.connect(source) as connection:
            send(connection, *parts)
            return received(connection)

    def serves(self) -> bool:
        """Whether an honest caller is answered."""
        head = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        return self.ask(head, source=_HONEST).startswith(b"HTTP/1.1 200 ")

    @contextmanager
    def assaulted(self, assault: str, outcome: str) -> Iterator[Cost]:
        """Measure what is done inside; afterwards the service must serve. Writes the row of the page."""
        cost = Cost()
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # the peak is counted anew
        before, began = self._status("VmRSS"), time.monotonic()
        yield cost
        cost.seconds = time.monotonic() - began
        cost.mib = max(self._status("VmHWM") - before, 0.0)
        assert self.serves()
        write_assault(assault, outcome, cost.mib, cost.seconds)

    def _status(self, name: str) -> float:
        (line,) = (line for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if line.startswith(name))
        return int(line.split()[1]) / _KIB_PER_MIB


def send(connection: socket.socket, *parts: bytes) -> int:
    """Send `parts`, or as much as is taken before the connection is closed; returns how many were sent whole."""
    for number, part in enumerate(parts):
        try:
            connection.sendall(part)
        except ConnectionError:
            return number
    return len(parts)


def received(connection: socket.socket) -> bytes:
    """What comes until the other side closes the connection."""
    found = bytearray()
    with suppress(ConnectionError):
        while part := connection.recv(_MIB):
            found += part
    return bytes(found)


def statuses(answers: bytes) -> list[int]:
    """The status of each of `answers`, none of which has a body that looks like one."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([1-5]\d\d) ", answers)]
