"""Asks a service for `/health` again and again until its standard input ends, and prints what the answers took, in ms.

`busy` is the most processor time that the service used until one of them was there: a busy machine does not change it.
A process of its own, started as `python health_probe.py URL PID`: what others of the test do must not count.
"""

import http.client
import json
import os
import selectors
import sys
import time
from pathlib import Path


def used_ms(pid: str) -> float:
    """The processor time that a process has used."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11:13]
    return (int(user) + int(system)) * 1000 / os.sysconf("SC_CLK_TCK")


def main(url: str, pid: str) -> None:
    """Ask until standard input ends."""
    took: list[float] = []
    busy = 0.0
    ended = selectors.DefaultSelector()
    ended.register(sys.stdin, selectors.EVENT_READ)
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    while not ended.select(timeout=0.005):
        began, used = time.perf_counter(), used_ms(pid)
        connection.request("GET", "/health")
        answer = connection.getresponse()
        assert json.loads(answer.read())["status"] == "ok"
        took.append((time.perf_counter() - began) * 1000)
        busy = max(busy, used_ms(pid) - used)
    took.sort()
    measured = {"answers": len(took), "median": took[len(took) // 2], "longest": took[-1], "busy": busy}
    print(json.dumps(measured))  # noqa: T201  # its result


if __name__ == "__main__":
    main(*sys.argv[1:])
