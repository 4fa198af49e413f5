"""A small module that keeps the contract, except where a test twists an answer of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ops_contract import RefusalError, check_request_headers, read_request, trace_of
from ops_contract.compliance.check import check
from ops_contract.compliance.result import Finding, Report, Verdict

NAME: Final = "twisted"
_MOST_BYTES: Final = 4 * 1024 * 1024
ABOUT: Final = {"module": NAME, "version": "1", "contract_version": "1.0"}
_HEALTH: Final = {"status": "ok", **ABOUT, "contract_versions": ["1.0"], "profiles": [], "actions": ["execute"]}
_METHODS: Final = {"/health": "GET", "/execute": "POST"}


@dataclass(frozen=True)
class Asked:
    """A request, with the names of its headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """Its body, empty when that is no JSON object."""
        try:
            value = json.loads(self.raw)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Answer:
    """An answer; status None closes the connection instead."""

    status: int | None
    body: Any
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})

    @property
    def is_error(self) -> bool:
        """Whether it is an error envelope."""
        return isinstance(self.body, dict) and self.body.get("status") == "error"

    def with_body(self, **fields: Any) -> "Answer":
        """The same answer with other fields of the envelope."""
        return replace(self, body={**self.body, **fields})

    def with_error(self, **fields: Any) -> "Answer":
        """The same answer with other fields of the error."""
        return self.with_body(error={**self.body["error"], **fields})

    @property
    def content(self) -> bytes:
        """The bytes of the body."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Twist = Callable[[Asked, Answer], Answer]


@dataclass
class TwistedModule:
    """Answers as the contract says, then as `twist` makes of it."""

    twist: Twist = lambda _, answer: answer
    asked: list[Asked] = field(default_factory=list)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """Its address, while it is served."""
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def report(self, *select: str, upstream: Mapping[str, Any] | None = None) -> Report:
        """What the kit finds, of these requirements or of all, when it is given these earlier steps."""
        async with self.served() as url:
            return await check(url, select=set(select) or None, upstream=upstream)

    async def broken(self, *select: str, upstream: Mapping[str, Any] | None = None) -> dict[str, Finding]:
        """The findings that are not met, by requirement; see `report`."""
        fine = (Verdict.PASS, Verdict.NOT_APPLICABLE)
        report = await self.report(*select, upstream=upstream)
        return {one.requirement.id: one for one in report.findings if one.verdict not in fine}

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            asked = await _received(reader)
            self.asked.append(asked)
            answer = self.twist(asked, honest_answer(asked))
            if answer.status is None:
                return
            headers = {**answer.headers, "Content-Length": str(len(answer.content))}
            head = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
            writer.write("\r\n".join(head).encode() + answer.content)


async def _received(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return Asked(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


def honest_answer(asked: Asked) -> Answer:
    """What the contract says about this request."""
    try:
        allowed = _METHODS.get(asked.path)
        if allowed is None:
            raise RefusalError.not_found()
        if asked.method != allowed:
            raise RefusalError.method_not_allowed(allowed)
        return Answer(200, _HEALTH if asked.path == "/health" else _executed(asked))
    except RefusalError as refusal:
        envelope = refusal.envelope(NAME, "1", trace_of(asked.headers))
        allow = {"Allow": allowed} if allowed and refusal.status == 405 else {}
        return Answer(refusal.status, envelope, {"Content-Type": "application/json", **allow})


def _executed(asked: Asked) -> dict[str, Any]:
    if len(asked.raw) > _MOST_BYTES:
        raise RefusalError.too_large(_MOST_BYTES)
    check_request_headers(asked.headers)
    request = read_request(asked.raw).request
    if request.action != "execute":
        known = {"known_actions": ["execute"]}
        raise RefusalError(422, "UNKNOWN_ACTION", "/action is not known; send execute", pointer="/action", details=known)
    outputs = {"seed": request.options.seed, "country": request.inputs.get("country")}
    return {"status": "success", **ABOUT, "outputs": outputs, "meta": trace_of(asked.headers)}
