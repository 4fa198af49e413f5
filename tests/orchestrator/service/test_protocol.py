"""What the server makes of requests that are not as most callers send them."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator

import pytest
from served_app import served
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ops_orchestrator.service.callers import CallerLimits, Callers, Connection, Patience

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


SOON = CallerLimits(head_s=0.5, body_s=0.5, unread_s=0.5, linger_s=0.5, look_every_s=0.05)


async def test_requests_sent_together_are_answered_in_order_however_they_are_cut() -> None:
    chunked = b"POST /chunked HTTP/1.1\r\nHost: ops\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-After: it\r\n\r\n"
    sent = b"\r\n" + (WHOLE + chunked + b"\r\nGET /none HTTP/1.1\r\nHost: ops\r\n\r\n") * 40 + LAST
    expected = ["200 /whole body", "200 /chunked body", "200 /none "] * 40 + ["200 /last "]
    for size in (1, 3, 50, 1000, len(sent)):
        parts = [sent[at : at + size] for at in range(0, len(sent), size)]
        assert await answers_to(*parts) == expected


async def test_next_request_is_not_begun_before_the_first_is_answered() -> None:
    begun: list[str] = []
    asked, gate = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            begun.append(scope["path"])
            asked.set()
            await gate.wait()
            await Response()(scope, receive, send)

    async with served(app) as url:
        reader, writer = await connected(url)
        writer.write(b"GET /one HTTP/1.1\r\nHost: ops\r\n\r\n" * 1000 + LAST)
        await writer.drain()
        await asked.wait()
        waiting = list(begun)
        gate.set()
        answers = await reader.read()
        writer.close()
    assert waiting == ["/one"]
    assert (len(begun), answers.count(b"HTTP/1.1 200 OK")) == (1001, 1001)


async def test_what_stands_behind_a_body_in_chunks_is_no_header() -> None:
    seen: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await Request(scope, receive).body()
            seen.extend(name for name, _ in scope["headers"])
            await Response()(scope, receive, send)

    async with served(app) as url:
        reader, writer = await connected(url)
        head = b"POST / HTTP/1.1\r\nHost: ops\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head + b"0\r\nAuthorization: Bearer x\r\n\r\n")
        await reader.read()
        writer.close()
    assert seen == [b"host", b"connection", b"transfer-encoding"]


async def connected(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to what is served."""
    host, port = url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def test_answer_may_take_longer_than_anything_else() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            done = asyncio.Event()
            asyncio.get_running_loop().call_later(4 * SOON.look_every_s + 2 * SOON.head_s, done.set)
            await done.wait()
            await Response()(scope, receive, send)

    async with served(app, limits=SOON) as url:
        reader, writer = await connected(url)
        writer.write(LAST)
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK")


def test_patience_grows_with_what_comes_and_never_beyond_its_bound() -> None:
    patience = Patience(slowest=100)
    assert not patience.is_over(0, "body", 10)
    assert not patience.is_over(9, "body", 10, 200)  # two seconds more
    assert not patience.is_over(12, "body", 10, 200)
    assert not patience.is_over(12, "body", 10, 100_000)
    assert patience.is_over(22.1, "body", 10, 100_000)
    assert not patience.is_over(22.1, "another body", 10, 100_000)


class Quiet:
    """A connection that nothing is to be said of."""

    def look(self, now: float) -> None:
        """See Connection."""


async def test_connections_are_counted_by_address_and_those_of_siblings_are_not() -> None:
    callers = Callers(CallerLimits(connections=4, per_address=2))
    connections: list[Connection] = [Quiet() for _ in range(8)]
    hosts = ["10.0.0.1", "10.0.0.1", "10.0.0.1", None, "2001:db8::1", "10.0.0.2"]
    whys = [callers.admit(connection, host) for connection, host in zip(connections, hosts, strict=False)]
    assert [why and why.status for why in whys] == [None, None, 503, None, 503, 503]
    for connection in connections:
        callers.leave(connection)
    networks = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1", "::ffff:10.0.0.1"]
    roomy = Callers(CallerLimits(per_address=2))
    whys = [roomy.admit(connection, host) for connection, host in zip(connections, networks, strict=False)]
    assert [why and why.status for why in whys] == [None, None, 503, None, None]


def test_bytes_of_all_requests_are_counted_and_a_single_request_always_fits() -> None:
    callers = Callers(CallerLimits(pending_bytes=100))
    assert callers.take(90, own=0)
    assert callers.take(90, own=90)
    assert not callers.take(1, own=0)
    callers.give_back(180)
    assert callers.take(1000, own=0)


async def test_caller_that_never_reads_its_answer_is_given_up() -> None:
    ended = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await StreamingResponse(large())(scope, receive, send)
            ended.set()

    async with served(app, send_buffer=4096, limits=SOON) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(LAST)
            await ended.wait()


async def large() -> AsyncIterator[bytes]:
    """Much more than the system takes for a caller who does not read; whoever is gone is sent nothing more."""
    for _ in range(1000):
        yield b"x" * 65536
