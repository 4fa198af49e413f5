"""Transport faults on real sockets, seen by a client that knows bytes only."""

import gzip
import json
import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from subprocess import Popen
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from ops_stubs.app import create_app
from ops_stubs.catalogue import STUBS
from ops_stubs.faults import Faults

Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeBody = Callable[..., dict[str, Any]]
Serve = Callable[..., AbstractContextManager[tuple["Popen[str]", int]]]


@dataclass
class Seen:
    """What came back on a socket: its pieces as they arrived, and what ended them."""

    pieces: list[bytes] = field(default_factory=list)
    end: type[Exception] | None = None

    @property
    def head(self) -> bytes:
        return b"".join(self.pieces).partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces).partition(b"\r\n\r\n")[2]

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    def header(self, name: str) -> str | None:
        lines = [line.partition(":") for line in self.head.decode().splitlines()[1:]]
        return next((value.strip() for key, _, value in lines if key.lower() == name), None)


class RawClient:
    """One connection a request."""

    def __init__(self, port: int, body: MakeBody) -> None:
        self.port = port
        self.body = body

    def ask(self, method: str, path: str, content: bytes = b"", timeout: float = 30) -> Seen:
        head = f"{method} {path} HTTP/1.1\r\nHost: stub\r\nConnection: close\r\nContent-Type: application/json\r\n"
        seen = Seen()
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
            try:
                while piece := connection.recv(65_536):
                    seen.pieces.append(piece)
            except (ConnectionResetError, TimeoutError) as error:
                seen.end = type(error)
        return seen

    def execute(self, timeout: float = 30) -> Seen:
        return self.ask("POST", "/execute", json.dumps(self.body()).encode(), timeout)

    def stage(self, *faults: str) -> None:
        assert self.ask("PUT", "/__stub/faults", json.dumps({"faults": faults}).encode()).status == 200

    def journal(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.ask("GET", "/__stub/requests").body)["requests"]
        return found


@pytest.fixture(scope="module")
def port(serve: Serve) -> Iterator[int]:
    with serve("monitor", "--admin") as (_, port):
        yield port


@pytest.fixture
def client(port: int, body: MakeBody) -> RawClient:
    client = RawClient(port, body)
    assert client.ask("POST", "/__stub/reset").status == 200
    return client


def test_no_fault_is_a_whole_answer(client: RawClient) -> None:
    seen = client.execute()
    assert (seen.status, seen.end, json.loads(seen.body)["status"]) == (200, None, "success")
    assert seen.header("content-length") == str(len(seen.body))


def test_reset_is_an_rst_without_a_byte(client: RawClient) -> None:
    client.stage("reset")
    assert client.execute() == Seen([], ConnectionResetError)


def test_empty_is_the_end_of_the_connection_without_a_byte(client: RawClient) -> None:
    client.stage("empty")
    assert client.execute() == Seen([], None)


def test_hang_says_nothing_until_the_caller_leaves(client: RawClient) -> None:
    client.stage("hang")
    assert client.execute(timeout=0.3) == Seen([], TimeoutError)
    assert [(entry["acted"], entry["status"]) for entry in client.journal()] == [(["hang"], None)]


