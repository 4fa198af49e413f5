"""A module that keeps the contract with all profiles, in as many ways as a test can break determinism, idempotency and time."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

from ops_contract import Artifact, ExecuteRequest, RefusalError, read_request
from ops_contract.compliance.check import check
from ops_contract.compliance.result import Finding, Report, Verdict

NAME: Final = "keyed"
PROFILES: Final = ("artifacts", "deterministic", "idempotent")
_ABOUT: Final = {"module": NAME, "version": "1", "contract_version": "1.0"}


@dataclass(frozen=True)
class Asked:
    """A request that can be executed, with the head and the body that it came in."""

    head: str
    raw: bytes
    call: ExecuteRequest
    fingerprint: str

    @property
    def key(self) -> tuple[str, str]:
        """The key of the call."""
        return self.call.run_id, self.call.step_id


@dataclass
class KeyedModule:
    """Keeps its answers by key, and gives one only for an equal body.

    `result` gives fields that are added to the envelope; `body` says what makes two bodies one, and `find` which answer is kept
    for a call. An execute takes `execute_s`, one after the other with `one_at_a_time`; health takes `health_s`, and `busy_s`
    while an execute is running, or until none is with `waits`. `late_s` are added to each result and missed deadline.
    It closes the connection for a body that `crashes`, serves whatever body it `accepts`, and counts errors as `refused`.
    """

    result: Callable[[Asked], dict[str, Any]] = lambda _: {}
    body: Callable[[Asked], Any] = lambda asked: asked.fingerprint
    find: Callable[["KeyedModule", Asked], Any] = lambda module, asked: module.kept.get(asked.key)
    crashes: Callable[[bytes], bool] = lambda _: False
    accepts: Callable[[bytes], bool] = lambda _: False
    profiles: tuple[str, ...] = PROFILES
    health: dict[str, Any] = field(default_factory=dict)
    execute_s: float = 0.0
    health_s: float = 0.0
    busy_s: float = 0.0
    late_s: float = 0.0
    ignores_deadline: bool = True
    one_at_a_time: bool = False
    waits: bool = False
    hung_healths: int = 0
    refused: int = 0
    seed: int = 0
    previous: bytes = b""
    executing: int = 0
    kept: dict[Any, tuple[Any, dict[str, Any]]] = field(default_factory=dict)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """Its address, while it is served."""
        self.idle.set()
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def report(self, *select: str, **options: Any) -> Report:
        """What the kit finds, of these requirements or of all."""
        async with self.served() as url:
            return await check(url, select=set(select) or None, **options)

    async def unmet(self, *select: str, **options: Any) -> dict[str, Finding]:
        """The findings that are not met, by requirement."""
        fine = (Verdict.PASS, Verdict.NOT_APPLICABLE)
        found = (await self.report(*select, **options)).findings
        return {one.requirement.id: one for one in found if one.verdict not in fine}

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lengths = [line[15:] for line in head.lower().split("\r\n") if line.startswith("content-length:")]
            raw = await reader.readexactly(int(lengths[0])) if lengths else b""
            if self.crashes(raw):
                return
            try:
                status, body = 200, await (self._health() if head.startswith("GET /health") else self._executed(head, raw))
            except RefusalError as refusal:
                self.refused += 1
                status, body = refusal.status, refusal.envelope(NAME, "1", {})
            if status in (200, 503):
                await asyncio.sleep(self.late_s)
            content = json.dumps(body).encode()
            fields = f"Content-Type: application/json\r\nContent-Length: {len(content)}"
            writer.write(f"HTTP/1.1 {status} X\r\n{fields}\r\n\r\n".encode() + content)

    async def _health(self) -> dict[str, Any]:
        if self.hung_healths:
            self.hung_healths -= 1
            await asyncio.get_running_loop().create_future()
        if self.waits:
            async with self.turn:
                await self.idle.wait()
        await asyncio.sleep(self.busy_s if self.executing else self.health_s)
        declared = {"contract_versions": ["1.0"], "profiles": self.profiles, "actions": ["execute"]}
        return {"status": "ok", **_ABOUT, **declared, **self.health}

    async def _executed(self, head: str, raw: bytes) -> dict[str, Any]:
        if not head.startswith("POST /execute"):
            raise RefusalError.not_found()
        if self.accepts(raw):
            return {"status": "success", **_ABOUT, "outputs": {}}
        read = read_request(raw)
        asked = Asked(head, raw, read.request, read.fingerprint)
        deadline_s = None if self.ignores_deadline else asked.call.options.deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                return await self._once(asked)
        except TimeoutError:
            raise RefusalError.deadline_exceeded() from None

    async def _once(self, asked: Asked) -> dict[str, Any]:
        async with self.turn if self.one_at_a_time else nullcontext():
            found = self.find(self, asked)
            if found is None:
                envelope = await self._answer(asked)
                if "idempotent" in self.profiles:
                    self.kept[asked.key] = self.body(asked), envelope
                return envelope
            if found[0] != self.body(asked):
                raise RefusalError(422, "IDEMPOTENCY_KEY_REUSED", "the key was used with another body", pointer="/step_id")
            answer: dict[str, Any] = found[1]
            return answer

    async def _answer(self, asked: Asked) -> dict[str, Any]:
        self.executing += 1
        self.idle.clear()
        try:
            await asyncio.sleep(self.execute_s)
        finally:
            self.executing -= 1
            if not self.executing:
                self.idle.set()
        found = {"seed": asked.call.options.seed}
        plot = Artifact.of("plot.txt", "text/plain", json.dumps(found).encode()).model_dump(exclude_unset=True)
        evidence = [{"id": "e1", "kind": "computation", "title": "Model", "supports": ["/seed"], "synthetic": True}]
        answer = {"status": "success", **_ABOUT, "outputs": found, "artifacts": [plot], "evidence": evidence}
        return {**answer, **self.result(asked)}
