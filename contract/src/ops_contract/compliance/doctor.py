"""Finds out why a service fails everything: the most likely cause and what to try next, on one screen."""

import asyncio
import ssl
from dataclasses import replace
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from ops_contract import masked_url
from ops_contract.compliance.diagnosis import Diagnosis
from ops_contract.compliance.module_under_test import health_of
from ops_contract.compliance.observation import Seen
from ops_contract.compliance.orchestrator import WHAT_IT_IS, orchestrator_at
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.redaction import harmless, shortened
from ops_contract.compliance.result import Exchange
from ops_contract.compliance.targets.image_under_test import ImageUnderTest
from ops_contract.compliance.targets.target import Target

_USUAL_PORTS: Final = (8080, 8000, 5000, 3000, 80)
_USUAL_PATHS: Final = ("/", "/healthz", "/api/health", "/health/", "/docs", "/openapi.json")
_SILENCES: Final = (
    (
        "TLS",
        "It speaks TLS, but the connection fails.",
        "This machine does not trust its certificate; set SSL_CERT_FILE to a file with the CA's certificate.",
    ),
    (
        "no whole answer",
        "It accepts the connection and does not answer.",
        "Does it compute in the thread that serves requests? /health must be answered at any time.",
    ),
    ("host name", "The host name is not known.", "In Compose, the name of the service is its host name."),
)
_SHOWN_CHARACTERS: Final = 200


async def diagnose(target: str | Target, *, silence: str | None = None) -> Diagnosis:
    """Find out how far a service gets: does anything listen, is it HTTP, is it JSON, does it follow the contract?

    `silence` is why it has just not answered `GET /health`, when that is known already.
    """
    subject = Target.at(target) if isinstance(target, str) else target
    if subject.container is not None and subject.unreachable is not None:
        return _never_ready(subject.container)
    found = await (_silent(subject.url, silence) if silence is not None else _diagnosed(subject.url))
    if not found.healthy or subject.name == subject.url:
        return found
    return replace(found, advice=("Run ops-contract check with the same options.",))


async def _diagnosed(url: str) -> Diagnosis:
    probe = Probe(url)
    health = Seen(await probe.send("GET", "/health", timeout_s=5))
    exchange = health.exchange
    if exchange.status is None:
        return await _silent(url, exchange.error or "no answer")
    line = _line(exchange, health.summary())
    if exchange.status == 404:
        return await _elsewhere(url, line)
    if 300 <= exchange.status < 400:
        return _redirected(exchange, line)
    orchestrator = await orchestrator_at(url, health)
    if orchestrator is not None:
        return Diagnosis(False, f"This is {WHAT_IT_IS}.", (line,), orchestrator.instead("ops-contract doctor"))
    return _answering(url, health, line)


def _never_ready(image: ImageUnderTest) -> Diagnosis:
    seen = tuple(f"{start.described}: {start.outcome()}" for start in image.starts)
    advice = ("Does it need settings? Give them with --env.", "It must listen on 0.0.0.0, not on 127.0.0.1.")
    return Diagnosis(False, "Its container does not become ready.", seen, (*advice, "ops-contract explain OPS-CTR-001"))


def _answering(url: str, health: Seen, line: str) -> Diagnosis:
    exchange, body = health.exchange, health_of(health.exchange)
    if exchange.status == 200 and body is not None:
        named = harmless(shortened(f"module {body.module!r}, version {body.version!r}", _SHOWN_CHARACTERS))
        command = f"Run: ops-contract check {masked_url(url)}"
        return Diagnosis(True, "It answers /health as the contract requires.", (line, named), (command,))
    seen = tuple(filter(None, (line, _beginning(exchange.body))))
    if exchange.status == 503:
        advice = ("Wait until it is ready, or look in its log for what it is loading.", "ops-contract explain OPS-HLT-001")
        return Diagnosis(False, "It is not ready.", seen, advice)
    if exchange.media_type == "text/html" or exchange.body.lstrip()[:1] == b"<":
        question = "Is this the module's address, or that of a page or a proxy in front of it?"
        return Diagnosis(False, "It answers /health with a web page.", (line,), (question,))
    advice = ('Answer 200 with {"status": "ok", "module": "...", "version": "..."}.', "ops-contract explain OPS-HLT-002")
    return Diagnosis(False, "It answers /health, but not as the contract requires.", seen, advice)


