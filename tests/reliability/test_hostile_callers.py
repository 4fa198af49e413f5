"""Callers that want to take the service down, or more of it than they may: what they get, and what they cost."""

import os
import select
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

import pytest
from local_service import HTTP, ROOT, service
from reliability.raw_caller import Victim, received, send, statuses
from reliability.service_home import ServiceHome, module_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MIB: Final = 1024 * 1024
PATIENCE_S: Final = "1"
GET: Final = b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
POST: Final = b"POST /plan_and_execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
LAST: Final = GET % b"/smuggled"


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    folder = tmp_path_factory.mktemp("victim")
    with module_server() as modules:
        ServiceHome(folder, modules)
        with service(folder, "python", str(ROOT / "tests/reliability/bounded_service.py"), PATIENCE_S) as (process, url):
            scenario = {"scenario_id": "demo", "modules": ["inline"]}
            run_id = HTTP.post(f"{url}/plan_and_execute", json=scenario).json()["run_id"]
            # As large as no answer that is made; what is in it does not matter.
            os.truncate(folder / f"runs/{run_id}/artifacts/inline/figures.csv", 64 * MIB)
            victim = Victim(process.pid, int(url.rpartition(":")[2]), f"/runs/{run_id}")
            # What is loaded for the first request, and what a first assault has Python take for good, is no cost of the others.
            assert victim.serves()
            warm(victim)
            yield victim


