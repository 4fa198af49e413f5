import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import httpx2
import pytest
from scripted_module import ClientFor, ScriptedModule

from ops_orchestrator.errors import Failure, StepError
from ops_orchestrator.exchange import Request
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module
from ops_orchestrator.settings import Settings

HEALTH = Request(method="GET", path="/health")
Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def execute(body: bytes) -> Request:
    return Request(method="POST", path="/execute", headers={"Content-Type": "application/json"}, body=body)


async def failure_of(call: Awaitable[object]) -> Failure:
    with pytest.raises(StepError) as caught:
        await call
    return caught.value.failure


async def test_exchange_holds_both_bodies_as_they_went_over_the_wire(module: Module, client_for: ClientFor) -> None:
    alpha = ScriptedModule(answers=[httpx2.Response(200, content=b'{ "a": 1 }', headers={"Content-Type": "application/json"})])
    exchange = await client_for(alpha).send(module, execute(b'{"x": 1}'))
    assert (exchange.method, exchange.url, exchange.status) == ("POST", "http://alpha.test/execute", 200)
    assert (exchange.request, exchange.response) == (b'{"x": 1}', b'{ "a": 1 }')
    assert exchange.media_type == "application/json"


async def test_secret_in_the_query_is_in_no_exchange_and_no_message(module: Module, client_for: ClientFor) -> None:
    request = Request(method="POST", path="/execute?token=s3cret")
    error = httpx2.ConnectError("no way to /execute?token=s3cret")
    client = client_for(ScriptedModule(answers=[httpx2.Response(200), error]))
    exchange = await client.send(module, request)
    address = "http://alpha.test/execute?token=***"
    assert exchange.url == address
    failure = await failure_of(client.send(module, request))
    assert failure.message == f"alpha cannot be reached at {address}: no way to /execute?token=***"


async def test_module_below_a_path_is_called_below_it(module: Module, client_for: ClientFor) -> None:
    alpha = ScriptedModule()
    deeper = module.model_copy(update={"url": "http://alpha.test/stubs/alpha/"})
    await client_for(alpha).check(deeper, HEALTH)
    await client_for(alpha).send(deeper, execute(b"{}"))
    assert [request.url.path for request in alpha.requests] == ["/stubs/alpha/health", "/stubs/alpha/execute"]


async def test_modules_at_one_address_share_no_connection() -> None:
    connections: list[asyncio.StreamWriter] = []

    async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with server(answer_all) as module, real_client() as client:
        beta = module.model_copy(update={"name": "beta"})
        for called, known in ((module, 1), (beta, 2), (module, 2), (beta, 2)):
            await client.check(called, HEALTH)
            assert len(connections) == known


async def test_redirect_is_not_followed(module: Module, client_for: ClientFor) -> None:
    alpha = ScriptedModule(answers=[httpx2.Response(307, headers={"Location": "http://elsewhere.test/"})])
    exchange = await client_for(alpha).send(module, execute(b"{}"))
    assert exchange.status == 307
    assert len(alpha.requests) == 1


async def test_request_takes_json_without_compression_unless_it_says_otherwise(module: Module, client_for: ClientFor) -> None:
    alpha = ScriptedModule()
    client = client_for(alpha)
    await client.check(module, HEALTH)
    await client.check(module, Request(method="GET", path="/health", headers={"Accept": "text/csv"}))
    assert [request.headers["accept"] for request in alpha.requests] == ["application/json", "text/csv"]
    assert {request.headers["accept-encoding"] for request in alpha.requests} == {"identity"}


async def test_answer_larger_than_the_limit_is_given_up(module: Module, client_for: ClientFor) -> None:
    alpha = ScriptedModule(answers=[httpx2.Response(200, content=b"x" * 1001)])
    failure = await failure_of(client_for(alpha, response_bytes=1000).send(module, execute(b"{}")))
    assert failure.code == "ANSWER_TOO_LARGE"
    assert failure.message == "alpha sends more than the 1000 bytes allowed for /execute"


async def test_health_larger_than_64_kib_is_given_up(module: Module, client_for: ClientFor) -> None:
    alpha = ScriptedModule(health=[httpx2.Response(200, content=b"x" * (64 * 1024 + 1))])
    assert (await failure_of(client_for(alpha).check(module, HEALTH))).code == "ANSWER_TOO_LARGE"


async def test_compressed_answer_is_refused_before_it_can_grow(module: Module, client_for: ClientFor) -> None:
    bomb = httpx2.Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(b"\0" * 10_000_000))
    failure = await failure_of(client_for(ScriptedModule(answers=[bomb])).send(module, execute(b"{}")))
    assert "encoding 'gzip'" in failure.message


@pytest.mark.parametrize("encoding", ["Identity", "", "identity, identity"])
async def test_answer_that_says_it_is_not_encoded_is_read(module: Module, client_for: ClientFor, encoding: str) -> None:
    plain = httpx2.Response(200, headers={"Content-Encoding": encoding}, content=b"{}")
    exchange = await client_for(ScriptedModule(answers=[plain])).send(module, execute(b"{}"))
    assert exchange.response == b"{}"


