"""The two modules that every measured program calls: answers made beforehand, served as cheaply as Python can.

`alpha` answers with 2 KB and two inline artifacts (1 KB of JSON as text, 20 KB of base64), `beta` with 2 KB and the larger of
the two. Both are served by one process: `/alpha/health`, `/alpha/execute`, and the same below `/beta`. Started as
`python module_server.py PORT [SECONDS]`, they take so many seconds for a step.
"""

import asyncio
import base64
import hashlib
import json
import random
import sys
from typing import Any, Final, cast

import uvloop
from http_messages import Messages, ok

MODULES: Final = ("alpha", "beta")
ARTIFACTS: Final = {"alpha": ("kpis.json", "plot.png"), "beta": ("plot.png",)}


def envelope(module: str) -> bytes:
    """The answer of a module to any step."""
    kpis = {f"indicator_{number:02}": number / 7 for number in range(45)}
    evidence = {"id": "e1", "kind": "computation", "title": "Growth model, baseline", "supports": ["/kpis/indicator_01"]}
    answer = {
        "status": "success",
        "module": module,
        "version": "1.0.0",
        "contract_version": "1.0",
        "outputs": {"kpis": kpis},
        "artifacts": [artifact(name) for name in ARTIFACTS[module]],
        "evidence": [{**evidence, "synthetic": True}],
        "warnings": [],
        "meta": {"duration_ms": 1},
    }
    return json.dumps(answer).encode()


def artifact(name: str) -> dict[str, Any]:
    """An inline artifact: 1 KB of text for a JSON file, 20 KB of base64 for a picture."""
    if name.endswith(".json"):
        text = json.dumps({f"series_{number:02}": [number, number / 8] for number in range(40)})
        content, delivery = text.encode(), {"text": text}
    else:
        content = random.Random(0).randbytes(15 * 1024)  # noqa: S311  # the same bytes in every process
        delivery = {"data": base64.b64encode(content).decode()}
    media_type = "application/json" if name.endswith(".json") else "image/png"
    described = {"name": name, "media_type": media_type, "size_bytes": len(content)}
    return {**described, "sha256": hashlib.sha256(content).hexdigest(), **delivery}


def health(module: str) -> bytes:
    """The answer of a module about itself."""
    return json.dumps({"status": "ok", "module": module, "version": "1.0.0", "contract_versions": ["1.0"]}).encode()


ANSWERS: Final = {
    **{f"GET /{module}/health".encode(): ok(health(module)) for module in MODULES},
    **{f"POST /{module}/execute".encode(): ok(envelope(module)) for module in MODULES},
}


class Connection(asyncio.Protocol):
    """A connection from a measured program: each request is answered at once, or a step after `step_s` seconds."""

    def __init__(self, step_s: float) -> None:
        self._messages = Messages()
        self._step_s = step_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the writing end."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        for message in self._messages.feed(data):
            request_line, _, _ = message.head.partition(b" HTTP/1.1")
            if self._step_s and request_line.startswith(b"POST"):
                asyncio.get_running_loop().call_later(self._step_s, self._transport.write, ANSWERS[request_line])
            else:
                self._transport.write(ANSWERS[request_line])


async def serve(port: int, step_s: float = 0.0) -> None:
    """Serve both modules until the process is ended."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(step_s), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), *map(float, sys.argv[2:])))
