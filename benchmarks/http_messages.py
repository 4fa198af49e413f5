"""HTTP/1.1 as far as the benchmark's own programs need it: messages with a Content-Length on kept connections."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Message(NamedTuple):
    """A request or an answer: its first line and headers, and its body."""

    head: bytes
    body: bytes


class Messages:
    """Cuts the bytes of one connection into messages; a message without a Content-Length has no body."""

    def __init__(self) -> None:
        self._received = b""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take what arrived and give the messages that are complete with it."""
        self._received = self._received + data if self._received else data
        while message := self._first():
            yield message

    def _first(self) -> Message | None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return None
        length = _LENGTH.search(self._received, 0, end)
        begin = end + 4
        stop = begin + (int(length[1]) if length else 0)
        if len(self._received) < stop:
            return None
        message = Message(self._received[:end], self._received[begin:stop])
        self._received = self._received[stop:]
        return message


def post(path: str, body: bytes) -> bytes:
    """A POST of a JSON body to a path of this machine."""
    return b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        path.encode(),
        len(body),
        body,
    )


def ok(body: bytes) -> bytes:
    """An answer with the status 200 and a JSON body."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
