"""One screen for a service that fails everything: what is most likely wrong, and what to try next."""

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ops_contract.compliance.module_under_test import health_of
from ops_contract.compliance.observation import Seen
from ops_contract.compliance.probe import Probe
from ops_contract.compliance.targets.image_under_test import ImageUnderTest
from ops_contract.compliance.targets.target import Target

_USUAL_PORTS = (8080, 8000, 5000, 3000, 80)
_USUAL_PATHS = ("/", "/healthz", "/api/health", "/health/", "/docs", "/openapi.json")


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, what was seen, and what to try; `healthy` when nothing of that kind is."""

    healthy: bool
    finding: str
    seen: tuple[str, ...]
    advice: tuple[str, ...]


async def diagnose(target: str | Target) -> Diagnosis:
    """Look at a service as a colleague would: is anything there, does it speak HTTP, JSON, the contract?"""
    subject = Target.at(target) if isinstance(target, str) else target
    if subject.container is not None and subject.unreachable is not None:
        return _never_ready(subject.container)
    found = await _seen_at(subject.url)
    if not found.healthy or subject.name == subject.url:
        return found
    return replace(found, advice=("Run ops-contract check with the same options.",))


async def _seen_at(url: str) -> Diagnosis:
    probe = Probe(url)
    health = Seen(await probe.send("GET", "/health", timeout_s=5))
    line = f"GET {health.exchange.url}: {health.told()}"
    if health.exchange.status is None:
        return await _silent(url, health, line)
    told = health_of(health.exchange)
    if health.exchange.status == 200 and told is not None:
        seen = (line, f"module {told.module!r}, version {told.version!r}")
        return Diagnosis(True, "It answers /health as the contract says.", seen, (f"Run: ops-contract check {url}",))
    if health.exchange.status == 404:
        return await _elsewhere(probe, line)
    if health.exchange.media_type == "text/html" or health.exchange.body.lstrip()[:1] == b"<":
        asked = "Is this the module's address, or that of a page or a proxy in front of it?"
        return Diagnosis(False, "It answers /health with a page for people.", (line,), (asked,))
    if 300 <= health.exchange.status < 400:
        target = health.exchange.headers.get("location", "nowhere")
        return Diagnosis(False, "It sends elsewhere.", (line, f"Location: {target}"), (f"Try: ops-contract check {target}",))
    advice = ('Answer 200 with {"status": "ok", "module": "...", "version": "..."}.', "ops-contract explain OPS-HLT-002")
    return Diagnosis(
        False, "It answers /health, but not as the contract says.", (line, repr(health.exchange.body[:200])), advice
    )


def _never_ready(image: ImageUnderTest) -> Diagnosis:
    seen = tuple(f"{start.described}: {start.told()}" for start in image.starts)
    advice = ("Does it need settings? Give them with --env.", "It must listen on 0.0.0.0, not on 127.0.0.1.")
    return Diagnosis(False, "Its container does not get ready.", seen, (*advice, "ops-contract explain OPS-CTR-001"))


async def _silent(url: str, health: Seen, line: str) -> Diagnosis:
    error = health.exchange.error or ""
    parts = urlsplit(url)
    if "TLS" in error or (parts.scheme == "http" and "not HTTP" in error):
        other = "http" if parts.scheme == "https" else "https"
        return Diagnosis(
            False, "One side speaks TLS and the other does not.", (line,), (f"Try: {other}://{parts.netloc}{parts.path}",)
        )
    if "no whole answer" in error:
        asked = "Does it compute in the thread that answers? /health must be free at any time."
        return Diagnosis(False, "It takes the connection and does not answer.", (line,), (asked,))
    if "host name" in error:
        return Diagnosis(False, "There is no such host.", (line,), ("In Compose, the name of the service is its host name.",))
    open_ports = [port for port in _USUAL_PORTS if port != parts.port and await _listens(parts.hostname or "", port)]
    advice = tuple(f"Something listens on port {port}. Try: {parts.scheme}://{parts.hostname}:{port}" for port in open_ports)
    inside = "In a container it must listen on 0.0.0.0, not on 127.0.0.1, and the port must be published."
    return Diagnosis(False, "Nothing listens there.", (line,), (*advice, "Is it running? Look at its log.", inside))


async def _listens(host: str, port: int) -> bool:
    exchange = await Probe(f"http://{host}:{port}").send("GET", "/health", timeout_s=1)
    return exchange.status is not None


async def _elsewhere(probe: Probe, line: str) -> Diagnosis:
    seen = [line]
    for path in _USUAL_PATHS:
        exchange = await probe.send("GET", path, timeout_s=2)
        if exchange.status is not None and exchange.status < 400:
            seen.append(f"GET {exchange.url}: {exchange.status} {exchange.media_type}")
    advice = ["Is a part of the path missing? The base URL is what stands before /health."]
    if len(seen) > 1:
        advice.append("It may be another service, or a module from before the contract, which an adapter can drive.")
    return Diagnosis(False, "Something answers, but it has no /health.", tuple(seen), tuple(advice))
