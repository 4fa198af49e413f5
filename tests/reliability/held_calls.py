"""Holds every system call of a process that changes files, so that the process can be killed at exactly that one.

A seccomp filter hands each such call, of any thread, to a listener in the process of the test before the kernel executes it.
strace can kill at a call as well, but it counts calls by thread, and selects them by whole paths, which a new run does not have
yet. As a script, `python held_calls.py SOCKET COMMAND ...`, this installs the filter, sends the listener and becomes COMMAND.
"""

import ctypes
import errno
import fcntl
import os
import platform
import select
import signal
import socket
import struct
import sys
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Final, NamedTuple, Self

MACHINE_IS_KNOWN: Final = platform.machine() == "x86_64"
"""Whether calls can be held here: their numbers differ from machine to machine."""


class _Call(NamedTuple):
    """A system call: its name, and which arguments name files: (folder's descriptor or None, path or None)."""

    name: str
    files: tuple[tuple[int | None, int | None], ...]


_DESCRIPTOR: Final = ((0, None),)
_CALLS: Final = {
    1: _Call("write", _DESCRIPTOR),
    18: _Call("pwrite64", _DESCRIPTOR),
    20: _Call("writev", _DESCRIPTOR),
    40: _Call("sendfile", _DESCRIPTOR),
    74: _Call("fsync", _DESCRIPTOR),
    75: _Call("fdatasync", _DESCRIPTOR),
    76: _Call("truncate", ((None, 0),)),
    77: _Call("ftruncate", _DESCRIPTOR),
    82: _Call("rename", ((None, 0), (None, 1))),
    83: _Call("mkdir", ((None, 0),)),
    84: _Call("rmdir", ((None, 0),)),
    86: _Call("link", ((None, 0), (None, 1))),
    87: _Call("unlink", ((None, 0),)),
    88: _Call("symlink", ((None, 1),)),
    257: _Call("openat", ((0, 1),)),
    258: _Call("mkdirat", ((0, 1),)),
    263: _Call("unlinkat", ((0, 1),)),
    264: _Call("renameat", ((0, 1), (2, 3))),
    265: _Call("linkat", ((0, 1), (2, 3))),
    266: _Call("symlinkat", ((1, 2),)),
    285: _Call("fallocate", _DESCRIPTOR),
    296: _Call("pwritev", _DESCRIPTOR),
    306: _Call("syncfs", _DESCRIPTOR),
    316: _Call("renameat2", ((0, 1), (2, 3))),
    326: _Call("copy_file_range", ((2, None),)),
    328: _Call("pwritev2", _DESCRIPTOR),
}
"""By number. Opening a file counts where it may create one."""

_OPENAT: Final = 257
_WRITES: Final = ("write", "pwrite64")

# Numbers of linux/seccomp.h, linux/filter.h, linux/audit.h, linux/prctl.h, asm/unistd_64.h.
_SECCOMP: Final = 317
_SET_MODE_FILTER: Final = 1
_NEW_LISTENER: Final = 8
_NO_NEW_PRIVILEGES: Final = 38
_NOTIFY: Final = 0x7FC00000
_ALLOW: Final = 0x7FFF0000
_LOAD: Final = 0x20
_EQUAL: Final = 0x15
_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06
_X86_64: Final = 0xC000003E
_ARCHITECTURE_AT: Final = 4
_FLAGS_AT: Final = 16 + 2 * 8
_RECEIVE: Final = 0xC0502100
_SEND: Final = 0xC0182101
_CONTINUE: Final = 1
_REQUEST: Final = struct.Struct("=QIIiIQ6Q")
_RESPONSE: Final = struct.Struct("=QqiI")


@dataclass(frozen=True)
class Change:
    """A call that is about to change files: its name, and the files that it names."""

    name: str
    paths: tuple[Path, ...]


