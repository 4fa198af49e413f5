"""What a process asks of the kernel, seen from outside with strace: the order of what it writes, renames, flushes and sends."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

FLUSHES: Final = ("fsync", "fdatasync", "syncfs")
_TRACED: Final = f"trace=write,writev,sendto,sendmsg,{','.join(FLUSHES)},/^mkdir,/^rename"
# Threads interleave: a call that another one overtakes is printed in two halves, the second when it returns.
_LINE: Final = re.compile(r"(?P<thread>\d+) +(?:<\.\.\. )?(?P<name>\w+)(?P<resumed> resumed>)?(?P<rest>.*)")
_DESCRIPTOR: Final = re.compile(r"\(\d+<(?P<path>[^>]*)>")
_FAILED: Final = re.compile(r" = -1 E[A-Z]+ \([^)]*\)$")
_STRINGS: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class SystemCall:
    """One call that succeeded; `began` and `returned` are lines of the trace.

    `text` is what was written, the two paths of a rename, or that of a new folder.
    """

    name: str
    path: str
    text: tuple[str, ...]
    began: int
    returned: int


@dataclass(frozen=True)
class OnDisk:
    """A file or folder: the lines of the trace that changed it last and, if any, flushed it since.

    A folder changes when an entry comes or goes, or gets another name.
    """

    changed: int
    flushed: int | None = None


def killed_at(call: str, number: int) -> tuple[str, ...]:
    """The words to put before a command so that it is killed at its system call `call` number so and so."""
    _check_strace()
    # With --seccomp-bpf, strace 6.1 injects nothing.
    return "strace", "-f", "-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"


def strace(trace: Path) -> tuple[str, ...]:
    """The words to put before a command so that its calls are written to `trace`. Without strace: skipped, in CI a failure."""
    _check_strace()
    # The command keeps the process id, so that it can be signalled and killed as if it were not observed.
    return "strace", "--daemonize", "-f", "--seccomp-bpf", "-y", "-s", "4096", "-o", str(trace), "-e", _TRACED


def _check_strace() -> None:
    if shutil.which("strace") is None:
        message = "strace is missing; install the package of that name, or run .ci/install strace"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)


def read_calls(trace: Path, process: int) -> list[SystemCall]:
    """The calls of `process`, which has ended, in the order in which they began. Waits until the trace is complete."""
    last_line = re.compile(rf"^{process} +\+\+\+ ", re.MULTILINE)
    while not last_line.search(trace.read_text()):
        pass
    return sorted(_calls(trace.read_text().splitlines()), key=lambda call: call.began)


def on_disk(calls: Iterable[SystemCall], before: int) -> dict[str, OnDisk]:
    """What became of each path by line `before`, by where it was then: a rename takes along what is below a folder.

    A flush takes what had changed when it began.
    """
    state: dict[str, OnDisk] = {}
    for call in sorted((call for call in calls if call.returned < before), key=lambda call: call.returned):
        if call.name.startswith("rename"):
            source, target = call.text
            moved = {path: state.pop(path) for path in list(state) if path == source or path.startswith(f"{source}/")}
            for path, kept in moved.items():
                state[target + path.removeprefix(source)] = replace(kept, changed=call.returned)
            state |= dict.fromkeys((_folder(source), _folder(target)), OnDisk(call.returned))
        elif call.name in FLUSHES:
            for path in state if call.name == "syncfs" else (call.path,):
                if path in state and state[path].changed < call.began:
                    state[path] = replace(state[path], flushed=call.returned)
        else:
            path = call.text[0] if call.name.startswith("mkdir") else call.path
            if path not in state:
                state[_folder(path)] = OnDisk(call.returned)
            state[path] = OnDisk(call.returned)
    return state


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _calls(lines: list[str]) -> Iterator[SystemCall]:
    begun: dict[str, SystemCall] = {}
    for number, line in enumerate(lines):
        found = _LINE.match(line)
        if found is None:
            continue
        if found["resumed"]:
            call = begun.pop(found["thread"])
        else:
            path = _DESCRIPTOR.match(found["rest"])
            text = tuple(written.replace('\\"', '"') for written in _STRINGS.findall(found["rest"]))
            call = SystemCall(found["name"], path["path"] if path else "", text, number, number)
        if found["rest"].endswith("<unfinished ...>"):
            begun[found["thread"]] = call
        elif not _FAILED.search(found["rest"]):
            yield replace(call, returned=number)
