"""Transport faults: what networks, proxies and broken servers do to an answer, by name."""

import random
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from anyio import to_thread

from ops_stubs.faults.exchange import Reply, error_reply
from ops_stubs.faults.plan import Plan
from ops_stubs.faults.wire import Wire

__all__ = ["KINDS", "Act", "Kind", "Parameter", "TransportFault"]

Parameter = int | float | str
"""The value of a parameter; its type is that of the parameter's default."""

_PIECE: Final = 64 * 1024
_MIB: Final = 2**20
_GZIP: Final = 31
"""The window size that asks zlib for the format of gzip."""


@dataclass(frozen=True)
class Act:
    """One use of a fault: the stub, the number of the request, and the parameters."""

    module: str
    number: int
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of transport fault; `defaults` are its parameters. `delays` lets other faults, or the stub, answer after it."""

    name: str
    sentence: str
    act: Callable[[Wire, Act], Awaitable[None]]
    defaults: Mapping[str, Parameter]
    delays: bool = False


@dataclass(frozen=True)
class TransportFault:
    """A kind with its parameters, and when it acts."""

    kind: Kind
    parameters: Mapping[str, Parameter]
    plan: Plan

    def as_json(self) -> dict[str, Any]:
        """The fault as the admin API takes and shows it."""
        plan = {name: value for name, value in vars(self.plan).items() if value is not None}
        return {"kind": self.kind.name, **self.parameters, **plan}


async def _latency(wire: Wire, act: Act) -> None:
    jitter = act.parameters["jitter"]
    # The request's number decides, so that a second run of a test has the same delays.
    chance = random.Random(f"{act.parameters['seed']} {act.number}")  # noqa: S311 - times, not secrets
    milliseconds = act.parameters["ms"] + chance.uniform(-jitter, jitter)
    await wire.sleep(max(milliseconds, 0) / 1000)


async def _hang(wire: Wire, _: Act) -> None:
    await wire.until_gone()


async def _reset(wire: Wire, _: Act) -> None:
    await wire.reset()


async def _empty(wire: Wire, _: Act) -> None:
    await wire.close()


async def _truncate(wire: Wire, act: Act) -> None:
    reply = await wire.answer()
    await wire.begin(reply)
    await wire.write(reply.content[: int(len(reply.content) * act.parameters["share"])], more=True)
    await wire.close()


async def _drip(wire: Wire, act: Act) -> None:
    reply = await wire.answer()
    await wire.begin(reply)
    for piece in _pieces(reply.content, max(act.parameters["bytes"], 1)):
        if wire.is_gone:
            return
        await wire.write(piece, more=True)
        await wire.sleep(act.parameters["ms"] / 1000)
    await wire.write(b"", more=False)


async def _status(wire: Wire, act: Act) -> None:
    code, retryable = act.parameters["code"], act.parameters["code"] == 503
    message = "the module cannot answer now; try again later" if retryable else "the module failed; its log says why"
    reply = error_reply(act.module, code, "NOT_READY" if retryable else "INTERNAL", message, retryable=retryable)
    after = act.parameters["retry_after"]
    await wire.send(reply.with_header("retry-after", str(after)) if retryable else reply)


async def _content_type(wire: Wire, act: Act) -> None:
    await wire.send((await wire.answer()).with_header("content-type", act.parameters["type"]))


async def _malformed(wire: Wire, _: Act) -> None:
    reply = await wire.answer()
    await wire.send(reply.with_content(reply.content[: len(reply.content) // 2]))


async def _oversized(wire: Wire, act: Act) -> None:
    reply = await wire.answer()
    head, tail, size = reply.content[:-1] + b',"padding":"', b'"}', act.parameters["mib"] * _MIB
    await wire.begin(reply.with_header("content-length", str(len(head) + size + len(tail))))
    await wire.write(head, more=True)
    for _ in range(size // _PIECE):
        if wire.is_gone:
            return
        await wire.write(b"x" * _PIECE, more=True)
    await wire.write(tail, more=False)


async def _gzip_bomb(wire: Wire, act: Act) -> None:
    reply = await wire.answer()
    bomb = await to_thread.run_sync(_compressed, reply.content, act.parameters["mib"])
    await wire.send(reply.with_content(bomb).with_header("content-encoding", "gzip"))


async def _redirect(wire: Wire, act: Act) -> None:
    headers = (("location", act.parameters["to"]), ("content-length", "0"))
    await wire.send(Reply(act.parameters["code"], headers, b""))


def _pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def _compressed(content: bytes, mib: int) -> bytes:
    """The content, followed by `mib` MiB of spaces, which JSON allows."""
    packer = zlib.compressobj(9, wbits=_GZIP)
    spaces = (packer.compress(b" " * _MIB) for _ in range(mib))
    return b"".join((packer.compress(content), *spaces, packer.flush()))


KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind(
            "latency",
            "Waits ms milliseconds, more or less by up to jitter as seed decides, and lets the stub answer",
            _latency,
            {"ms": 100.0, "jitter": 0.0, "seed": 0},
            delays=True,
        ),
        Kind("hang", "Says nothing until the caller leaves; nothing is executed", _hang, {}),
        Kind("reset", "Resets the connection (RST); nothing is executed", _reset, {}),
        Kind("empty", "Closes the connection without a byte; nothing is executed", _empty, {}),
        Kind("truncate", "Sends a share of the body that it announced, and closes", _truncate, {"share": 0.5}),
        Kind("drip", "Sends the body bytes by bytes, ms milliseconds apart", _drip, {"bytes": 64, "ms": 100.0}),
        Kind(
            "status",
            "Answers an error envelope with the status code, and a 503 with Retry-After; nothing is executed",
            _status,
            {"code": 503, "retry_after": 1},
        ),
        Kind("content-type", "Sends the right body as another type", _content_type, {"type": "text/html"}),
        Kind("malformed", "Sends the first half of the body as if it were all of it", _malformed, {}),
        Kind("oversized", "Sends the envelope with mib MiB of padding in it", _oversized, {"mib": 32}),
        Kind("gzip-bomb", "Sends the envelope in gzip, with mib MiB of spaces behind it", _gzip_bomb, {"mib": 64}),
        Kind(
            "redirect",
            "Redirects to another address, with the status code; nothing is executed",
            _redirect,
            {"to": "http://127.0.0.1:9/execute", "code": 307},
        ),
    )
}
"""Every kind, by its name."""
