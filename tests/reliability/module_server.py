"""The modules of the runs that are killed: `python module_server.py [PORT [HOST]]` serves each below its name, and says where.

`fetched` delivers a file to fetch, `inline` one in its answer, `retried` fails at first in each run, `adapted` does not speak
the contract, `refusing` never does its step, `second` takes a second, and `slow` answers while it may: from `PUT /go` until
`DELETE /go`.
"""

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

FILE: Final = bytes(range(256)) * 400
_INLINE: Final = "figures\n" * 500

Answer = tuple[int, Any]


class Modules:
    """All modules; `go` is set while `slow` answers at once."""

    def __init__(self) -> None:
        self._tried: set[str] = set()
        self._go = asyncio.Event()

    async def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Status and body of the answer to a request; a body of bytes is a file."""
        name, _, what = path.lstrip("/").partition("/")
        if what == "health":
            return 200, {"status": "ok", "module": name, "version": "1.2.3", "contract_versions": ["1.0"]}
        if what == "figures.bin":
            return 200, FILE
        if name == "go":
            (self._go.set if method == "PUT" else self._go.clear)()
            return 200, {}
        return await self._execute(name, json.loads(body))

    async def _execute(self, name: str, request: dict[str, Any]) -> Answer:
        run_id = request.get("run_id", "")
        if name == "slow":
            await self._go.wait()
        if name == "second":
            await asyncio.sleep(1)
        if name == "refusing":
            return 422, _error(name, "NO_DATA", retryable=False)
        if name == "retried" and run_id not in self._tried:
            self._tried.add(run_id)
            return 503, _error(name, "BUSY", retryable=True)
        if name == "adapted":
            return 200, {"found": {"score": 7}, "remark": "made up"}
        return 200, _envelope(name)


def _envelope(name: str) -> dict[str, Any]:
    delivered = {
        "fetched": [_artifact("data/figures.bin", FILE, href="figures.bin")],
        "inline": [_artifact("figures.csv", _INLINE.encode(), text=_INLINE)],
    }
    return {
        "status": "success",
        "module": name,
        "version": "1.2.3",
        "contract_version": "1.0",
        "outputs": {"found": [1, 2.5, "three"]},
        "artifacts": delivered.get(name, []),
        "warnings": ["a warning"] if name == "inline" else [],
    }


def _artifact(name: str, content: bytes, **delivered: str) -> dict[str, Any]:
    described = {"name": name, "media_type": "application/octet-stream", "size_bytes": len(content)}
    return {**described, "sha256": hashlib.sha256(content).hexdigest(), **delivered}


def _error(name: str, code: str, *, retryable: bool) -> dict[str, Any]:
    return {"status": "error", "module": name, "error": {"code": code, "message": "as it must", "retryable": retryable}}


async def _serve(answer: Callable[[str, str, bytes], Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lengths = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
            body = await reader.readexactly(int(lengths[0].partition(":")[2]) if lengths else 0)
            method, path, _ = head.split(" ", 2)
            status, said = await answer(method, path, body)
            is_file = isinstance(said, bytes)
            content = said if is_file else json.dumps(said).encode()
            kind = b"application/octet-stream" if is_file else b"application/json"
            writer.write(b"HTTP/1.1 %d X\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (status, kind, len(content)))
            writer.write(content)
            await writer.drain()
    writer.close()


async def _main() -> None:
    modules = Modules()
    port, host = (*sys.argv[1:], *("0", "127.0.0.1")[len(sys.argv) - 1 :])
    server = await asyncio.start_server(lambda reader, writer: _serve(modules.answer, reader, writer), host, int(port))
    print(f"http://{host}:{server.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201  # how others find it
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
