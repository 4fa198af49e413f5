"""One screen for a service that fails everything. The services are real sockets; nothing else is as odd as they are."""

import asyncio
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
from kit_terminal import kit_on_terminal, lines_left

from ops_contract.compliance.diagnosis import Diagnosis
from ops_contract.compliance.doctor import diagnose

pytestmark = pytest.mark.slow

HEALTH = b'{"status": "ok", "module": "m", "version": "1"}'
CLOSED = "http://127.0.0.1:9"


@asynccontextmanager
async def answering(content: bytes) -> AsyncIterator[str]:
    """A server that sends `content` to everybody, and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(content)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@contextmanager
def speaking_tls() -> Iterator[str]:
    """A server of TLS that has no certificate, and so turns everybody down; in TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client, suppress(OSError):
                        context.wrap_socket(client, server_side=True)

        Thread(target=answer, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


async def diagnosed(content: bytes) -> Diagnosis:
    async with answering(content) as address:
        return await diagnose(f"http://{address}")


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (http("200 OK", HEALTH, "Content-Type: application/json"), "It answers /health as the contract requires."),
        (http("200 OK", b'{"status": "UP"}', "Content-Type: application/json"), "It answers /health, but not as"),
        (http("200 OK", b"<html>", "Content-Type: text/html"), "It answers /health with a web page."),
        (http("503 Service Unavailable", b"{}"), "It is not ready."),
        (http("404 Not Found"), "Something answers, but it has no /health."),
        (http("302 Found", b"", "Location: /base/health"), "It redirects callers."),
        (b"", "Something accepts the connection, but does not speak HTTP."),
        (b"220 mail ready\r\n\r\n", "Something accepts the connection, but does not speak HTTP."),
    ],
)
async def test_answer_has_a_diagnosis(content: bytes, finding: str) -> None:
    found = await diagnosed(content)
    assert found.finding.startswith(finding)
    assert found.healthy is (HEALTH in content)
    assert found.advice


async def test_address_of_health_is_told_the_base_url() -> None:
    async with answering(http("404 Not Found")) as address:
        found = await diagnose(f"http://{address}/base/health")
    assert found.advice[0].endswith(f"ops-contract doctor http://{address}/base")


async def test_redirect_within_the_service_names_the_base_url_to_try() -> None:
    found = await diagnosed(http("307 Temporary Redirect", b"", "Location: /base/health?x=1"))
    assert found.advice[-1].endswith("/base?x=1")
    assert (await diagnosed(http("302 Found", b"", "Location: https://login.example/?to=/health"))).advice[1:] == ()


async def test_plain_request_to_a_tls_port_is_told_to_use_https() -> None:
    with speaking_tls() as address:
        found = await diagnose(f"http://{address}")
    assert (found.finding, found.advice) == ("It speaks TLS.", (f"Try: ops-contract doctor https://{address}",))


async def test_tls_request_to_a_plain_port_is_told_to_use_http() -> None:
    async with answering(http("200 OK", HEALTH)) as address:
        found = await diagnose(f"https://{address}")
    assert (found.finding, found.advice) == ("It does not speak TLS.", (f"Try: ops-contract doctor http://{address}",))


async def test_certificate_that_is_not_trusted_is_no_reason_to_leave_tls() -> None:
    found = await diagnose("https://module.example", silence="TLS failed: CERTIFICATE_VERIFY_FAILED")
    assert found.finding == "It speaks TLS, but the connection fails."
    assert "SSL_CERT_FILE" in found.advice[0]


async def test_known_silence_is_not_waited_for_again() -> None:
    found = await diagnose(CLOSED, silence="no whole answer within 10 s")
    assert found.finding == "It accepts the connection and does not answer."


async def test_closed_port_names_ports_and_containers() -> None:
    found = await diagnose(CLOSED)
    assert found.finding == "Nothing listens at this address."
    assert "In a container it must listen on" in found.advice[-1]


async def test_nothing_that_the_service_says_is_a_control_code() -> None:
    odd = b'{"status": "\x1b[2J", "error": {"code": "\\u001b]0;owned\\u0007"}}\x9b2J'
    for status in ("200 OK", "503 Service Unavailable", "404 Not Found"):
        found = await diagnosed(http(status, odd))
        assert all(line.isprintable() for line in (*found.seen, *found.advice))


def on_screen(columns: int, *words: str) -> tuple[int, list[str]]:
    """Run `ops-contract WORDS` on a terminal so wide; returns the exit code and the lines that it left there."""
    code, shown = kit_on_terminal(columns, *words)
    return code, lines_left(shown)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of static files, in a process of its own."""
    words = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    folder: Path = tmp_path_factory.mktemp("static")
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().split(' port ')[1].split()[0]}"
        process.kill()


@pytest.mark.parametrize("columns", [80, 120])
def test_doctor_fills_one_screen_of_the_terminal(files: str, columns: int) -> None:
    code, lines = on_screen(columns, "doctor", files)
    assert (code, lines[0]) == (1, "✗ Something answers, but it has no /health.")
    assert len(lines) < 12
    assert max(map(len, lines)) <= columns


def test_check_of_what_is_no_module_is_the_diagnosis_and_the_verdict(files: str) -> None:
    code, lines = on_screen(100, "check", files)
    assert "✗ Something answers, but it has no /health." in lines
    assert lines[-1].startswith("not compliant: ")
    assert lines[-1].endswith(" · ops-contract explain OPS-HLT-001")
    assert (code, len(lines) < 15) == (1, True), lines


def test_check_of_a_closed_port_says_so_and_no_more() -> None:
    code, lines = on_screen(80, "check", CLOSED)
    assert code == 3
    assert (lines[0], lines[-1]) == (CLOSED, "not reachable")
    assert "✗ Nothing listens at this address." in lines
    assert not any("OPS-" in line for line in lines)
