"""The body of an answer as expressions see it, and the message in the body of an error."""

import re
from html import unescape
from http import HTTPStatus
from typing import Any, Final

import re2

from ops_contract import JsonError
from ops_orchestrator.exchange import Exchange

_LONGEST: Final = 300
_CHARSET: Final = re.compile(r"charset=\"?([A-Za-z0-9._-]+)", re.IGNORECASE)
_USED_ON_THE_WEB: Final = re.compile(
    r"utf-?(8|16|32)(-?[bl]e)?|(us-)?ascii|iso-?8859-?\d+|latin-?\d|(windows|cp)-?125\d|koi8-[ru]|big5|gb\w+|euc-\w+|shift[-_]jis",
    re.IGNORECASE,
)
# RE2 reads a page in one go, also one that opens everything and closes nothing.
_INVISIBLE: Final = re2.compile(r"(?is)<script\b.*?</script\s*>|<style\b.*?</style\s*>|<!--.*?-->")
_TAG: Final = re2.compile(r"<[^>]*>")
_TITLE: Final = re2.compile(r"(?is)<title\b[^>]*>(.*?)</title\s*>|<h1\b[^>]*>(.*?)</h1\s*>")
_READ_CHARACTERS: Final = 65536
_TELLING: Final = ("message", "detail", "error", "error_message", "msg", "reason", "title", "description", "errors")


def decoded(exchange: Exchange) -> Any:
    """The body as JSON where it is JSON, whatever its content type says, else as text; None when it is neither."""
    try:
        return exchange.json()
    except JsonError:
        return text_of(exchange) if is_text(exchange) else None


def text_of(exchange: Exchange) -> str:
    """The body as text, in the charset that its content type names, else in UTF-8."""
    named = _CHARSET.search(exchange.headers.get("content-type", ""))
    # Python has more codecs than there are charsets; some never end, some yield what is not Unicode.
    usable = named and _USED_ON_THE_WEB.fullmatch(named[1])
    try:
        return exchange.response.decode(named[1] if named and usable else "utf-8", errors="replace")
    except LookupError:
        return exchange.response.decode(errors="replace")


def is_text(exchange: Exchange) -> bool:
    """Does the answer say that it is text, or look so when it says nothing?"""
    if exchange.media_type:
        return exchange.media_type.startswith("text/") or exchange.media_type.endswith(("json", "xml", "javascript"))
    return b"\x00" not in exchange.response


def error_text(exchange: Exchange) -> str:
    """The message in the body of an error, as one line for people: of an object, list, string, HTML or plain text."""
    body = decoded(exchange)
    text = _html(body[:_READ_CHARACTERS]) if isinstance(body, str) and "<" in body else _words(body)
    # A long text has millions of words.
    line = " ".join(text[:_READ_CHARACTERS].split()) or _phrase(exchange.status)
    # It ends in logs and on terminals, where such characters would do something.
    line = "".join(character if character.isprintable() else "\ufffd" for character in line[: _LONGEST + 1])
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _words(body: Any) -> str:
    match body:
        case None | True | False:
            return ""
        case dict():
            return _words_of(body)
        case list():
            return "; ".join(filter(None, map(_words, body)))
        case _:
            return str(body)


def _words_of(body: dict[str, Any]) -> str:
    telling = filter(None, (_words(body.get(name)) for name in _TELLING))
    message = next(telling, None)
    if message is None:
        named = ((key, _words(item)) for key, item in body.items())
        message = ", ".join(f"{key}: {words}" for key, words in named if words)
    place = body.get("loc")  # FastAPI's and pydantic's way to say where
    return f"{'/'.join(map(str, place))}: {message}" if message and place and isinstance(place, list) else message


def _html(page: str) -> str:
    for found in _TITLE.finditer(page):
        title = unescape(_TAG.sub(" ", found[1] or found[2] or ""))
        if title.strip():
            return title
    return unescape(_TAG.sub(" ", _INVISIBLE.sub(" ", page)))


def _phrase(status: int) -> str:
    try:
        return f"no more than {HTTPStatus(status).phrase}"
    except ValueError:
        return "nothing more"
