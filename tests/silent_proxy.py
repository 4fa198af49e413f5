"""A proxy before PostgreSQL that falls silent, as a firewall that forgot its connections: nothing is refused or closed."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Final
from urllib.parse import parse_qs, urlsplit


class SilentProxy:
    """Passes connections on to a PostgreSQL until it falls silent, and from then on only new ones, when it speaks again.

    `url` is the address of the same database, over TCP through the proxy.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._behind: Final = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"postgresql://ops@127.0.0.1:{self._listener.getsockname()[1]}{parts.path}"
        self._open: list[socket.socket] = []
        self._speaks = True
        self._silenced = Event()
        Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        """Pass nothing on any more."""
        self._speaks = False
        self._silenced.set()

    def speak(self) -> None:
        """Pass on what comes over new connections."""
        self._silenced = Event()
        self._speaks = True

    def close(self) -> None:
        """End all connections."""
        self.fall_silent()
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                before, _ = self._listener.accept()
                self._open.append(before)
                if self._speaks:
                    behind = socket.socket(socket.AF_UNIX)
                    behind.connect(self._behind)
                    self._open.append(behind)
                    for source, target in ((before, behind), (behind, before)):
                        Thread(target=_pass_on, args=(source, target, self._silenced), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, silenced: Event) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            if silenced.is_set():
                return
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def silent_proxy(url: str) -> Iterator[SilentProxy]:
    """A proxy before the database `url`, which is reached through a Unix socket."""
    proxy = SilentProxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
