"""What a Transport promises, on real sockets: of ours, and of the one with which tests replace the network."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress

import httpx2
import pytest
import uvloop
from module_transport import Httpx2Transport

from ops_orchestrator.errors import NetworkError, ResponseTooLargeError
from ops_orchestrator.modules.aiohttp_transport import AiohttpTransport
from ops_orchestrator.modules.transport import Transport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
UNREQUESTED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
MIB = 1024 * 1024
MANY = 101
"""One more than the connections that either library opens unless it is told otherwise."""


class Server:
    """Gives `answer` to each request on a real socket and notes what came and on how many connections."""

    def __init__(self, answer: bytes, *, hangs_up: bool) -> None:
        self.url = ""
        self.requests: list[bytes] = []
        self.connections = 0
        self.hung_up = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []
        self._answer = answer
        self._hangs_up = hangs_up

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        self.connections += 1
        self._writers.append(writer)
        while request := await read_request(reader):
            self.requests.append(request)
            writer.write(self._answer)
            if self._hangs_up:
                break
        self.hung_up.set()
        writer.close()

    def say(self, data: bytes) -> None:
        """Send `data`, at once, on the last connection, for which nobody asked."""
        self._writers[-1].write(data)

    async def close(self) -> None:
        """Hang up on clients that keep their connections."""
        for writer in self._writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    @property
    def fields(self) -> dict[str, str]:
        """The header fields of the last request, names in lower case."""
        lines = self.requests[-1].decode().partition("\r\n\r\n")[0].splitlines()[1:]
        return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """A whole request; nothing when the connection ends."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return head + await reader.readexactly(int(length or 0))


@asynccontextmanager
async def serving(answer: bytes = OK, *, host: str = "127.0.0.1", hangs_up: bool = False) -> AsyncIterator[Server]:
    server = Server(answer, hangs_up=hangs_up)
    async with await asyncio.start_server(server.converse, host, 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        server.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        try:
            yield server
        finally:
            await server.close()


def over_httpx2() -> Httpx2Transport:
    return Httpx2Transport(httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=None)))


@pytest.fixture(params=[AiohttpTransport, over_httpx2], ids=["aiohttp", "httpx2"])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Transport]:
    make: Callable[[], Transport] = request.param
    transport = make()
    yield transport
    await transport.aclose()


async def send(
    transport: Transport,
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    limit: int = 1000,
) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body of one request's whole response."""
    async with aclosing(await transport.send(method, url, headers or {}, body, limit=limit)) as response:
        return response.status, response.headers, b"".join([chunk async for chunk in response.chunks])


async def failure_of(transport: Transport, url: str) -> NetworkError:
    with pytest.raises(NetworkError) as caught:
        await send(transport, url)
    return caught.value


async def test_request_goes_out_with_its_headers_and_body(transport: Transport) -> None:
    async with serving() as server:
        await send(transport, f"{server.url}/execute?a=1", method="POST", headers={"x-run": "r1"}, body=b'{"x": 1}')
    assert server.requests[0].startswith(b"POST /execute?a=1 HTTP/1.1\r\n")
    assert server.requests[0].endswith(b'\r\n\r\n{"x": 1}')
    assert server.fields["x-run"] == "r1"


async def test_post_without_a_body_says_that_it_has_none(transport: Transport) -> None:
    async with serving() as server:
        await send(transport, f"{server.url}/execute", method="POST")
    assert server.fields["content-length"] == "0"


async def test_body_is_not_said_to_be_of_a_type_that_the_caller_did_not_name(transport: Transport) -> None:
    async with serving() as server:
        for body in (b"", b"a body"):
            await send(transport, server.url, method="POST", body=body)
            assert "content-type" not in server.fields


async def test_get_without_a_body_says_nothing_of_one(transport: Transport) -> None:
    async with serving() as server:
        await send(transport, server.url)
    assert not server.fields.keys() & {"content-length", "content-type", "transfer-encoding"}


async def test_response_has_status_headers_and_body(transport: Transport) -> None:
    answer = b"HTTP/1.1 503 Later\r\nX-A: 1\r\nx-a: 2\r\nX-B: caf\xe9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
    async with serving(answer) as server:
        status, headers, body = await send(transport, server.url)
    assert (status, headers["x-a"], headers["x-b"], body) == (503, "1, 2", "café", b"no")


