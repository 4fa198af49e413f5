"""How an exchange is shown: secrets masked, control characters made visible, bodies cut or described."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final
from urllib.parse import unquote_plus

from ops_contract import MASK, is_secret, masked_url
from ops_contract.compliance.result import Exchange, Finding, Report

TERMINAL_BYTES: Final = 2 * 1024
"""How much of a body people see where there is little room."""

REPORT_BYTES: Final = 64 * 1024
"""How much of a body a report keeps."""

_ADDRESSES: Final = ("location", "content-location", "referer", "origin")
# A shorter value would be found in half of all words.
_SHORTEST_SECRET: Final = 6
_FIRST_BYTES: Final = 16
# What `Body.text` ends with when it is not all of it. Longer than any note, so that text and note fit into the limit.
_NOTE_BYTES: Final = 200
_NOTE: Final = re.compile(rb"\[(?:cut|binary): (\d+) bytes in all, sha256 ([0-9a-f]{64})[^\[\]]*\]\Z")


@dataclass(frozen=True)
class Body:
    """A body as it is shown. `size_bytes` and `sha256` are those of all of it, also when `text` is not `whole`."""

    text: str
    size_bytes: int
    sha256: str
    whole: bool


def redacted(report: Report) -> Report:
    """`report` without secrets: masked by name in headers and addresses, and wherever else their values came back."""
    subject, findings = report.subject, report.findings
    found = {value for finding in findings for exchange in finding.exchanges for value in _secrets_of(exchange)}
    found |= {*report.secrets, *_secrets_of_url(subject.url)}
    secrets = _to_mask(found)
    masked = replace(subject, url=masked_url(subject.url), target=masked_url(subject.target))
    unreachable = None if report.unreachable is None else without_secrets(report.unreachable, secrets)
    kept = tuple(_redacted_finding(finding, secrets) for finding in findings)
    return replace(report, subject=masked, findings=kept, unreachable=unreachable, secrets=())


def secrets_of_settings(settings: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets among environment variables: by their name, or as the password of an address."""
    values = {value for name, value in settings.items() if is_secret(name)}
    return tuple(_to_mask(values.union(*map(_secrets_of_url, settings.values()))))


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """`text` with each of `secrets` masked."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def harmless(text: str) -> str:
    """`text` in one line, each character that a terminal, a page or a file might obey written as `<U+001B>`."""
    return text if text.isprintable() else "".join(map(_visible, text))


def harmless_lines(text: str) -> str:
    """As `harmless`, but line ends and tabs stay."""
    return "\n".join("\t".join(map(harmless, line.split("\t"))) for line in text.replace("\r\n", "\n").split("\n"))


def shortened(text: str, limit: int = TERMINAL_BYTES) -> str:
    """`text` with at most `limit` characters, and a note on how many it had."""
    return text if len(text) <= limit else f"{text[:limit]}... [{len(text)} characters in all]"


def shown_body(content: bytes, limit: int = REPORT_BYTES) -> Body:
    """A body as text of at most `limit` bytes; bytes that are no text, as size, hash and the first of them.

    A body that was read back from a report, and is known by its note, is shown as it was.
    """
    if noted := _NOTE.search(content[-_NOTE_BYTES:]):
        size, digest, whole = int(noted[1]), noted[2].decode(), False
    else:
        size, digest, whole = len(content), sha256(content).hexdigest(), True
    text = text_of(content)
    if text is None:
        first = content[:_FIRST_BYTES].hex(" ")
        return Body(f"[binary: {size} bytes in all, sha256 {digest}, begins {first}]", size, digest, whole=False)
    if len(content) <= limit:
        return Body(text, size, digest, whole)
    start = content[: max(limit - _NOTE_BYTES, 0)].decode(errors="ignore")
    return Body(f"{start}\n[cut: {size} bytes in all, sha256 {digest}]", size, digest, whole=False)


def text_of(content: bytes) -> str | None:
    """`content` as text; None when it is binary: not UTF-8, or with a NUL."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _visible(character: str) -> str:
    return character if character.isprintable() else f"<U+{ord(character):04X}>"


def _redacted_finding(finding: Finding, secrets: list[str]) -> Finding:
    exchanges = tuple(_redacted_exchange(exchange, secrets) for exchange in finding.exchanges)
    return replace(
        finding,
        expected=without_secrets(finding.expected, secrets),
        actual=without_secrets(finding.actual, secrets),
        exchanges=exchanges,
    )


def _redacted_exchange(exchange: Exchange, secrets: list[str]) -> Exchange:
    body = _bytes_without(exchange.request_body, secrets)
    lengths = {str(len(exchange.request_body)): str(len(body))}
    headers = {
        name: lengths.get(value, value) if name.lower() == "content-length" else value
        for name, value in _masked(exchange.request_headers, secrets).items()
    }
    return replace(
        exchange,
        url=masked_url(exchange.url),
        request_headers=headers,
        request_body=body,
        headers=_masked(exchange.headers, secrets),
        body=_bytes_without(exchange.body, secrets),
        error=None if exchange.error is None else without_secrets(exchange.error, secrets),
    )


def _masked(headers: Mapping[str, str], secrets: Iterable[str]) -> dict[str, str]:
    return {name: _masked_value(name, without_secrets(value, secrets)) for name, value in headers.items()}


def _masked_value(name: str, value: str) -> str:
    if is_secret(name):
        return MASK
    if name.lower() == "host":
        return value.rpartition("@")[2]
    return masked_url(value) if name.lower() in _ADDRESSES else value


def _secrets_of(exchange: Exchange) -> set[str]:
    """What the kit was given to send. Of `Bearer x`, the second word alone may come back too."""
    values = {value for name, value in exchange.request_headers.items() if is_secret(name)}
    return values | {value.partition(" ")[2].strip() for value in values} | _secrets_of_url(exchange.url)


def _to_mask(values: Iterable[str]) -> list[str]:
    """The longest first: one may hold another."""
    return sorted((value for value in values if len(value) >= _SHORTEST_SECRET), key=len, reverse=True)


def _secrets_of_url(url: str) -> set[str]:
    parameters = (parameter.partition("=") for parameter in url.partition("?")[2].split("&"))
    values = {unquote_plus(value) for name, _, value in parameters if is_secret(unquote_plus(name))}
    user = url.partition("//")[2].partition("/")[0].rpartition("@")[0]
    return values | {unquote_plus(user.partition(":")[2])}


def _bytes_without(content: bytes, secrets: Iterable[str]) -> bytes:
    for secret in secrets:
        content = content.replace(secret.encode(errors="surrogatepass"), MASK.encode())
    return content
