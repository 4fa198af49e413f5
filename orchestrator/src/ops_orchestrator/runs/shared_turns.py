"""The turns of a service that is several processes: its limits hold for all of them together."""

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from ops_orchestrator.runs.shared_slots import SharedSlots
from ops_orchestrator.runs.turns import too_busy

# A sibling that gives a turn back wakes those who wait. One that is killed does not, so they also look from time to time.
_LOOK_AGAIN_S: Final = 0.05
_DATAGRAM_BYTES: Final = 16


class SharedTurns:
    """See Turns. Within a process it is first come, first served; among processes, nobody waits for ever.

    A turn that is given back goes to a process that waits before it goes to the one that had it, which could otherwise keep its
    turns for its own runs as long as more of those come.
    """

    def __init__(
        self, file: int, wake_socket: socket.socket, siblings: Sequence[Path], *, at_once: int, most_waiting: int
    ) -> None:
        self._file = file
        self._wake_socket = wake_socket
        self._siblings = tuple(map(str, siblings))
        self._limits = (at_once, most_waiting)
        self._turns = SharedSlots(file, 0, at_once)
        self._places = SharedSlots(file, at_once, most_waiting)
        self._head = asyncio.Lock()
        self._is_free = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def open(cls, folder: Path, number: int, count: int, *, at_once: int, most_waiting: int) -> Self:
        """The turns of process `number` of `count`, which share nothing but `folder`. Raises OSError."""
        paths = [folder / f"turns-{each}" for each in range(count)]
        mine = paths.pop(number)
        mine.unlink(missing_ok=True)
        wake_socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        wake_socket.setblocking(False)
        wake_socket.bind(str(mine))
        file = os.open(folder / "turns", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return cls(file, wake_socket, paths, at_once=at_once, most_waiting=most_waiting)

    async def take_now(self) -> bool:
        """See Turns."""
        somebody_waits = self._places.taken > 0 or self._places.are_taken_elsewhere()
        if not somebody_waits and self._turns.take():
            return True
        if not self._places.take():
            raise too_busy(*self._limits)
        return False

    async def wait(self) -> None:
        """See Turns."""
        self._listen()
        try:
            async with self._head:
                while not self._turns.take():
                    self._is_free.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_AGAIN_S):
                            await self._is_free.wait()
        finally:
            self._places.give_back()

    def leave(self, *, has_turn: bool) -> None:
        """See Turns."""
        if not has_turn:
            self._places.give_back()
            return
        self._turns.give_back()
        if self._places.are_taken_elsewhere():
            self._wake_siblings()
        else:
            self._is_free.set()

    def close(self) -> None:
        """See Turns. Gives back all that is still taken."""
        if self._loop is not None:
            self._loop.remove_reader(self._wake_socket)
        self._wake_socket.close()
        os.close(self._file)

    def _wake_siblings(self) -> None:
        for sibling in self._siblings:
            with suppress(OSError):  # it is not there, or has more wake-ups than it reads
                self._wake_socket.sendto(b"!", sibling)

    def _listen(self) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._wake_socket, self._on_wake_up)

    def _on_wake_up(self) -> None:
        with suppress(BlockingIOError):
            while self._wake_socket.recv(_DATAGRAM_BYTES):
                self._is_free.set()
