"""What the kit sends and reads, against sockets that do what no HTTP library would."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from ops_contract.compliance.probe import Probe

pytestmark = pytest.mark.anyio

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(converse: Conversation) -> AsyncIterator[Probe]:
    conversations: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        conversations.add(task)
        try:
            await converse(reader, writer)
        finally:
            writer.transport.abort()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        yield Probe(f"http://127.0.0.1:{port}/base/")
        for task in conversations:
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)


def saying(answer: bytes, heard: list[bytes] | None = None) -> Conversation:
    """A server that reads a head, says `answer` and closes."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if heard is not None:
            heard.append(head)
        writer.write(answer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    return converse


async def test_answer_is_read_with_status_headers_and_body() -> None:
    answer = b"HTTP/1.1 418 Teapot\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello"
    async with server(saying(answer)) as probe:
        exchange = await probe.send("GET", "/health")
    assert (exchange.status, exchange.media_type, exchange.body, exchange.error) == (418, "text/plain", b"hello", None)
    assert exchange.url.endswith("/base/health")


async def test_path_and_headers_go_over_the_wire_as_they_are_given() -> None:
    heard: list[bytes] = []
    async with server(saying(b"HTTP/1.1 204 No Content\r\n\r\n", heard)) as probe:
        await probe.send("GET", "artifacts/../%2e%2e/%252e", headers={"X-Odd": "a  b"})
    assert heard[0].startswith(b"GET /base/artifacts/../%2e%2e/%252e HTTP/1.1\r\n")
    assert b"X-Odd: a  b\r\n" in heard[0]


async def test_path_that_no_url_can_hold_goes_out_as_the_orchestrator_sends_it() -> None:
    heard: list[bytes] = []
    async with server(saying(b"HTTP/1.1 204 No Content\r\n\r\n", heard)) as probe:
        exchange = await probe.send("GET", "/f/a%3B é")
    assert heard[0].startswith(b"GET /base/f/a%3B%20%C3%A9 HTTP/1.1\r\n")
    assert exchange.url.endswith("/base/f/a%3B%20%C3%A9")


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 129, "more than 128 header fields"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 8192 + b"\r\n", "a header field of more than 8192 bytes"),
        (b"HTTP/1.1 102 Processing\r\n\r\n" * 101 + b"HTTP/1.1 200 OK\r\n", "more than 100 interim answers (1xx)"),
    ],
    ids=["header fields", "header field", "interim answers"],
)
async def test_head_that_the_orchestrator_would_not_read_is_an_error(head: bytes, error: str) -> None:
    async with server(saying(head + b"\r\n")) as probe:
        assert (await probe.send("GET", "/health")).error == error


@pytest.mark.parametrize(
    ("encoding", "error"),
    [(b"Identity\r\nContent-Encoding: identity", None), (b"br", "a body in the encoding 'br', which was not accepted")],
)
async def test_encoding_is_judged_as_the_orchestrator_judges_it(encoding: bytes, error: str | None) -> None:
    heard: list[bytes] = []
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Encoding: " + encoding + b"\r\n\r\n{}"
    async with server(saying(answer, heard)) as probe:
        exchange = await probe.send("GET", "/health")
    assert (exchange.body, exchange.error) == (b"{}", error)
    assert b"\r\nAccept-Encoding: identity\r\n" in heard[0]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "closed without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "not HTTP/1.1"),
    ],
)
async def test_answer_that_is_none_is_an_error_and_never_raises(answer: bytes, said: str) -> None:
    async with server(saying(answer)) as probe:
        exchange = await probe.send("GET", "/health")
    assert exchange.error is not None
    assert said in exchange.error


async def test_server_that_says_nothing_is_given_up() -> None:
    async def wait(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(wait) as probe:
        exchange = await probe.send("GET", "/health", timeout_s=0.05)
    assert exchange.error == "no whole answer within 0.05 s"


async def test_answer_without_an_end_is_given_up() -> None:
    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(OSError, asyncio.CancelledError):
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()

    async with server(pour) as probe:
        exchange = await Probe(probe.url, most_bytes=100_000).send("GET", "/health")
    assert exchange.error == "the answer is larger than 100000 bytes"


async def test_refusal_of_a_large_body_is_read_although_the_server_closes_at_once() -> None:
    answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with server(saying(answer)) as probe:
        exchange = await probe.send("POST", "/execute", b"x" * 20_000_000)
    assert (exchange.status, exchange.error) == (413, None)


async def test_port_on_which_nobody_listens_is_said_in_the_system_s_words() -> None:
    async with server(saying(b"")) as probe:
        pass
    assert (await probe.send("GET", "/health")).error == "Connection refused"
