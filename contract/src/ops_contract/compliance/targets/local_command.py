"""A module that a command of this environment serves as a child process."""

import asyncio
import os
import re
import shlex
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from ops_contract.compliance.result import ExitCode
from ops_contract.compliance.targets.errors import TargetError
from ops_contract.compliance.targets.target import Target

_LAST_LINES: Final = 10
_MOST_KEPT: Final = 64 * 1024
_ADDRESS: Final = re.compile(rb"(https?://[^\s\"']+)\s")


@asynccontextmanager
async def command_target(
    words: Sequence[str], name: str, package: str, *, start_s: float = 600, stop_s: float = 6
) -> AsyncIterator[Target]:
    """Run the command `words` of `package`, wait at most `start_s` until it prints its address, and stop it at the end.

    A stub prints it after its warm-up, which takes minutes on a busy machine; a command that cannot start ends by itself.

    A process that does not stop within `stop_s` of SIGTERM is killed.
    Raises TargetError when there is no such command, when it ends early, and when it prints no address.
    """
    process = await asyncio.create_subprocess_exec(
        found_command(words[0], package),
        *words[1:],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    output = bytearray()
    listening = asyncio.ensure_future(_listen(process, output, address))
    try:
        await asyncio.wait((address, listening), timeout=start_s, return_when=asyncio.FIRST_COMPLETED)
        if not address.done():
            raise await _silent(process, words, output, start_s, ended=listening.done())
        yield Target(url=address.result(), name=name)
    finally:
        await _stop(process, stop_s)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def found_command(command: str, package: str) -> str:
    """The path of the command. Raises TargetError, naming the package that brings it, when it is not installed."""
    # The kit's own environment comes first, even when it is not activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    found = shutil.which(command, path=path)
    if found is None:
        raise TargetError(f"there is no command {command} here; install {package}", ExitCode.USAGE)
    return found


async def _listen(process: Process, output: bytearray, address: asyncio.Future[str]) -> None:
    """Read its output to the end, because a full pipe would stop it, and keep the last part."""
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    while chunk := await process.stdout.read(_MOST_KEPT):
        output += chunk
        if not address.done() and (found := _ADDRESS.search(output)):
            address.set_result(found[1].decode())
        del output[:-_MOST_KEPT]


async def _silent(process: Process, words: Sequence[str], output: bytearray, start_s: float, *, ended: bool) -> TargetError:
    lines = output.decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
    command, last = shlex.join(words), "".join(f"\n  {line}" for line in lines) or " nothing"
    if not ended:
        return TargetError(f"{command} printed no address within {start_s:g} s; its output:{last}")
    code = await process.wait()
    # The commands of this project use the same exit code for wrong usage.
    exit_code = ExitCode.USAGE if code == ExitCode.USAGE else ExitCode.UNREACHABLE
    return TargetError(f"{command} ended with exit code {code}; its output:{last}", exit_code)


async def _stop(process: Process, stop_s: float) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(stop_s):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    await process.wait()
