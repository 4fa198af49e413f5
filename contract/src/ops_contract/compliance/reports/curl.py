"""The shell command that sends a request of the kit again, byte for byte."""

import re
import shlex
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_plus, urlsplit

from ops_contract import is_secret
from ops_contract.compliance.redaction import shown_body, text_of
from ops_contract.compliance.result import Exchange

MOST_CHARACTERS: Final = 8 * 1024
"""The longest command that is shown to be copied."""

# Headers that curl sends by default or computes. `Connection` is about the kit's socket, not about the request.
_OWN_HEADERS: Final = ("host", "accept", "content-length", "connection")
_DOT_SEGMENT: Final = re.compile(r"/(\.|%2e){1,2}(?=[/?]|$)", re.IGNORECASE)
# Linux limits the length of an argument (MAX_ARG_STRLEN); printf is built into the shell and has no such limit.
_LONGEST_ARGUMENT: Final = 100 * 1024
_EXPECTS_CONTINUE: Final = 1024 * 1024
_DATA_METHODS: Final = ("POST", "PUT", "PATCH")


def curl_of(exchange: Exchange) -> str:
    """A command for sh that sends the same method, path, headers and body.

    A secret is a shell variable named after its header or parameter; without it, the command ends with its name. Commands can
    be as long as the body; `short_curl_of` is for showing. When a report did not keep the whole body, the result is a comment.
    """
    body = shown_body(exchange.request_body, len(exchange.request_body))
    if body.size_bytes != len(exchange.request_body):
        return f"# a request body of {body.size_bytes} bytes (sha256 {body.sha256}) was not kept"
    piped = _is_piped(exchange.request_body)
    words = ["curl -sS", *_method(exchange), *_address(exchange.url), *_headers(exchange)]
    if piped:
        words.append("--data-binary @-")
    elif _has_body(exchange):
        words.append(f"--data-binary {shlex.quote(exchange.request_body.decode())}")
    command = " \\\n  ".join([" ".join(words[:-1]), words[-1]] if len(words) > 2 else [" ".join(words)])
    sent = f"printf {_octal(exchange.request_body)} |\n  {command}" if piped else command
    return f"# first, elsewhere: {exchange.served_by}\n{sent}" if exchange.served_by else sent


def short_curl_of(exchange: Exchange) -> str:
    """The command of `curl_of`, or a comment when it is too long to be copied by hand."""
    command = curl_of(exchange)
    if len(command) <= MOST_CHARACTERS:
        return command
    return f"# {exchange.method} with a body of {len(exchange.request_body)} bytes: too long for a command line"


def _method(exchange: Exchange) -> list[str]:
    method = exchange.method
    if method == "HEAD":
        return ["--head"]  # with -X HEAD, curl waits for a body
    default = "POST" if _has_body(exchange) else "GET"
    return ["-i"] if method == default else ["-i", f"-X {_word(method)}"]


def _address(url: str) -> list[str]:
    options = []
    if _DOT_SEGMENT.search(urlsplit(url).path):
        options.append("--path-as-is")
    if any(bracket in url for bracket in "[]{}"):
        options.append("--globoff")
    return [*options, "".join(_url_words(url))]


def _url_words(url: str) -> Iterator[str]:
    """The parts of one shell word for the URL, with its secrets as variables."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    if ":" in user:
        name, _, _ = user.partition(":")
        yield _word(f"{parts.scheme}://{name}:") + _variable("password") + _word(f"@{host}")
        url = url.partition(parts.netloc)[2]
    start, question, query = url.partition("?")
    plain = start + question
    for index, parameter in enumerate(query.split("&")):
        name, equals, value = parameter.partition("=")
        plain += ("&" if index else "") + name + equals
        if equals and is_secret(unquote_plus(name)):
            yield _word(plain) + _variable(name)
            plain = ""
        else:
            plain += value
    if plain:
        yield _word(plain)


def _headers(exchange: Exchange) -> Iterator[str]:
    given = {name.lower(): value for name, value in exchange.request_headers.items()}
    own = {
        "host": urlsplit(exchange.url).netloc.rpartition("@")[2],
        "accept": "*/*",
        "content-length": str(len(exchange.request_body)),
        "connection": given.get("connection", ""),
    }
    for name, value in exchange.request_headers.items():
        if own.get(name.lower()) != value or name.lower() not in _OWN_HEADERS:
            yield f"-H {_header(name, value)}"
    expected = ["user-agent", "accept", *(["content-type"] if _has_body(exchange) else [])]
    yield from (f"-H '{name}:'" for name in expected if name not in given)
    if len(exchange.request_body) >= _EXPECTS_CONTINUE and "expect" not in given:
        yield "-H 'expect:'"


def _header(name: str, value: str) -> str:
    if is_secret(name):
        return _word(f"{name}: ") + _variable(name)
    return _word(f"{name}: {value}" if value else f"{name};")


def _has_body(exchange: Exchange) -> bool:
    return bool(exchange.request_body) or exchange.method in _DATA_METHODS


def _is_piped(body: bytes) -> bool:
    """Whether a body cannot be an argument of curl, which for example reads a file when it begins with @."""
    text = text_of(body)
    return text is None or text.startswith("@") or len(body) > _LONGEST_ARGUMENT or not _is_plain(text)


def _is_plain(text: str) -> bool:
    return text.replace("\n", "").isprintable()


def _variable(name: str) -> str:
    """A shell variable for a secret; when it is not set, the shell ends with its name."""
    identifier = re.sub(r"[^A-Z0-9]+", "_", unquote_plus(name).upper(), flags=re.ASCII).strip("_") or "SECRET"
    identifier = f"_{identifier}" if identifier[0].isdigit() else identifier
    return f'"${{{identifier}:?}}"'


def _word(text: str) -> str:
    """`text` as one word for sh, with control characters escaped."""
    return shlex.quote(text) if _is_plain(text) else f'"$(printf {_octal(text.encode(errors="surrogatepass"))})"'


def _octal(content: bytes) -> str:
    """A quoted format for printf that writes exactly `content`."""
    return "'" + "".join(_OCTAL[byte] for byte in content) + "'"


_BARE: Final = frozenset(range(0x20, 0x7F)) - frozenset(b"'\\%-!")
_OCTAL: Final = tuple(chr(byte) if byte in _BARE else f"\\{byte:03o}" for byte in range(256))
