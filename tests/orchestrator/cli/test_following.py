"""What `ops runs logs --follow` reads, from a service that a test scripts: bytes on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ops_orchestrator.cli.following import followed
from ops_orchestrator.cli.service_client import ServiceClient
from ops_orchestrator.errors import CannotReachError, RefusedError

RUN_ID = "run_2026-01-09T12-34-56Z_ab12cd"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
LAST = b'{"event":"run.ended","status":"failed"}'


def event(seq: int, data: bytes = b"{}") -> bytes:
    return chunk(b"id: %d\ndata: %b\n\n" % (seq, data))


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


class Script:
    """Answers each connection with the next of `answers`, and closes it; with none left, without a word."""

    def __init__(self, *answers: bytes) -> None:
        self.asked_after: list[str] = []
        self._answers = list(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        self.asked_after.append(request.partition("last-event-id: ")[2].partition("\r\n")[0])
        if self._answers:
            writer.write(self._answers.pop(0))
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[ServiceClient]:
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, ServiceClient.at(f"http://{host}:{port}", None) as client:
        yield client


async def test_stream_that_breaks_goes_on_after_the_last_whole_line_with_one_sentence() -> None:
    script = Script(HEAD + event(1) + event(2) + chunk(b"id: 3\ndata: {"), b"", HEAD + event(3) + event(4, LAST) + END)
    sentences: list[str] = []
    async with scripted(script) as client:
        lines = [line async for line in followed(client, RUN_ID, sentences.append, pauses_s=(0, 0))]
    assert lines == [b"{}", b"{}", b"{}", LAST]
    assert script.asked_after == ["", "2", "2"]
    (sentence,) = sentences
    assert sentence.startswith(f"the stream of {RUN_ID} broke after line 2: ")


async def test_watcher_who_was_dropped_goes_on_without_a_word() -> None:
    script = Script(HEAD + event(1) + END, HEAD + event(2, LAST) + END)
    sentences: list[str] = []
    async with scripted(script) as client:
        assert [line async for line in followed(client, RUN_ID, sentences.append, pauses_s=())] == [b"{}", LAST]
    assert sentences == []


@pytest.mark.parametrize("rest", [b"", HEAD + END])
async def test_service_that_sends_nothing_more_is_given_up_with_how_to_go_on(rest: bytes) -> None:
    script = Script(HEAD + event(1), rest, rest, rest)
    async with scripted(script) as client:
        lines = followed(client, RUN_ID, lambda _: None, pauses_s=(0, 0))
        assert await anext(lines) == b"{}"
        with pytest.raises(CannotReachError, match=f"go on with `ops runs logs {RUN_ID} --follow`"):
            await anext(lines)
    assert len(script.asked_after) == 3


async def test_service_that_cannot_be_reached_at_first_is_not_tried_again() -> None:
    script = Script()
    async with scripted(script) as client:
        with pytest.raises(CannotReachError):
            await anext(followed(client, RUN_ID, lambda _: None))
    assert len(script.asked_after) == 1


async def test_run_that_ended_in_the_last_line_before_the_stream_broke_is_over() -> None:
    async with scripted(Script(HEAD + event(1, LAST))) as client:
        assert [line async for line in followed(client, RUN_ID, lambda _: None)] == [LAST]


async def test_log_of_a_resumed_run_is_read_beyond_its_first_end() -> None:
    async with scripted(Script(HEAD + event(1, LAST) + event(2) + event(3, LAST) + END)) as client:
        assert [line async for line in followed(client, RUN_ID, lambda _: None)] == [LAST, b"{}", LAST]


async def test_comments_and_line_separators_of_other_kinds_change_no_line() -> None:
    data = '{"message":"a\u2028b\u0085c"}'.encode()
    script = Script(HEAD + chunk(b": still there\n\n") + event(1, data) + chunk(b"retry: 1\n\n") + event(2, LAST) + END)
    async with scripted(script) as client:
        assert [line async for line in followed(client, RUN_ID, lambda _: None)] == [data, LAST]


async def test_problem_document_is_an_error_with_its_sentence() -> None:
    problem = b'{"title":"There is no such thing","detail":"There is no run."}'
    head = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n" % len(problem)
    async with scripted(Script(head + problem)) as client:
        with pytest.raises(RefusedError, match="There is no run"):
            await anext(followed(client, RUN_ID, lambda _: None))


async def test_stream_of_something_else_is_said_so() -> None:
    async with scripted(Script(HEAD + chunk(b"data: ticks\n\n"))) as client:
        with pytest.raises(CannotReachError, match="but not as an orchestrator does"):
            await anext(followed(client, RUN_ID, lambda _: None))
