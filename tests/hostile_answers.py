"""What a module may answer that no good module does: names, addresses, JSON, envelopes, sizes, messages and connections.

A row says what is sent, byte for byte; `hostile_server.py` sends it. The rows are data: adding one is adding a line.
"""

import base64
import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import repeat
from typing import Any, Final

from ops_contract import sha256_hex

MIB: Final = 1024 * 1024
_CONTENT: Final = b"x" * 100

NAME: Final = "h-123456789abc"
"""Stands for the module's own name in what it sends: as long as every name is, so that stated lengths stay right."""


class Act(Enum):
    """What a module does besides sending bytes."""

    HANG = "keeps the connection open and says nothing more"
    RESET = "resets the connection"
    PAUSE = "waits a moment"
    STAY = "keeps the connection for the next request, as a good module does; without it the connection is closed"


Speech = Callable[[], Iterable[bytes | Act]]
"""What goes over a connection, made when it is needed: some are large."""


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """One module. `timeout_s` is short only where it never comes to an end: the outcome must not depend on a busy machine."""

    group: str
    name: str
    execute: Speech
    health: Speech
    file: Speech
    timeout_s: float = 60.0

    @property
    def slug(self) -> str:
        """The module's name in modules.yaml, which is also the first segment of its addresses."""
        return "h-" + sha256_hex(f"{self.group} {self.name}".encode())[:12]


def http(body: bytes = b"", status: str = "200 OK", kind: str = "application/json", extra: bytes = b"") -> bytes:
    """A whole answer; `extra` are further header lines."""
    typed = f"Content-Type: {kind}\r\n".encode() if kind else b""
    return b"HTTP/1.1 %b\r\n%b%bContent-Length: %d\r\n\r\n%b" % (status.encode(), typed, extra, len(body), body)


def once(*parts: bytes | Act) -> Speech:
    """Exactly these parts."""
    return lambda: parts


def envelope(**fields: Any) -> dict[str, Any]:
    """A success envelope; `...` leaves a field out."""
    base = {"status": "success", "module": NAME, "version": "1", "contract_version": "1.0", "outputs": {"a": 1}}
    return {name: value for name, value in {**base, **fields}.items() if value is not ...}


def says(value: Any, status: str = "200 OK") -> Speech:
    """An answer with `value` as JSON; bytes are sent as they are."""
    return lambda: [http(value if isinstance(value, bytes) else json.dumps(value).encode(), status), Act.STAY]


def artifact(name: Any = "x.bin", **fields: Any) -> dict[str, Any]:
    """An artifact as it stands in an envelope, inline unless `href` is given."""
    base = {"name": name, "media_type": "application/octet-stream", "size_bytes": 100, "sha256": sha256_hex(_CONTENT)}
    inline = {} if "href" in fields else {"text": _CONTENT.decode()}
    return {key: value for key, value in {**base, **inline, **fields}.items() if value is not ...}


def _raw(text: str) -> Speech:
    """An envelope whose outputs are `text`, which need not be JSON."""
    head = json.dumps(envelope(outputs=...))[:-1]
    return lambda: [http(f'{head}, "outputs": {text}}}'.encode())]


def _chunked(chunks: Iterable[bytes], *, trailers: bytes = b"", extension: bytes = b"") -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    for chunk in chunks:
        yield b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk)
    yield b"0\r\n%b\r\n" % trailers


def _slowly(content: bytes) -> Iterator[bytes | Act]:
    for byte in content:
        yield bytes([byte])
        yield Act.PAUSE


