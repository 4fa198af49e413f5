"""Ends what a test session started, however the session ends: `guard.py run COMMAND` or `guard.py after COMMAND`.

The session holds the other end of this process's standard input. When that closes, because the session is done or was
killed, `run` stops the command that it started, and `after` runs its command. Each service of a stack has a guard, so
that this file imports no more than it needs.
"""

import contextlib
import os
import signal
import subprocess
import sys
from threading import Thread

_GRACE_S = 10.0


def _main(mode: str, command: list[str]) -> int:
    if mode == "after":
        _wait_for_end_of_session()
        return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603  # the session's
    # In a group of its own, so that its workers are stopped with it.
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as service:  # noqa: S603  # the session's
        Thread(target=_stop_at_end_of_session, args=(service,), daemon=True).start()
        code = service.wait()
        # Here, since the thread ends with this function: a service that stops at once may leave its workers behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(service.pid, signal.SIGKILL)
        return code


def _wait_for_end_of_session() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass


def _stop_at_end_of_session(service: "subprocess.Popen[bytes]") -> None:
    _wait_for_end_of_session()
    service.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        service.wait(_GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(service.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], sys.argv[2:]))