def warm(victim: Victim) -> None:
    """Have each thread of the service's pool be there, and the pages loaded."""
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda path: victim.ask(GET % path), [victim.run.encode()] * 64))
    victim.ask(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nConnection: close\r\n\r\n")


SMUGGLED: Final = {
    "length and chunks": POST + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "chunks and length": POST + CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody1",
    "one length twice": POST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody",
    "a list of lengths": POST + b"Content-Length: 4, 4\r\n\r\nbody",
    "a length with a sign": POST + b"Content-Length: +4\r\n\r\nbody",
    "a blank before the colon": POST + b"Content-Length : 4\r\n\r\nbody",
    "a folded line": POST + b"X-Folded: a\r\n Content-Length: 4\r\nContent-Length: 0\r\n\r\n",
    "a folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "line feeds alone": b"GET / HTTP/1.1\nHost: localhost\n\n",
    "a line feed in the head": POST + b"X-One: a\nContent-Length: 4\r\n\r\nbody",
    "a carriage return in the head": POST + b"X-One: a\rContent-Length: 4\r\n\r\nbody",
    "NUL in the head": POST + b"X-One: a\0b\r\n\r\n",
    "a coding like chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": POST + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: localhost\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "a negative chunk": POST + CHUNKED + b"\r\n-4\r\nbody\r\n0\r\n\r\n",
    "a chunk in 0x": POST + CHUNKED + b"\r\n0x4\r\nbody\r\n0\r\n\r\n",
    "a chunk of 2^64": POST + CHUNKED + b"\r\n10000000000000004\r\nbody\r\n0\r\n\r\n",
    "a chunk with a blank": POST + CHUNKED + b"\r\n4 \r\nbody\r\n0\r\n\r\n",
    "a chunk that ends late": POST + CHUNKED + b"\r\n4\r\nbodyX\r\n0\r\n\r\n",
    "a chunk extension with a line feed": POST + CHUNKED + b"\r\n4;x\nbody\r\n0\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "another host in the request line": b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


def test_request_that_two_readers_may_read_otherwise_is_refused_and_nothing_behind_it_is_read(victim: Victim) -> None:
    with victim.assaulted(f"smuggled requests, {len(SMUGGLED)} ways", "400 or 501, and nothing behind is read"):
        found = {name: statuses(victim.ask(sent + LAST)) for name, sent in SMUGGLED.items()}
    assert {name: answer for name, answer in found.items() if answer not in ([400], [501])} == {}


def test_chunk_extensions_and_trailers_are_skipped_and_mean_nothing(victim: Victim) -> None:
    trailers = b"0\r\nHost: evil.example\r\n\r\n"
    answer = victim.ask(POST + CHUNKED + b'\r\n2;name="a;b"\r\n{}\r\n' + trailers + LAST)
    assert statuses(answer) == [422, 404]


UP: Final = ("..", "%2e%2e", "%252e%252e", "..%00", "....", "..;", "%c0%ae%c0%ae", "..\\")
SEPARATORS: Final = ("/", "%2f", "%252f", "%5c", "//")


def test_path_leads_to_nothing_outside(victim: Victim) -> None:
    starts = ("", "/assets", "/runs", victim.run, f"{victim.run}/artifacts/inline", f"{victim.run}/steps/inline", "/sweeps")
    ends = ("etc/passwd", "modules.yaml", "run.json")
    paths = [
        f"{start}/{separator.join([up] * depth)}{separator}{end}"
        for start in starts
        for up in UP
        for separator in SEPARATORS
        for depth in (1, 2, 8)
        for end in ends
    ]
    with victim.assaulted(f"paths that climb, {len(paths):,} of them", "400, 404 or 405"), victim.connect() as connection:
        answers: dict[str, bytes] = {}
        with connection.makefile("rb") as reader:
            for path in paths:
                connection.sendall(b"GET %b HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n" % path.encode())
                answers[path] = one_answer(reader)
    assert {path: answer for path, answer in answers.items() if statuses(answer)[0] not in (400, 404, 405)} == {}


def one_answer(reader: object) -> bytes:
    """The next answer on a connection, which says how long it is."""
    file: socket.SocketIO = reader  # type: ignore[assignment]  # a file
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        line = file.readline()
        assert line, "the connection was closed"
        head += line
    (length,) = (int(line.split()[1]) for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    return bytes(head) + file.read(length)


def test_headers_without_end_cost_no_more_than_a_head(victim: Victim) -> None:
    lines = b"".join(b"X-%d: %b\r\n" % (number, b"x" * 100) for number in range(9000))
    large = b"X-Large: " + b"x" * MIB
    floods = [[b"GET / HTTP/1.1\r\nHost: localhost\r\n", *[flood] * 13] for flood in (lines, large) for _ in range(8)]
    with victim.assaulted("200 MiB of headers on 16 connections", "431") as cost, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda parts: victim.ask(*parts), floods))
    assert [statuses(answer) for answer in answers] == [[431]] * 16
    assert cost.mib < 32


def test_heads_that_do_not_end_are_counted_together(victim: Victim) -> None:
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: " + b"x" * 60_000
    with ExitStack() as opened, victim.assaulted("200 MiB of heads without end on 3,500 connections", "408 or 503") as cost:
        found = []
        for _ in range(7):
            callers = [opened.enter_context(victim.connect()) for _ in range(500)]
            for caller in callers:
                send(caller, head)
            found += [statuses(received(caller)) for caller in callers]
    # Without an answer are those that were closed before they were read, when there were too many of them.
    assert {status for answer in found for status in answer} <= {408, 503}
    assert cost.mib < 32


def test_requests_without_end_that_are_never_read_wait_in_the_system(victim: Victim) -> None:
    requests = b"GET /runs HTTP/1.1\r\nHost: localhost\r\n\r\n" * 480_000
    assert len(requests) > 17 * MIB
    with victim.assaulted("17 MiB of requests, no answer of which is read", "closed") as cost, victim.connect() as connection:
        assert send(connection, requests) == 0
    assert cost.mib < 32


@pytest.mark.parametrize(
    ("assault", "sent"),
    [
        ("a head that stops", b"GET / HTTP/1.1\r\nHost: loc"),
        ("a later head that stops", b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: loc"),
        ("a body that stops", POST + b"Content-Length: 1000\r\n\r\n{"),
        ("a body in chunks that stops", POST + CHUNKED + b"\r\n1\r\n{\r\n"),
    ],
)
def test_request_that_does_not_come_is_not_waited_for(victim: Victim, assault: str, sent: bytes) -> None:
    with victim.assaulted(assault, "408"):
        answer = victim.ask(sent)
    assert statuses(answer)[-1] == 408


def test_request_of_a_byte_now_and_then_is_not_waited_for(victim: Victim) -> None:
    with victim.assaulted("a head and a body, a byte at a time", "408"):
        for begin, then in ((b"GET / HTTP/1.1\r\nX-Slow: ", b"x"), (POST + b"Content-Length: 100000\r\n\r\n", b" ")):
            with victim.connect() as connection:
                connection.settimeout(0.1)
                send(connection, begin)
                while not (answer := drip(connection, then)):
                    pass
                assert statuses(answer) == [408]


def drip(connection: socket.socket, byte: bytes) -> bytes:
    """Send a byte, and wait a little for an answer."""
    send(connection, byte)
    try:
        return connection.recv(MIB)
    except TimeoutError:
        return b""


def test_idle_connections_are_bounded_by_address_and_closed(victim: Victim) -> None:
    outcome = "500 are kept for a while, 500 are answered 503; other addresses are served"
    with ExitStack() as opened, victim.assaulted("1,000 idle connections", outcome) as cost:
        idle = [opened.enter_context(victim.connect()) for _ in range(1000)]
        assert victim.serves()
        answers = [statuses(received(connection)) for connection in idle]
    assert {*answers[0], *answers[499]} == set()
    assert sum(not answer for answer in answers) >= 500
    assert [503] in answers
    assert cost.mib < 32


def test_large_answers_that_are_never_read_are_not_held(victim: Victim) -> None:
    ask = GET % f"{victim.run}/artifacts/inline/figures.csv".encode()
    with ExitStack() as opened, victim.assaulted("100 answers of 64 MiB that are never read", "closed") as cost:
        callers = [opened.enter_context(victim.connect()) for _ in range(100)]
        for caller in callers:
            send(caller, ask)
        taken = [until_reset(caller) for caller in callers]
    assert max(taken) < 64 * MIB
    assert cost.mib < 48


def until_reset(connection: socket.socket) -> int:
    """Wait, without reading, until the other side has given the connection up; returns how much had come by then."""
    poll = select.poll()
    poll.register(connection, select.POLLERR | select.POLLHUP)
    poll.poll()
    return len(received(connection))


def test_bodies_that_are_too_large_are_refused_at_once_or_at_the_limit(victim: Victim) -> None:
    chunk = b"100000\r\n" + b" " * MIB + b"\r\n"
    with victim.assaulted("bodies of 10 TiB and without end", "413") as cost:
        announced = victim.ask(POST + b"Content-Length: 10995116277760\r\n\r\n", b" " * MIB)
        endless = victim.ask(POST + CHUNKED + b"\r\n", *[chunk] * 200)
    assert [statuses(announced), statuses(endless)] == [[413], [413]]
    assert cost.mib < 32


def test_padding_of_chunks_is_bounded(victim: Victim) -> None:
    with victim.assaulted("endless chunk extensions and trailers", "400 or 431") as cost:
        extension = victim.ask(POST + CHUNKED + b"\r\n1;x=", *[b"x" * MIB] * 100)
        trailer = victim.ask(POST + CHUNKED + b"\r\n0\r\nX-Long: ", *[b"x" * MIB] * 100)
        trailers = victim.ask(POST + CHUNKED + b"\r\n0\r\n", *[b"X: y\r\n" * 10_000] * 100)
    assert [statuses(answer)[0] for answer in (extension, trailer, trailers)] in ([400, 400, 400], [400, 400, 431])
    assert cost.mib < 32


def test_bodies_under_way_are_counted_together(victim: Victim) -> None:
    body = POST + b"Content-Length: 1000000\r\n\r\n" + b" " * 999_000
    with ExitStack() as opened, victim.assaulted("200 bodies of 1 MB at once that do not end", "408 or 503") as cost:
        callers = [opened.enter_context(victim.connect()) for _ in range(200)]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda caller: send(caller, body), callers))
            answers = list(pool.map(received, callers))
    assert {status for answer in answers for status in statuses(answer)} == {408, 503}
    assert all(b"retry-after: 1\r\n" in answer for answer in answers if statuses(answer) == [503])
    assert cost.mib < 48


def test_pages_of_others_reach_nothing(victim: Victim) -> None:
    foreign = POST + b"Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 2\r\n\r\n{}"
    with victim.assaulted("a page that is rebound to the service's address", "421"):
        rebound = victim.ask(b"GET /runs HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    with victim.assaulted("a page of another site that starts a run", "403"):
        forged = victim.ask(foreign + LAST)
    assert (statuses(rebound), statuses(forged)[0]) == ([421], 403)
    assert victim.run.encode() not in rebound