def _in_batches(part: bytes, count: int, size: int = 64 * 1024) -> Iterator[bytes]:
    """`part` sent `count` times, many at once."""
    at_once = max(size // len(part), 1)
    for _ in range(count // at_once):
        yield part * at_once


GOOD_NAME: Final = "good-and-plain"
GOOD_JSON: Final = json.dumps(envelope()).encode()
GOOD: Final = says(envelope())
HEALTHY: Final = says({"status": "ok", "module": NAME, "version": "1", "contract_versions": ["1.0"]})
FILE: Final = once(http(_CONTENT, kind="application/octet-stream"))
LATE: Final = {"timeout_s": 1.0}


def _names() -> Iterator[tuple[str, Speech, dict[str, Any]]]:
    names: dict[str, Any] = {
        "../x": "../x",
        "a/../../x": "a/../../x",
        "/etc/passwd": "/etc/passwd",
        "//host/x": "//host/x",
        "C:\\x": "C:\\x",
        "C:x": "C:x",
        "a\\..\\x": "a\\..\\x",
        "an empty name": "",
        ". alone": ".",
        "a//b": "a//b",
        "a/./b": "a/./b",
        "a/ at the end": "a/",
        "NUL inside": "a\0b",
        "a line feed": "a\nb",
        "an escape sequence": "\x1b[2Ja",
        "C1 control": "a\x9bb",
        "a segment of 256 bytes": "a" * 256,
        "a segment of 4 MiB": "a" * 4 * MIB,
        "400 segments": "/".join(["a"] * 400),
        "not NFC": "e\u0301",
        "a number": 7,
        "null": None,
        "half a surrogate pair": "a\ud800",
        "text that runs backwards": "a\u202egpj.exe",
        "%2e%2e/x": "%2e%2e/x",
        "~root/x": "~root/x",
        "-rf": "-rf",
        "run.json": "run.json",
        ".staging/x": ".staging/x",
        "manifest-sha256.txt": "manifest-sha256.txt",
    }
    for label, name in names.items():
        yield label, says(envelope(artifacts=[artifact(name)])), {}
    groups = {
        "the same name twice": ["a", "a"],
        "names that differ in case": ["A", "a"],
        "a file and a folder": ["a", "a/b"],
        "a file and a folder in other case": ["A/b", "a"],
        "10,000 names": [f"{number}" for number in range(10_000)],
    }
    for label, several in groups.items():
        yield label, says(envelope(artifacts=[artifact(name) for name in several])), {}


def _addresses() -> Iterator[tuple[str, Speech, dict[str, Any]]]:
    hrefs: dict[str, Any] = {
        "../x": "../x",
        "a/../../../x": "a/../../../x",
        "%2e%2e/%2e%2e/x": "%2e%2e/%2e%2e/x",
        "..%2f..%2fx": "..%2f..%2fx",
        "another host": "http://127.0.0.1:9/x",
        "//another host": "//127.0.0.1:9/x",
        "file:///etc/passwd": "file:///etc/passwd",
        "@another host": "@127.0.0.1:9/x",
        "\\\\another host": "\\\\127.0.0.1\\x",
        "a line feed and a header": "x\r\nX-Evil: 1",
        "NUL": "x\0y",
        "an empty address": "",
        "a blank": "a b",
        "a fragment": "a#b",
        "a query": "a?b=c",
        "10,000 characters": "a" * 10_000,
        "an encoded semicolon": "f/a%3Bb",
        "other scripts": "日本/é",
        "a lone per cent sign": "100%",
        "a number": 7,
    }
    for label, href in hrefs.items():
        yield label, says(envelope(artifacts=[artifact(href=href)])), {"file": FILE}
    bodies: dict[str, tuple[Speech, dict[str, Any]]] = {
        "404": (once(http(b"{}", "404 Not Found")), {}),
        "a redirect elsewhere": (once(http(b"", "302 Found", extra=b"Location: http://127.0.0.1:9/\r\n")), {}),
        "too few bytes": (once(http(_CONTENT[:50], kind="application/octet-stream")), {}),
        "too many bytes": (lambda: (b"HTTP/1.1 200 OK\r\n\r\n", *repeat(b"x" * 65536, 1600)), {}),
        "other bytes of the same size": (once(http(b"y" * 100, kind="application/octet-stream")), {}),
        "a compressed file": (once(http(gzip.compress(_CONTENT), extra=b"Content-Encoding: gzip\r\n")), {}),
        "half a file": (once(http(_CONTENT)[:-50]), {}),
        "an endless file": (
            lambda: (b"HTTP/1.1 200 OK\r\n\r\n", *repeat(b"x" * 65536, 4000), Act.HANG),
            LATE,
        ),
        "no answer": (once(Act.HANG), LATE),
        "a reset": (once(Act.RESET), {}),
    }
    for label, (file, other) in bodies.items():
        yield label, says(envelope(artifacts=[artifact(href="x")])), {"file": file, **other}


def _json() -> Iterator[tuple[str, Speech, dict[str, Any]]]:
    bodies: dict[str, bytes] = {
        "nothing": b"",
        "null": b"null",
        "a list": b"[]",
        "a string": b'"success"',
        "half an object": GOOD_JSON[:-1],
        "two objects": GOOD_JSON * 2,
        "a byte order mark": b"\xef\xbb\xbf" + GOOD_JSON,
        "UTF-16": GOOD_JSON.decode().encode("utf-16"),
        "Latin-1": '{"a": "é"}'.encode("latin-1"),
        "single quotes": GOOD_JSON.replace(b'"', b"'"),
        "a comment": b"/* x */" + GOOD_JSON,
        "keys twice": GOOD_JSON[:-1] + b', "status": "success"}',
        "100,000 levels of [": b"[" * 100_000,
        "16 MiB of [": b"[" * (16 * MIB - 100),
        "17 MiB": b'"' + b"x" * 17 * MIB + b'"',
        "NUL bytes": b"\0" * 1000,
        "HTML": b"<!doctype html><script>alert(1)</script>",
    }
    for label, body in bodies.items():
        yield label, once(http(body)), {}
    outputs: dict[str, str | Callable[[], str]] = {
        "NaN": '{"a": NaN}',
        "-Infinity": '{"a": -Infinity}',
        "1e999": '{"a": 1e999}',
        "2^53": '{"a": 9007199254740992}',
        "an integer of 5,000 digits": '{"a": ' + "9" * 5000 + "}",
        "half a surrogate pair": '{"a": "\\ud800"}',
        "1,000 levels": '{"a": ' + "[" * 1000 + "]" * 1000 + "}",
        "100,000 keys": json.dumps({f"key{number}": number for number in range(100_000)}),
        "one key of 8 MiB": '{"' + "k" * 8 * MIB + '": 1}',
        "a string of 15 MiB": '{"a": "' + "x" * 15 * MIB + '"}',
        "5 million zeros": '{"a": [' + "0," * 5_000_000 + "0]}",
        "5 million empty lists": '{"a": [' + "[]," * 5_000_000 + "0]}",
        "1 million objects": '{"a": [' + '{"b":0},' * 1_000_000 + "0]}",
        "15 MiB of escapes": '{"a": "' + "\\u00e9" * (15 * MIB // 6) + '"}',
        "null": "null",
        "a list": "[]",
        "a key __proto__": '{"__proto__": {"x": 1}, "artifacts": 1}',
        "terminal escapes": '{"kpis": {"\\u001b[2J": 1, "\\u202e": 2}}',
    }
    for label, text in outputs.items():
        yield f"outputs: {label}", _raw(text if isinstance(text, str) else text()), {}


def _envelopes() -> Iterator[tuple[str, Speech, dict[str, Any]]]:
    fields: dict[str, dict[str, Any]] = {
        "no status": {"status": ...},
        "another status": {"status": "ok"},
        "another module": {"module": "orchestrator"},
        "no module": {"module": ...},
        "no outputs": {"outputs": ...},
        "version is a number": {"version": 1},
        "a version of 1 MiB": {"version": "1" * MIB},
        "contract version 9.9": {"contract_version": "9.9"},
        "artifacts are an object": {"artifacts": {}},
        "300,000 empty artifacts": {"artifacts": [{}] * 300_000},
        "evidence is a string": {"evidence": "yes"},
        "100,000 empty pieces of evidence": {"evidence": [{}] * 100_000},
        "evidence for what is not there": {
            "evidence": [{"id": "e", "kind": "k", "title": "t", "supports": ["/nothing"]}],
        },
        "200,000 pointers": {
            "evidence": [{"id": "e", "kind": "k", "title": "t", "supports": ["/a"] * 200_000}],
        },
        "evidence twice": {"evidence": [{"id": "e", "kind": "k", "title": "t"}] * 2},
        "a warning that is a number": {"warnings": [1]},
        "200,000 warnings": {"warnings": ["w"] * 200_000},
        "a warning of 8 MiB": {"warnings": ["w" * 8 * MIB]},
        "meta of 100,000 keys": {"meta": {str(number): None for number in range(100_000)}},
        "a size of 2^70": {"artifacts": [artifact(size_bytes=2**70)]},
        "a negative size": {"artifacts": [artifact(size_bytes=-1)]},
        "1 TiB to fetch": {"artifacts": [artifact(href="x", size_bytes=2**40)]},
        "a digest in capitals": {"artifacts": [artifact(sha256=sha256_hex(_CONTENT).upper())]},
        "another digest": {"artifacts": [artifact(sha256="0" * 64)]},
        "another size": {"artifacts": [artifact(size_bytes=99)]},
        "text and data": {"artifacts": [artifact(data=base64.b64encode(_CONTENT).decode())]},
        "no content": {"artifacts": [artifact(text=...)]},
        "data that is not base64": {"artifacts": [artifact(text=..., data="!!!!")]},
        "base64 with blanks": {"artifacts": [artifact(text=..., data="eHh4 eHh4\n")]},
        "10 MiB inline": {"artifacts": [artifact(text="x" * 10 * MIB, size_bytes=10 * MIB)]},
        "a media type with a header": {"artifacts": [artifact(media_type="text/html\r\nX-Evil: 1")]},
        "text/html": {"artifacts": [artifact("page.html", media_type="text/html")]},
    }
    for label, changes in fields.items():
        yield label, says(envelope(**changes)), {}
    error = {"code": "X", "message": "no", "retryable": False}
    errors: dict[str, tuple[Any, str]] = {
        "an error with 200": ({"status": "error", "module": NAME, "error": error}, "200 OK"),
        "a success with 500": (envelope(), "500 Internal Server Error"),
        "an error without a message": (
            {"status": "error", "module": NAME, "error": {"code": "X", "retryable": False}},
            "400 Bad Request",
        ),
        "a message of 4 MiB": (
            {"status": "error", "module": NAME, "error": {**error, "message": "m" * 4 * MIB}},
            "400 Bad Request",
        ),
        "a message that clears the screen": (
            {"status": "error", "module": NAME, "error": {**error, "message": "\x1b[2J\x1b]0;x\x07\u202e"}},
            "400 Bad Request",
        ),
        "a pointer to nothing": (
            {"status": "error", "module": NAME, "error": {**error, "pointer": "inputs"}},
            "422 Unprocessable Content",
        ),
    }
    for label, (body, status) in errors.items():
        yield label, says(body, status), {}


def _http() -> Iterator[tuple[str, Speech, dict[str, Any]]]:
    unavailable = json.dumps(
        {"status": "error", "module": NAME, "error": {"code": "X", "message": "later", "retryable": True}}
    ).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    rows: dict[str, Speech] = {
        "204": once(b"HTTP/1.1 204 No Content\r\n\r\n"),
        "205 with a body": says(GOOD_JSON, "205 Reset Content"),
        "304": once(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        "a redirect to itself": once(http(b"", "307 Temporary Redirect", extra=b"Location: /\r\n")),
        "401": once(http(b"no", "401 Unauthorized", "text/plain", b"WWW-Authenticate: Basic\r\n")),
        "a status of 99": once(http(GOOD_JSON, "99 What")),
        "a status of 999": once(http(GOOD_JSON, "999 What")),
        "a status of 000": once(http(GOOD_JSON, "000 What")),
        "101": once(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + http(GOOD_JSON)),
        "wait for a day": once(http(unavailable, "503 Service Unavailable", extra=b"Retry-After: 86400\r\n")),
        "wait until 9999": once(
            http(unavailable, "503 Service Unavailable", extra=b"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n")
        ),
        "wait for 10^400 s": once(http(unavailable, "429 Too Many Requests", extra=b"Retry-After: 1%b\r\n" % (b"0" * 400))),
        "no content type": once(http(GOOD_JSON, kind="")),
        "text/html": once(http(GOOD_JSON, kind="text/html")),
        "another charset": once(http(GOOD_JSON, kind="application/json; charset=utf-7")),
        "compressed": once(http(gzip.compress(GOOD_JSON), extra=b"Content-Encoding: gzip\r\n")),
        "64 MiB compressed to 64 KiB": lambda: [http(gzip.compress(b"0" * 64 * MIB), extra=b"Content-Encoding: gzip\r\n")],
        "Content-Encoding: Identity": once(http(GOOD_JSON, extra=b"Content-Encoding: Identity\r\n")),
        "5,000 cookies": once(http(GOOD_JSON, extra=b"Set-Cookie: a=b\r\n" * 5_000)),
        "a header of 1 MiB": once(http(GOOD_JSON, extra=b"X: %b\r\n" % (b"x" * MIB))),
        "100,000 headers": once(http(GOOD_JSON, extra=b"X-%b: y\r\n" % (b"x" * 10) * 100_000)),
        "a header with NUL": once(http(GOOD_JSON, extra=b"X: a\0b\r\n")),
        "a header without a name": once(http(GOOD_JSON, extra=b": x\r\n")),
        "a folded header": once(http(GOOD_JSON, extra=b"X: a\r\n b\r\n")),
        "a header that is not ASCII": once(http(GOOD_JSON, extra=b"X: \xff\xfe\r\n")),
        "a reason of 1 MiB": once(http(GOOD_JSON, "200 " + "x" * MIB)),
        "a negative length": once(head + b"Content-Length: -1\r\n\r\n" + GOOD_JSON),
        "two lengths": once(http(GOOD_JSON, extra=b"Content-Length: 3\r\n")),
        "length and chunks": once(head + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        "a length of 10^30": once(head + b"Content-Length: 1%b\r\n\r\n" % (b"0" * 30) + GOOD_JSON),
        "a length that is too short": once(head + b"Content-Length: 10\r\n\r\n" + GOOD_JSON),
        "a chunk of 2^64 bytes": once(head + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n" + GOOD_JSON),
        "a chunk size that is no number": once(head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + GOOD_JSON),
        "chunks of one byte": lambda: [b"".join(_chunked([GOOD_JSON, *repeat(b" ", 500_000)]))],
        "a chunk extension of 1 MiB": lambda: _chunked([GOOD_JSON], extension=b";" + b"x" * MIB),
        "100,000 trailers": lambda: _chunked([GOOD_JSON], trailers=b"X: y\r\n" * 100_000),
        "HTTP/0.9": once(GOOD_JSON),
        "HTTP/1.0": once(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + GOOD_JSON),
        "HTTP/2": once(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        "TLS": once(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        "16 MiB of noise": lambda: _in_batches(b"\x00\xff" * 32768, 256),
        "16 MiB of line feeds": lambda: _in_batches(b"\r\n", 8 * MIB),
    }
    for label, speech in rows.items():
        yield label, speech, {}


def _connections() -> Iterator[tuple[str, Speech, dict[str, Any]]]:
    cut = http(GOOD_JSON)
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    rows: dict[str, tuple[Speech, dict[str, Any]]] = {
        "closed at once": (once(), {}),
        "closed in the headers": (once(cut[:30]), {}),
        "closed in the body": (once(cut[:-10]), {}),
        "reset at once": (once(Act.RESET), {}),
        "reset in the body": (once(cut[:-10], Act.RESET), {}),
        "no answer": (once(Act.HANG), LATE),
        "half a status line": (once(b"HTTP/1.", Act.HANG), LATE),
        "half the headers": (once(cut[:30], Act.HANG), LATE),
        "half the body": (once(cut[:-10], Act.HANG), LATE),
        "a byte at a time": (lambda: (*_slowly(cut[:100]), Act.HANG), LATE),
        "headers without end": (lambda: (b"HTTP/1.1 200 OK\r\n", *_in_batches(b"X: y\r\n", 3_000_000)), {}),
        "a line without end": (lambda: (b"HTTP/1.1 200 OK\r\nX: ", *_in_batches(b"x", 16 * MIB)), {}),
        "1,000,000 times 100": (lambda: (*_in_batches(b"HTTP/1.1 100 Continue\r\n\r\n", 1_000_000), cut), {}),
        "500,000 times 103": (lambda: (*_in_batches(early, 500_000), cut), {}),
        "103 once": (once(early + cut), {}),
        "an answer and a second": (once(cut * 2, Act.STAY), {}),
        "an answer and a late second": (once(cut, Act.PAUSE, cut.replace(b'"a": 1', b'"a": 2'), Act.STAY), {}),
        "an answer and 16 MiB later": (lambda: (cut, Act.PAUSE, *_in_batches(b"x" * 65536, 256)), {}),
    }
    for label, (speech, other) in rows.items():
        yield label, speech, other


def _health() -> Iterator[tuple[str, Speech, dict[str, Any]]]:
    body = {"status": "ok", "module": NAME, "version": "1"}
    rows: dict[str, Speech] = {
        "500": says({}, "500 Internal Server Error"),
        "404": says({}, "404 Not Found"),
        "not JSON": once(http(b"ok", kind="text/plain")),
        "another module": says({**body, "module": "orchestrator"}),
        "no version": says({"status": "ok", "module": NAME}),
        "contract version 9.9": says({**body, "contract_versions": ["9.9"]}),
        "100,000 actions": says({**body, "actions": ["a"] * 100_000}),
        "100 MiB": lambda: (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", *repeat(b" " * 65536, 1600)),
        "100,000 levels": once(http(b"[" * 60_000)),
        "100 without end": lambda: _in_batches(b"HTTP/1.1 100 Continue\r\n\r\n", 1_000_000),
        "closed at once": once(),
        "a redirect": once(http(b"", "301 Moved Permanently", extra=b"Location: http://127.0.0.1:9/\r\n")),
    }
    for label, speech in rows.items():
        yield label, GOOD, {"health": speech}


_GROUPS: Final = {
    "Names of artifacts": _names,
    "Addresses of artifacts": _addresses,
    "JSON": _json,
    "Envelopes": _envelopes,
    "HTTP": _http,
    "Connections": _connections,
    "Health": _health,
}


def hostile_answers() -> list[Hostile]:
    """All of them, in the order in which they are documented."""
    return [
        Hostile(
            group=group, name=name, execute=execute, **{"health": HEALTHY, "file": once(http(b"", "404 Not Found")), **other}
        )
        for group, rows in _GROUPS.items()
        for name, execute, other in rows()
    ]