class HeldCalls:
    """The changes that a process is about to make below `folder`, and at which of them it is killed.

    Put `words` before its command. `seen` holds the changes since `kill_at` was called last.
    """

    def __init__(self, folder: Path) -> None:
        self.seen: list[Change] = []
        self.killed = False
        self._folder = folder
        self._kill_at: int | None = None
        self._torn = False
        self._name: str | None = None
        name = f"held-calls-{uuid.uuid4()}"
        self.words = ("python", __file__, name)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(f"\0{name}")
        self._socket.listen()
        Thread(target=self._hold, daemon=True).start()

    def kill_at(self, number: int | None, *, torn: bool = False) -> None:
        """Count from 1 again and kill before the change `number`; with `torn`, count writes only, and kill half way through."""
        self._kill_at, self._torn, self._name, self.seen = number, torn, None, []

    def kill_when_changing(self, name: str) -> None:
        """Kill before the first change of a file whose path ends with `name`."""
        self._kill_at, self._torn, self._name, self.seen = None, False, name, []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _hold(self) -> None:
        with suppress(OSError):  # closed before a process came
            connection, _ = self._socket.accept()
            with connection:
                _, (listener,), _, _ = socket.recv_fds(connection, 1, 1)
                process = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            try:
                self._decide_on_all(process, listener)
            finally:
                os.close(listener)

    def _decide_on_all(self, process: int, listener: int) -> None:
        ready = select.poll()
        ready.register(listener, select.POLLIN)
        while not ready.poll()[0][1] & select.POLLHUP:
            request = bytearray(_REQUEST.size)
            try:
                fcntl.ioctl(listener, _RECEIVE, request)
                call_id, thread, _, number, _, _, *arguments = _REQUEST.unpack(request)
                if self._is_the_last(thread, number, arguments):
                    self.killed = True
                    os.kill(process, signal.SIGKILL)
                    return
                fcntl.ioctl(listener, _SEND, _RESPONSE.pack(call_id, 0, 0, _CONTINUE))
            except OSError as error:
                if error.errno != errno.ENOENT:  # the thread that called is gone
                    raise

    def _is_the_last(self, thread: int, number: int, arguments: list[int]) -> bool:
        call = _CALLS[number]
        paths = tuple(_path(thread, arguments, *file) for file in call.files)
        if not any(path.is_relative_to(self._folder) for path in paths):
            return False
        if self._torn and call.name not in _WRITES:
            return False
        self.seen.append(Change(call.name, paths))
        if self._name is not None:
            return any(str(path).endswith(self._name) for path in paths)
        if len(self.seen) != self._kill_at:
            return False
        if self._torn:
            _write_half(thread, *arguments[:3])
        return True


def _path(thread: int, arguments: list[int], descriptor: int | None, name: int | None) -> Path:
    process = Path(f"/proc/{thread}")
    given = "" if name is None else _text_at(thread, arguments[name])
    number = None if descriptor is None else ctypes.c_int(arguments[descriptor]).value
    try:
        base = (process / "cwd" if number is None or number < 0 else process / "fd" / str(number)).readlink()
    except FileNotFoundError:  # no such descriptor: the call will fail
        base = Path("/nowhere")
    return base / given


def _text_at(thread: int, address: int) -> str:
    with Path(f"/proc/{thread}/mem").open("rb", buffering=0) as memory:
        # Up to the end of a page: the next one may not exist.
        found = bytearray()
        while b"\0" not in found:
            memory.seek(address + len(found))
            found += memory.read(4096 - (address + len(found)) % 4096)
    return os.fsdecode(bytes(found.partition(b"\0")[0]))


def _write_half(thread: int, descriptor: int, address: int, size: int) -> None:
    """Do half of what the call was about to do, as a kernel does that stops there."""
    with Path(f"/proc/{thread}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        content = memory.read(size // 2)
    fields = dict(line.split(":\t", 1) for line in Path(f"/proc/{thread}/fdinfo/{descriptor}").read_text().splitlines()[:2])
    file = os.open(f"/proc/{thread}/fd/{descriptor}", os.O_WRONLY | (int(fields["flags"], 8) & os.O_APPEND))
    os.pwrite(file, content, int(fields["pos"]))
    os.close(file)


def _filter() -> bytes:
    """Notify of the calls in the table, and allow all others."""
    calls = [number for number in _CALLS if number != _OPENAT]
    instructions = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 0, len(calls) + 4, _X86_64),
        (_LOAD, 0, 0, 0),
        *((_EQUAL, len(calls) - position + 3, 0, number) for position, number in enumerate(calls)),
        (_EQUAL, 0, 2, _OPENAT),
        (_LOAD, 0, 0, _FLAGS_AT),
        (_ANY_BIT, 1, 0, os.O_CREAT),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _NOTIFY),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _become(address: str, command: list[str]) -> None:
    """Install the filter, send its listener to the test and execute `command`."""
    library = ctypes.CDLL(None, use_errno=True)
    instructions = _filter()
    program = _Program(len(instructions) // 8, instructions)
    with socket.socket(socket.AF_UNIX) as test:
        test.connect(f"\0{address}")
        library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        listener = library.syscall(_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER, ctypes.byref(program))
        if listener < 0:
            raise SystemExit(f"cannot hold calls: {os.strerror(ctypes.get_errno())}")
        # From here on a call in the table waits for the test, and this one is not in it.
        socket.send_fds(test, [b"l"], [listener])
    os.execv(command[0], command)  # noqa: S606  # the test says which


if __name__ == "__main__":
    _become(sys.argv[1], sys.argv[2:])