async def test_response_says_under_which_address_it_was_asked_for(transport: Transport) -> None:
    async with serving() as server, aclosing(await transport.send("GET", f"{server.url}/a b/é", {}, b"", limit=10)) as response:
        assert response.url == f"{server.url}/a%20b/%C3%A9"
    assert server.requests[0].startswith(b"GET /a%20b/%C3%A9 ")


@pytest.mark.parametrize(
    "target", ["/f/a%3Bb.bin", "/%26%3D%40%21%3A%24%7E%41%c3%a9%2F+'(", "/a;b&c=d", "/a/../%2e%2e/b", "/s?a=%3B%2B+%7e;'&b"]
)
async def test_address_goes_out_as_it_is_written(target: str) -> None:
    async with (
        serving() as server,
        aclosing(AiohttpTransport()) as transport,
        aclosing(await transport.send("GET", f"{server.url}{target}", {}, b"", limit=10)) as response,
    ):
        assert response.url == f"{server.url}{target}"
    assert server.requests[0].startswith(f"GET {target} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("phrase", [b"Service indispon\xedvel", b""])
async def test_status_counts_whatever_its_phrase_is(transport: Transport, phrase: bytes) -> None:
    async with serving(b"HTTP/1.1 503 " + phrase + b"\r\nContent-Length: 0\r\n\r\n") as server:
        assert (await send(transport, server.url))[0] == 503


async def test_redirect_is_given_and_not_followed(transport: Transport) -> None:
    async with serving(b"HTTP/1.1 307 Elsewhere\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n") as server:
        status, headers, _ = await send(transport, server.url)
    assert (status, headers["location"], len(server.requests)) == (307, "/else", 1)


async def test_cookie_is_not_sent_back(transport: Transport) -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n") as server:
        await send(transport, server.url.replace("127.0.0.1", "localhost"))
        await send(transport, server.url.replace("127.0.0.1", "localhost"))
    assert len(server.requests) == 2
    assert "cookie" not in server.fields


async def test_compressed_body_is_given_as_it_came(transport: Transport) -> None:
    packed = gzip.compress(b"\0" * 100_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with serving(head + packed) as server:
        assert (await send(transport, server.url))[2] == packed


async def test_proxy_of_the_environment_is_not_used(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as server, serving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        await send(transport, server.url)
    assert (len(server.requests), len(proxy.requests)) == (1, 0)


async def test_ipv6_address_is_reached(transport: Transport) -> None:
    async with serving(host="::1") as server:
        await send(transport, server.url)
    assert server.fields["host"] == server.url.removeprefix("http://")


async def test_body_of_exactly_the_limit_is_read(transport: Transport) -> None:
    async with serving() as server:
        assert (await send(transport, server.url, limit=2))[2] == b"{}"


async def test_body_over_the_limit_is_given_up_and_its_connection_closed(transport: Transport) -> None:
    async with serving(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3000) as server:
        with pytest.raises(ResponseTooLargeError):
            await send(transport, server.url, limit=1000)
        await server.hung_up.wait()


async def test_connection_is_kept_for_the_next_request(transport: Transport) -> None:
    async with serving() as server:
        for _ in range(3):
            await send(transport, server.url)
    assert (len(server.requests), server.connections) == (3, 1)


async def test_as_many_interim_answers_and_header_fields_as_allowed_are_read() -> None:
    field = b"X: " + b"a" * 8191 + b"\r\n"
    answer = b"HTTP/1.1 102 Processing\r\n\r\n" * 100 + b"HTTP/1.1 200 OK\r\n" + field * 127 + b"Content-Length: 2\r\n\r\n{}"
    async with serving(answer) as server, aclosing(AiohttpTransport()) as transport:
        for _ in range(2):
            assert (await send(transport, server.url))[2] == b"{}"


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_body_is_parsed_a_little_at_a_time(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """All other runs wait while an answer is parsed, and in chunks of one byte it takes long."""

    async def most_between_two_turns() -> int:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MIB + b"x" * MIB
        async with (
            serving(answer) as server,
            aclosing(AiohttpTransport()) as transport,
            aclosing(await transport.send("GET", server.url, {}, b"", limit=MIB)) as response,
        ):
            return max([len(chunk) async for chunk in response.chunks])

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(most_between_two_turns()) <= 64 * 1024


@pytest.mark.parametrize("more", [UNREQUESTED, b"HTTP/1.1 100 Continue\r\n\r\n" + UNREQUESTED, UNREQUESTED * 1000])
async def test_second_answer_right_after_the_first_is_not_that_of_the_next_request(more: bytes) -> None:
    async with serving(OK + more) as server, aclosing(AiohttpTransport()) as transport:
        for _ in range(2):
            assert (await send(transport, server.url))[2] == b"{}"
        assert server.connections == 2


@pytest.mark.parametrize("late", [UNREQUESTED, b"H", b"\0" * 100_000], ids=["an answer", "the start of one", "anything"])
async def test_connection_on_which_something_comes_that_was_not_requested_is_closed(late: bytes) -> None:
    async with serving() as server, aclosing(AiohttpTransport()) as transport:
        await send(transport, server.url)
        server.say(late)
        await server.hung_up.wait()
        assert (await send(transport, server.url))[2] == b"{}"


async def test_late_second_answer_that_nobody_has_read_yet_is_not_that_of_the_next_request() -> None:
    async with serving() as server, aclosing(AiohttpTransport()) as transport:
        await send(transport, server.url)
        server.say(UNREQUESTED)  # and without a turn of the event loop, the next request
        assert (await send(transport, server.url))[2] == b"{}"
        assert server.connections == 2


async def test_request_does_not_wait_for_others_to_end(transport: Transport) -> None:
    async with serving(b"HTTP/1.1 200 OK\r\n\r\n") as server, AsyncExitStack() as under_way:
        for _ in range(MANY):
            response = await transport.send("GET", server.url, {}, b"", limit=10)
            under_way.push_async_callback(response.aclose)
        assert server.connections == MANY


async def test_response_that_is_closed_early_closes_its_connection(transport: Transport) -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome") as server:
        async with aclosing(await transport.send("GET", server.url, {}, b"", limit=1000)) as response:
            assert await anext(response.chunks) == b"some"
        await server.hung_up.wait()


async def test_port_on_which_nobody_listens_means_that_nothing_was_sent(transport: Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert (await failure_of(transport, f"http://127.0.0.1:{port}")).unsent


@pytest.mark.parametrize("host", ["no-such-module.invalid", "bücher.invalid"])
async def test_unknown_host_name_means_that_nothing_was_sent(transport: Transport, host: str) -> None:
    assert (await failure_of(transport, f"http://{host}")).unsent


async def test_host_name_that_cannot_be_encoded_is_a_network_error() -> None:
    async with aclosing(AiohttpTransport()) as transport:
        await failure_of(transport, f"http://{'a' * 70}.invalid")


@asynccontextmanager
async def speaking_plainly() -> AsyncIterator[str]:
    """The https address of a server that knows nothing of TLS."""

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"no TLS here\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as listener:
        yield f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


async def test_failed_tls_handshake_means_that_nothing_was_sent(transport: Transport) -> None:
    async with speaking_plainly() as url:
        assert (await failure_of(transport, url)).unsent


async def test_failed_tls_handshake_is_named_and_not_taken_for_an_error_of_the_system() -> None:
    async with speaking_plainly() as url, aclosing(AiohttpTransport()) as transport:
        assert str(await failure_of(transport, url)).startswith("the TLS handshake failed: ")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="no answer"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="half a head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", id="half a body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="malformed chunk"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", id="not HTTP"),
    ],
)
async def test_connection_that_breaks_after_the_request_is_an_error_of_something_sent(
    transport: Transport, answer: bytes
) -> None:
    async with serving(answer, hangs_up=True) as server:
        assert not (await failure_of(transport, server.url)).unsent


async def test_closed_transport_sends_nothing_more() -> None:
    transport = AiohttpTransport()
    async with serving() as server:
        await send(transport, server.url)
        await transport.aclose()
        assert (await failure_of(transport, server.url)).unsent
    assert len(server.requests) == 1


async def test_transport_that_sent_nothing_can_be_closed(transport: Transport) -> None:
    await transport.aclose()
