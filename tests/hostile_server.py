"""Serves every hostile module of `hostile_answers.py` below its name, and a good one: `python hostile_server.py [PORT]`.

A process of its own, so that what it costs to be hostile is not paid by those who are measured.
"""

import asyncio
import contextlib
import socket
import struct
import sys

from hostile_answers import GOOD, GOOD_NAME, HEALTHY, NAME, Act, Hostile, Speech, hostile_answers, http, once

_PAUSE_S = 0.02
_GOOD = Hostile(group="", name="good", execute=GOOD, health=HEALTHY, file=once(http(b"", "404 Not Found")))
_MODULES = {module.slug: module for module in hostile_answers()} | {GOOD_NAME: _GOOD}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection until a module ends it."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = next(
                (line for line in head.lower().split("\r\n") if line.startswith("content-length:")), "content-length: 0"
            )
            await reader.readexactly(int(length.partition(":")[2]))
            slug, _, path = head.split(" ")[1].lstrip("/").partition("/")
            if slug not in _MODULES:
                writer.write(http(b"{}", "404 Not Found"))
                continue
            if not await _say(_speech(_MODULES[slug], path), slug, writer):
                break
    writer.close()


def _speech(module: Hostile, path: str) -> Speech:
    return {"health": module.health, "execute": module.execute}.get(path, module.file)


async def _say(speech: Speech, slug: str, writer: asyncio.StreamWriter) -> bool:
    """Send `speech`; False when the connection ends with it."""
    for part in speech():
        match part:
            case Act.HANG:
                await asyncio.Event().wait()
            case Act.PAUSE:
                await asyncio.sleep(_PAUSE_S)
            case Act.RESET:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return False
            case bytes():
                writer.write(part.replace(NAME.encode(), slug.encode()))
                await writer.drain()
            case Act.STAY:
                return True
    return False


async def _serve() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = await asyncio.start_server(answer, "127.0.0.1", port, limit=2**24)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201  # how others find it
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