@asynccontextmanager
async def server(conversation: Conversation) -> AsyncIterator[Module]:
    """A module that speaks whatever `conversation` writes, on a real socket."""
    conversations: list[asyncio.Future[None]] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.append(asyncio.ensure_future(conversation(reader, writer)))
        with suppress(OSError):
            await conversations[-1]
            writer.close()
            await writer.wait_closed()

    async with await asyncio.start_server(converse, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        yield Module(name="alpha", url=f"http://127.0.0.1:{port}")
        await asyncio.gather(*conversations, return_exceptions=True)


@asynccontextmanager
async def real_client() -> AsyncIterator[ModuleClient]:
    client = ModuleClient(Settings(_env_file=None).limits)
    try:
        yield client
    finally:
        await client.aclose()


def saying(*answer: bytes, reset: bool = False) -> Conversation:
    """Read the request's head, say each part of `answer` by itself, hang up; with `reset` as a crashed process does."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in answer:
            writer.write(part)
            for _ in range(_TURNS):  # for the client to read it
                await asyncio.sleep(0)
        if reset:
            linger = bytes([1, 0, 0, 0, 0, 0, 0, 0])
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()

    return converse


_TURNS: Final = 10
CHUNKED: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
BROKEN: Final = {
    "empty reply": (saying(b""), "the connection was closed before an answer came"),
    "connection reset": (saying(b"", reset=True), "Connection reset by peer"),
    "half a head": (saying(b"HTTP/1.1 200 OK\r\nContent-Le"), "the connection was closed before an answer came"),
    "truncated body": (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), "the answer did not arrive whole: "),
    "malformed chunk": (saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "the answer "),
    "not HTTP": (saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "the answer is not valid HTTP: "),
    "malformed chunk after a good one": (
        saying(CHUNKED, b"zz\r\n"),
        "the answer did not arrive whole: Invalid character in chunk size",
    ),
}


@pytest.mark.parametrize(("conversation", "reason"), BROKEN.values(), ids=BROKEN)
async def test_broken_conversation_is_a_retryable_failure_naming_module_and_address(
    conversation: Conversation, reason: str
) -> None:
    async with server(conversation) as module, real_client() as client:
        failure = await failure_of(client.send(module, execute(b"{}")))
    assert (failure.code, failure.retryable) == ("MODULE_UNREACHABLE", True)
    assert failure.message.startswith(f"alpha cannot be reached at {module.url}/execute: {reason}")
    assert len(failure.message) < 500


FIELD: Final = b"X: " + b"a" * 8192 + b"\r\n"
FIELDS: Final = b"X: a\r\n" * 129
EXCESSIVE: Final = {
    "header field": (saying(b"HTTP/1.1 200 OK\r\n" + FIELD + b"\r\n"), "8192 bytes of one header field"),
    "header fields": (saying(b"HTTP/1.1 200 OK\r\n" + FIELDS + b"\r\n"), "128 header fields"),
    "trailer field": (saying(CHUNKED, b"0\r\n" + FIELD + b"\r\n"), "8192 bytes of one header field"),
    "trailer fields": (saying(CHUNKED, b"0\r\n" + FIELDS + b"\r\n"), "128 header fields"),
    "interim answers": (saying(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 101), "100 interim answers (1xx)"),
    "interim answers without a phrase": (saying(*[b"HTTP/1.1 102\r\n\r\n"] * 101), "100 interim answers (1xx)"),
}


@pytest.mark.parametrize(("conversation", "excess"), EXCESSIVE.values(), ids=EXCESSIVE)
async def test_answer_that_exceeds_a_limit_around_its_body_is_a_final_failure_naming_the_limit(
    conversation: Conversation, excess: str
) -> None:
    async with server(conversation) as module, real_client() as client:
        failure = await failure_of(client.send(module, execute(b"{}")))
    assert (failure.code, failure.retryable) == ("ANSWER_TOO_LARGE", False)
    assert failure.message == f"alpha sends more than the {excess} allowed for /execute"


async def test_failure_names_the_address_that_was_requested() -> None:
    async with server(saying(b"HTTP/1.1 200 OK\r\nContent-Le")) as module, real_client() as client:
        deeper = module.model_copy(update={"url": f"{module.url}/caf\u00e9/"})
        failure = await failure_of(client.check(deeper, Request(method="GET", path="f/a%3Bb c.bin")))
    assert f" {module.url}/caf%C3%A9/f/a%3Bb%20c.bin: " in failure.message


async def test_body_that_breaks_off_does_no_harm_where_no_whole_answer_is_wanted() -> None:
    request = Request(method="GET", path="/health", whole=False)
    async with server(BROKEN["truncated body"][0]) as module, real_client() as client:
        assert (await client.check(module, request)).status == 200


async def test_port_on_which_nobody_listens_is_said_in_the_system_s_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    async with real_client() as client:
        failure = await failure_of(client.check(Module(name="alpha", url=f"http://127.0.0.1:{port}"), HEALTH))
    assert failure.message == f"alpha cannot be reached at http://127.0.0.1:{port}/health: Connection refused"


async def test_host_name_that_does_not_exist_is_named() -> None:
    async with real_client() as client:
        failure = await failure_of(client.check(Module(name="alpha", url="http://no-such-module.invalid"), HEALTH))
    assert failure.message.endswith("the host name 'no-such-module.invalid' is not known")


async def test_connection_is_kept_from_call_to_call() -> None:
    connections = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while not reader.at_eof():
            try:
                await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
        writer.close()

    async with server(converse) as module, real_client() as client:
        for _ in range(3):
            await client.check(module, HEALTH)
    assert connections == 1
