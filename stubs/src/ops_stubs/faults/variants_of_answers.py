"""Ways to break a requirement that show in the answers themselves, each known by one thing alone that the kit looks for."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from ops_stubs.faults.exchange import Reply
from ops_stubs.faults.violation import Exchange, ExchangeHook, on_error, on_success

__all__ = ["VARIANTS_OF_ANSWERS"]

_Row = tuple[str, str, ExchangeHook]
"""Name, what is broken, and how."""

_LEAKS: Final = {
    "PYTHON": "Traceback (most recent call last)",
    "FRAME": "at Object.run (<anonymous>)",
    "GO": "goroutine 7 [running]",
    "SOURCE": "execute.py:97",
    "PACKAGES": "site-packages",
    "PATH": "/srv/module",
    "WINDOWS": "C:\\module",
}
_MEDIA_TYPES: Final = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "GIF": "image/gif",
    "PDF": "application/pdf",
    "ZIP": "application/zip",
    "GZIP": "application/gzip",
}
_LASTING: Final = (400, 405, 413, 415, 422)


def _says(text: str) -> Callable[[dict[str, Any]], None]:
    def add(envelope: dict[str, Any]) -> None:
        envelope["error"]["message"] += f" ({text})"

    return add


def _claims(media_type: str) -> Callable[[dict[str, Any]], None]:
    def claim(envelope: dict[str, Any]) -> None:
        for artifact in envelope["artifacts"][:1]:
            artifact["media_type"] = media_type

    return claim


def _retryable_with(status: int) -> ExchangeHook:
    async def hook(exchange: Exchange) -> Reply:
        reply = await exchange.forward()
        if reply.status != status or reply.error_code is None:
            return reply
        envelope = reply.json
        envelope["error"]["retryable"] = True
        return reply.with_json(envelope)

    return hook


async def _array(exchange: Exchange) -> Reply:
    reply = await exchange.forward()
    return reply.with_json([reply.json]) if reply.is_success else reply


def _rows() -> Iterator[_Row]:
    yield "OPS-EXE-002:ABSENT", "envelopes have no module", on_success(lambda envelope: envelope.pop("module"))
    yield "OPS-EXE-003:ARRAY", "envelopes are in an array", _array
    for status in _LASTING:
        yield f"OPS-ERR-002:STATUS-{status}", f"errors with the status {status} are retryable", _retryable_with(status)
    for case, text in _LEAKS.items():
        yield f"OPS-ERR-007:{case}", f"error messages end with ({text})", on_error(_says(text))
    for case, media_type in _MEDIA_TYPES.items():
        yield f"OPS-ART-007:{case}", f"the first artifact says {media_type}, whatever it is", on_success(_claims(media_type))


VARIANTS_OF_ANSWERS: Final = tuple(_rows())
"""The name, what is broken, and the hook of each."""
