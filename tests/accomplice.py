"""A stub that keeps the contract, except in its answers to some requests, which it knows by what was sent before them too."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from ops_stubs.faults.exchange import Received, Reply, error_reply
from ops_stubs.faults.violation import Exchange, Violation

MOST_BEFORE: Final = 3
_OF_THE_CONNECTION: Final = ("host", "content-length", "connection", "expect")
_MADE_UP: Final = {"Z_": 6, "kit-": 8, '"0': 8, '-kit", "step_id": "': 8}
"""What ids of the kit have before their random digits, and how many these are."""
_UTF_16: Final = {"utf-16-le": rb"(?:[0-9a-f]\x00)", "utf-16-be": rb"(?:\x00[0-9a-f])"}
"""By encoding, a digit in it."""


def _as_escapes(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


def _patterns() -> Iterator[bytes]:
    for start, count in _MADE_UP.items():
        yield b"(%s)[0-9a-fA-F]{%d}" % (re.escape(start.encode()), count)
        yield rb"(%s)(?:\\u00[36][0-9a-f]){%d}" % (re.escape(_as_escapes(start).encode()), count)
        for encoding, digit in _UTF_16.items():
            yield b"(%s)%s{%d}" % (re.escape(start.encode(encoding)), digit, count)


_RANDOM: Final = re.compile(b"|".join(_patterns()))


def _without_chance(text: bytes) -> bytes:
    return _RANDOM.sub(lambda found: found[found.lastindex or 0], text)


@dataclass(frozen=True)
class Sent:
    """A request as every check sends it again: its digest, alone and with one, two and more of those before it."""

    digests: tuple[str, ...]
    status: int


Lie = Callable[[Received, Reply, Reply | None], Reply]
"""The wrong answer to a request whose right one is given, after a good one to another request."""


def _refuses(_received: Received, reply: Reply, _good: Reply | None) -> Reply:
    if reply.status != 200:
        return reply
    return error_reply(_module_of(reply), 422, "INVALID_INPUT", "the input is not served", pointer="/inputs")


def _alters(_received: Received, reply: Reply, _good: Reply | None) -> Reply:
    if not reply.is_success:
        return reply
    envelope = reply.json
    envelope["outputs"]["altered"] = 1
    if "trace_id" in envelope["meta"]:
        envelope["meta"]["trace_id"] = "0" * 31 + "1"
    return reply.with_json(envelope)


def _serves(_received: Received, reply: Reply, good: Reply | None) -> Reply:
    return good if good is not None and reply.status >= 400 else reply


def _crashes(_received: Received, reply: Reply, _good: Reply | None) -> Reply:
    return error_reply(_module_of(reply), 500, "INTERNAL", "the module failed; its log says why")


LIES: Final[Mapping[str, Lie]] = {"serves": _serves, "refuses": _refuses, "alters": _alters, "crashes": _crashes}


def lies_about(statuses: Collection[int]) -> Iterator[str]:
    """The lies that can be told about requests whose right answers have these statuses."""
    if any(status >= 400 for status in statuses):
        yield "serves"
    if 200 in statuses:
        yield from ("refuses", "alters")
    yield "crashes"


def _module_of(reply: Reply) -> str:
    return str(reply.json["module"]) if isinstance(reply.json, dict) else "data-layer"


@dataclass
class Accomplice:
    """Remembers what is sent, and tells `lie` about the requests whose digest, with `before` of those before them, is given."""

    about: Collection[str] = ()
    before: int = 0
    lie: Lie | None = None
    sent: list[Sent] = field(default_factory=list)
    lied: int = 0
    _keys: set[object] = field(default_factory=set)
    _last: list[str] = field(default_factory=list)
    _good: Reply | None = None

    def as_violation(self) -> Violation:
        """What a stub can stage."""
        return Violation("ACCOMPLICE", "answers to some requests are wrong", "staged", self._answer)

    async def _answer(self, exchange: Exchange) -> Reply:
        digests = self._digests(exchange.received)
        reply = await exchange.forward()
        self.sent.append(Sent(digests, reply.status))
        if self.lie is not None and digests[self.before] in self.about:
            told = self.lie(exchange.received, reply, self._good)
            self.lied += told is not reply
            return told
        if reply.is_success:
            self._good = reply
        return reply

    def _digests(self, received: Received) -> tuple[str, ...]:
        headers = sorted(f"{name}: {value}" for name, value in received.headers if name not in _OF_THE_CONNECTION)
        known = received.key in self._keys
        self._keys.add(received.key)
        head = "\n".join((received.method, received.raw_path, *headers, str(known)))
        whole = sha256(_without_chance(head.encode() + b"\n\n" + received.raw)).hexdigest()
        self._last = [*self._last[-MOST_BEFORE:], whole]
        ending = [self._last[-count:] for count in range(1, MOST_BEFORE + 2)]
        return tuple(sha256(json.dumps(each).encode()).hexdigest()[:16] for each in ending)
