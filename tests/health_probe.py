"""Asks a service for `/health` again and again until its standard input ends, and prints how long the answers took, in ms.

A process of its own, started as `python health_probe.py URL`: what others of the test do must not count.
"""

import http.client
import json
import selectors
import sys
import time


def main(url: str) -> None:
    """Ask until standard input ends."""
    took: list[float] = []
    ended = selectors.DefaultSelector()
    ended.register(sys.stdin, selectors.EVENT_READ)
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    while not ended.select(timeout=0.005):
        began = time.perf_counter()
        connection.request("GET", "/health")
        answer = connection.getresponse()
        assert json.loads(answer.read())["status"] == "ok"
        took.append((time.perf_counter() - began) * 1000)
    took.sort()
    print(json.dumps({"answers": len(took), "median": took[len(took) // 2], "longest": took[-1]}))  # noqa: T201  # its result


if __name__ == "__main__":
    main(sys.argv[1])
