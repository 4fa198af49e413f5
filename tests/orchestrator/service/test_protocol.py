"""What the server makes of requests that are not as most callers send them."""

import asyncio
import re

import pytest
from served_app import served
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

WHOLE = b"POST /whole HTTP/1.1\r\nHost: ops\r\nContent-Length: 4\r\n\r\nbody"
END = "\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: ops\r\nConnection: close\r\n\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the path and the body."""
    request = Request(scope, receive)
    await Response(request.url.path.encode() + b" " + await request.body())(scope, receive, send)


async def answers_to(*parts: bytes) -> list[str]:
    """Statuses and bodies of what the server answers to `parts`, sent one after another, before it closes the connection."""
    async with served(echo) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for part in parts:
            writer.write(part)
            await writer.drain()
        found = re.split(r"HTTP/1\.1 (?=\d)", (await reader.read()).decode())[1:]
        writer.close()
        await writer.wait_closed()
    return [f"{answer[:3]} {answer.partition(END)[2]}" for answer in found]


@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 4\r\n\r\nbody", b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"],
    ids=["length", "chunked"],
)
@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
async def test_request_for_another_protocol_is_read_to_its_end(protocol: bytes, body: bytes) -> None:
    head = b"POST /h2c HTTP/1.1\r\nHost: ops\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: " + protocol + b"\r\n"
    assert await answers_to(head + body + LAST) == ["200 /h2c body", "200 /last "]
    every_byte = [bytes([byte]) for byte in head + body]
    assert await answers_to(*every_byte, LAST) == ["200 /h2c body", "200 /last "]


async def test_requests_before_one_that_cannot_be_read_are_answered_and_the_connection_ends() -> None:
    *answers, refusal = await answers_to(WHOLE * 3 + b"GARBAGE\r\n\r\n" + WHOLE)
    assert (answers, refusal[:5]) == (["200 /whole body"] * 3, "400 {")


async def test_body_that_cannot_be_read_is_refused_after_the_answers_before_it() -> None:
    broken = b"POST /broken HTTP/1.1\r\nHost: ops\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n"
    first, refusal = await answers_to(WHOLE + broken)
    assert (first, refusal[:5]) == ("200 /whole body", "400 {")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: ops\r\nHost: ops\r\n", "400"),
        (b"GET / HTTP/1.0\r\n", "200"),
        (b"GET / HTTP/1.1\r\nHost: ops\r\nTransfer-Encoding: gzip, chunked\r\n", "501"),
        (b"GET / HTTP/1.1\r\nHost: ops\r\nX-Long: " + b"x" * 66_000 + b"\r\n", "431"),
        (b"GET /" + b"x" * 66_000 + b" HTTP/1.1\r\nHost: ops\r\n", "431"),
        (b"GET / HTTP/1.1\r\nHost: ops\r\nX-Long: " + b"x" * 65_000 + b"\r\n", "200"),
    ],
    ids=["no host", "two hosts", "no host in 1.0", "transfer coding", "long header", "long target", "just fits"],
)
async def test_head_is_refused_for_what_it_says(head: bytes, status: str) -> None:
    (answer,) = await answers_to(head + b"Connection: close\r\n\r\n")
    assert answer[:3] == status