def test_truncate_ends_before_the_announced_length(client: RawClient) -> None:
    client.stage("truncate:share=0.25")
    seen = client.execute()
    announced = int(seen.header("content-length") or 0)
    assert (seen.status, len(seen.body), seen.end) == (200, announced // 4, None)


def test_drip_sends_the_body_piece_by_piece(client: RawClient) -> None:
    client.stage("drip:bytes=200,ms=30")
    seen = client.execute()
    assert json.loads(seen.body)["status"] == "success"
    assert len(seen.pieces) > len(seen.body) // 200
    assert max(len(piece) for piece in seen.pieces[1:]) < len(seen.body) // 2


@pytest.mark.parametrize(("code", "retry_after", "retryable"), [(500, None, False), (503, "7", True)])
def test_status_is_an_error_envelope(client: RawClient, code: int, retry_after: str | None, *, retryable: bool) -> None:
    client.stage(f"status:code={code},retry_after=7")
    seen = client.execute()
    envelope = json.loads(seen.body)
    assert (seen.status, seen.header("retry-after")) == (code, retry_after)
    assert (envelope["status"], envelope["module"], envelope["error"]["retryable"]) == ("error", "monitor", retryable)


def test_content_type_is_another_for_the_right_body(client: RawClient) -> None:
    client.stage("content-type:type=text/html")
    seen = client.execute()
    assert (seen.header("content-type"), json.loads(seen.body)["status"]) == ("text/html", "success")


def test_malformed_is_half_of_the_json_with_a_length_that_agrees(client: RawClient) -> None:
    client.stage("malformed")
    seen = client.execute()
    assert (seen.status, seen.header("content-length")) == (200, str(len(seen.body)))
    with pytest.raises(json.JSONDecodeError):
        json.loads(seen.body)


def test_oversized_is_a_valid_answer_of_that_size(client: RawClient) -> None:
    client.stage("oversized:mib=3")
    seen = client.execute()
    assert seen.header("content-length") == str(len(seen.body))
    assert (len(json.loads(seen.body)["padding"]), json.loads(seen.body)["module"]) == (3 * 2**20, "monitor")


def test_gzip_bomb_grows_a_hundredfold(client: RawClient) -> None:
    client.stage("gzip-bomb:mib=8")
    seen = client.execute()
    plain = gzip.decompress(seen.body)
    assert (seen.header("content-encoding"), json.loads(plain)["status"]) == ("gzip", "success")
    assert len(plain) > 100 * len(seen.body) > 8 * zlib.MAX_WBITS


def test_redirect_leads_elsewhere(client: RawClient) -> None:
    client.stage("redirect:to=http://127.0.0.1:9/x,code=302")
    seen = client.execute()
    assert (seen.status, seen.header("location"), seen.body) == (302, "http://127.0.0.1:9/x", b"")


def test_fault_with_a_plan_fails_twice_and_then_works(client: RawClient) -> None:
    client.stage("status:code=503,first=2")
    assert [client.execute().status for _ in range(4)] == [503, 503, 200, 200]


def test_faults_of_several_kinds_act_in_turn(client: RawClient) -> None:
    client.stage("reset:every=2", "status:code=500,first=1")
    seen = [client.execute() for _ in range(4)]
    assert [answer.end or answer.status for answer in seen] == [500, ConnectionResetError, 200, ConnectionResetError]


def test_fault_on_another_path_leaves_execute_alone(client: RawClient) -> None:
    client.stage("empty:path=/health")
    assert (client.ask("GET", "/health").pieces, client.execute().status) == ([], 200)


async def waits(connect: Connect, fault: str, calls: int) -> list[float]:
    """How many seconds a stub waits before each of some answers."""
    noted: list[float] = []

    async def note(seconds: float) -> None:
        noted.append(seconds)

    async with connect(create_app(STUBS["monitor"], faults=Faults(transport=[fault], sleep=note))) as client:
        assert {(await client.get("/health")).status_code for _ in range(calls)} == {200}
    return noted


@pytest.mark.anyio
async def test_latency_is_waited_before_every_answer(connect: Connect) -> None:
    assert await waits(connect, "latency:ms=300,path=/health", 2) == [0.3, 0.3]


@pytest.mark.anyio
async def test_latency_with_jitter_is_the_same_in_every_run(connect: Connect) -> None:
    first, again = [await waits(connect, "latency:ms=200,jitter=50,seed=7,path=/health", 20) for _ in range(2)]
    assert first == again
    assert (len(set(first)), min(first) >= 0.15, max(first) <= 0.25) == (20, True, True)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "error"),
    [("reset", ConnectionResetError), ("empty", ConnectionAbortedError), ("truncate", ConnectionAbortedError)],
)
async def test_connection_faults_in_process_raise(connect: Connect, fault: str, error: type[Exception]) -> None:
    async with connect(create_app(STUBS["monitor"], faults=Faults(transport=[f"{fault}:path=/health"]))) as client:
        with pytest.raises(error):
            await client.get("/health")
