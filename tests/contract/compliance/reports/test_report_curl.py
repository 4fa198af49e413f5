"""The commands are run: what arrives has to be what the kit sent."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from ops_contract.compliance.redaction import shown_body
from ops_contract.compliance.reports.curl import curl_of, short_curl_of
from ops_contract.compliance.result import Exchange

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@dataclass
class Listener:
    """Keeps the raw bytes of one request."""

    socket: socket.socket
    received: bytes = b""
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def listen(self) -> None:
        connection, _ = self.socket.accept()
        with connection:
            while not self._is_whole():
                self.received += connection.recv(65536)
            connection.sendall(ANSWER)
        self.done.set()

    def _is_whole(self) -> bool:
        head, end, body = self.received.partition(b"\r\n\r\n")
        return bool(end) and len(body) >= int(self.headers(head).get("content-length", "0"))

    def headers(self, head: bytes | None = None) -> dict[str, str]:
        lines = (self.received.partition(b"\r\n\r\n")[0] if head is None else head).decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.fixture
def listener() -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        listening = Listener(server)
        threading.Thread(target=listening.listen, daemon=True).start()
        yield listening


def sent(listener: Listener, exchange: Exchange, **environment: str) -> bytes:
    """The body that arrives when the command is run by sh."""
    result = subprocess.run(
        ["sh"], input=curl_of(exchange).encode(), capture_output=True, check=False, env=environment, timeout=20
    )
    assert result.returncode == 0, result.stderr
    assert listener.done.wait(10)
    return listener.received.partition(b"\r\n\r\n")[2]


@needs_curl
@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "it\'s $HOME `id` \\\\ !!"}',
        "line\nend é\n".encode(),
        b"@/etc/passwd",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe\x00'%s\\",
        b"-n \x1b[2J\t\r\n\x7f",
        bytes(range(256)),
        b"[" * 200_000,
        b"x" * 1_100_000,
        b"",
    ],
    ids=["quotes", "lines", "at", "bom", "binary", "controls", "all", "long", "longer", "empty"],
)
def test_body_arrives_byte_for_byte(body: bytes, listener: Listener, exchange: Callable[..., Exchange]) -> None:
    one = exchange(url=f"{listener.url}/execute", request_body=body)
    assert sent(listener, one) == body
    assert listener.headers()["content-type"] == "application/json"
    assert "expect" not in listener.headers()


@needs_curl
def test_headers_arrive_as_they_were_sent(listener: Listener, exchange: Callable[..., Exchange]) -> None:
    host = listener.url.removeprefix("http://")
    headers = {"host": host, "user-agent": "kit's", "accept": "*/*", "content-length": "2", "x-empty": "", "x-odd": 'a\tb; "c"'}
    sent(listener, exchange(url=f"{listener.url}/execute", request_headers=headers))
    assert listener.headers() == headers


@needs_curl
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST", "PATCH", "GET-IT"])
def test_method_arrives(method: str, listener: Listener, exchange: Callable[..., Exchange]) -> None:
    sent(listener, exchange(method=method, url=f"{listener.url}/health", request_body=b""))
    assert listener.received.startswith(f"{method} /health HTTP/1.1\r\n".encode())


@needs_curl
@pytest.mark.parametrize("path", ["/a/../../etc/passwd", "/a/%2e%2E/x", "/a/..", "/{a,b}[1-3]", "/a%252e?q='&x=$(id)", "/.?x"])
def test_path_arrives_as_it_was_sent(path: str, listener: Listener, exchange: Callable[..., Exchange]) -> None:
    sent(listener, exchange(method="GET", url=f"{listener.url}{path}", request_body=b""))
    assert listener.received.startswith(b"GET " + path.encode() + b" HTTP/1.1\r\n")


@needs_curl
def test_secrets_come_from_the_shell(listener: Listener, exchange: Callable[..., Exchange]) -> None:
    url = f"{listener.url}/x?api-key=***&page=2"
    one = exchange(method="GET", url=url, request_headers={"X-Auth-Token": "***"}, request_body=b"")
    sent(listener, one, X_AUTH_TOKEN="a b", API_KEY="k")  # noqa: S106  # made up
    assert listener.headers()["x-auth-token"] == "a b"
    assert listener.received.startswith(b"GET /x?api-key=k&page=2 HTTP/1.1\r\n")


def test_secrets_are_not_in_the_command(exchange: Callable[..., Exchange]) -> None:
    url = "http://me:hidden-1@h/x?token=hidden-2&a=1"
    command = curl_of(exchange(url=url, request_headers={"Authorization": "Bearer hidden-3"}))
    assert "hidden" not in command
    assert all(f"${{{name}:?}}" in command for name in ("PASSWORD", "TOKEN", "AUTHORIZATION"))


@needs_curl
def test_command_without_its_secret_names_it_and_sends_nothing(exchange: Callable[..., Exchange]) -> None:
    command = curl_of(exchange(request_headers={"Authorization": "x"}))
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, env={})
    assert result.returncode != 0
    assert "AUTHORIZATION" in result.stderr


def test_command_can_be_pasted_whatever_it_holds(report_texts: tuple[Exchange, ...]) -> None:
    for one in report_texts:
        assert curl_of(one).replace("\n", "").isprintable()


@pytest.fixture
def report_texts(exchange: Callable[..., Exchange], hostile: str) -> tuple[Exchange, ...]:
    text = hostile.encode(errors="replace").decode()
    return (
        exchange(request_body=text.encode()),
        exchange(url=f"http://h/{text}?{text}={text}&token-{text}=1"),
        exchange(method=text, request_headers={text: text}),
    )


def test_simple_command_is_short(exchange: Callable[..., Exchange]) -> None:
    one = exchange(
        method="GET",
        url="http://h:1/health",
        request_headers={"Host": "h:1", "Accept": "*/*", "User-Agent": "kit"},
        request_body=b"",
    )
    assert curl_of(one) == "curl -sS -i http://h:1/health \\\n  -H 'User-Agent: kit'"


def test_body_that_was_not_kept_cannot_be_sent_again(exchange: Callable[..., Exchange]) -> None:
    stand_in = shown_body(b"x" * 100_000).text.encode()
    assert curl_of(exchange(request_body=stand_in)).startswith("# a request body of 100000 bytes")


def test_long_command_is_not_shown(exchange: Callable[..., Exchange]) -> None:
    assert short_curl_of(exchange(request_body=b"x" * 10_000)).startswith("# POST with a body of 10000 bytes")
    assert short_curl_of(exchange()) == curl_of(exchange())