def _beginning(body: bytes) -> str:
    text = body[: 4 * _SHOWN_CHARACTERS].decode(errors="replace").strip()
    return harmless(text[:_SHOWN_CHARACTERS])


def _redirected(exchange: Exchange, line: str) -> Diagnosis:
    location = exchange.headers.get("location", "")
    advice = ["Callers of modules do not follow redirects: give the address where the module itself answers."]
    try:
        target = urljoin(exchange.url, location)
        parts = urlsplit(target)
    except ValueError:  # half an IPv6 address
        seen = (line, f"Location: {harmless(shortened(location, _SHOWN_CHARACTERS))}, which is not an address")
        return Diagnosis(False, "It redirects callers.", seen, tuple(advice))
    seen = (line, f"Location: {harmless(masked_url(target))}")
    if parts.path.endswith("/health") and target != exchange.url:
        base = parts._replace(path=parts.path.removesuffix("/health")).geturl()
        advice.append(f"Try: ops-contract doctor {harmless(masked_url(base))}")
    return Diagnosis(False, "It redirects callers.", seen, tuple(advice))


async def _silent(url: str, error: str) -> Diagnosis:
    parts = urlsplit(url)
    line = f"GET {masked_url(url.rstrip('/'))}/health: {harmless(error)}"
    if "TLS" in error and "WRONG_VERSION_NUMBER" in error:
        return _tls_on_one_side(parts, "http", line)
    for words, finding, hint in _SILENCES:
        if words in error:
            return Diagnosis(False, finding, (line,), (hint,))
    if "refused" in error.lower() or "unreachable" in error.lower():
        return await _refused(parts, line)
    if parts.scheme == "http" and await _speaks_tls(parts.hostname or "", parts.port or 80):
        return _tls_on_one_side(parts, "https", line)
    question = "Is it an HTTP/1.1 server? Its log may say why it closed the connection."
    return Diagnosis(False, "Something accepts the connection, but does not speak HTTP.", (line,), (question,))


def _tls_on_one_side(parts: SplitResult, other: str, line: str) -> Diagnosis:
    finding = "It does not speak TLS." if other == "http" else "It speaks TLS."
    url = masked_url(parts._replace(scheme=other).geturl())
    return Diagnosis(False, finding, (line,), (f"Try: ops-contract doctor {url}",))


async def _refused(parts: SplitResult, line: str) -> Diagnosis:
    host, ports = parts.hostname or "", [port for port in _USUAL_PORTS if port != parts.port]
    found = await asyncio.gather(*(_listens(host, port) for port in ports))
    bracketed = f"[{host}]" if ":" in host else host
    advice = tuple(
        f"Something answers on port {port}. Try: ops-contract doctor http://{bracketed}:{port}"
        for port, listens in zip(ports, found, strict=True)
        if listens
    )
    inside = "In a container it must listen on 0.0.0.0, not on 127.0.0.1, and the port must be published."
    return Diagnosis(False, "Nothing listens at this address.", (line,), (*advice, "Is it running? Look at its log.", inside))


async def _listens(host: str, port: int) -> bool:
    netloc = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    exchange = await Probe(f"http://{netloc}").send("GET", "/health", timeout_s=1)
    return exchange.status is not None


async def _speaks_tls(host: str, port: int) -> bool:
    """Whether it answers a TLS greeting. Its certificate is not verified, because nothing is sent to it."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_connection(host, port, ssl=anyone)
    except ssl.SSLError as problem:
        return "ALERT" in (problem.reason or "")  # a refusal, but one in TLS
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True


async def _elsewhere(url: str, line: str) -> Diagnosis:
    answers = await asyncio.gather(*(Probe(url).send("GET", path, timeout_s=2) for path in _USUAL_PATHS))
    found = [one for one in answers if one.status is not None and one.status < 400]
    advice = ["Is a part of the path missing? The base URL is everything before /health."]
    if url.rstrip("/").endswith("/health"):
        base = masked_url(url.rstrip("/").removesuffix("/health"))
        advice = [f"The base URL is everything before /health. Try: ops-contract doctor {base}"]
    if found:
        advice.append("It may be another service, or a module without the contract, which an adapter can call.")
    seen = (line, *(_line(one, f"{one.status} {one.media_type}") for one in found))
    return Diagnosis(False, "Something answers, but it has no /health.", seen, tuple(advice))


def _line(exchange: Exchange, summary: str) -> str:
    return harmless(f"{exchange.method} {masked_url(exchange.url)}: {shortened(summary, _SHOWN_CHARACTERS)}")
