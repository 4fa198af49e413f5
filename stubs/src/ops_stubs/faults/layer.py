"""The layer around a stub that applies transport faults and violations; without it, a stub has neither."""

import difflib
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ops_contract import RefusalError
from ops_stubs.answers import KeptAnswers
from ops_stubs.faults.admin import ADMIN_PATH, create_admin
from ops_stubs.faults.exchange import Headers, Received, Reply, error_reply
from ops_stubs.faults.journal import Entry
from ops_stubs.faults.staged import Faults
from ops_stubs.faults.transport import Act
from ops_stubs.faults.wire import Wire
from ops_stubs.request_path import path_below

__all__ = ["FaultLayer"]

_ARTIFACTS: Final = "/artifacts/"


class FaultLayer:
    """ASGI middleware: keeps a journal of the requests, applies the staged faults, and serves the admin API."""

    def __init__(  # noqa: PLR0913 - a middleware gets what it needs by name
        self,
        app: ASGIApp,
        *,
        faults: Faults,
        module: str,
        paths: tuple[str, ...],
        max_request_bytes: int,
        answers: KeptAnswers,
    ) -> None:
        """`paths` are those that `module` serves; of larger bodies than `max_request_bytes`, only the beginning is read."""
        self._app = app
        self._faults = faults
        self._module = module
        self._paths = paths
        self._max_request_bytes = max_request_bytes
        self._answers = answers
        self._admin = create_admin(faults, answers.clear, faults.file)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = path_below(scope) if scope["type"] == "http" else ""
        if not path:
            await self._app(scope, receive, send)
        elif path == ADMIN_PATH or path.startswith(f"{ADMIN_PATH}/"):
            await self._admin(scope, receive, send)
        else:
            await self._answer(path, scope, receive, send)

    async def _answer(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        messages = await _beginning(receive, self._max_request_bytes)
        received = _received(path, scope, messages)
        entry = self._faults.journal.add(received)

        async def forward(sent: Received) -> Reply:
            body = messages if sent.raw is received.raw else [_body(sent.raw)]
            return await _answer_of(self._app, _scope_with(scope, sent.headers), _replayed(body, receive))

        async def answer() -> Reply:
            try:
                reply = await self._faults.answer(received, entry, forward, self._answers.keeps)
            except RefusalError as error:  # of a staged answer; those of the module are envelopes already
                reply = error_reply(self._module, error.status, error.code, error.message, pointer=error.pointer)
            return self._explained(entry, reply)

        async def note_status(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
            await send(message)

        await self._deliver(entry, Wire(scope, receive, note_status, answer, self._faults.sleep))

    async def _deliver(self, entry: Entry, wire: Wire) -> None:
        due = self._faults.due(entry.path)
        for number, fault in sorted(due, key=lambda each: not each[1].kind.delays):
            entry.acted.append(fault.kind.name)
            await fault.kind.act(wire, Act(self._module, number, fault.parameters))
            if not fault.kind.delays:
                return
        await wire.send(await wire.answer())

    def _explained(self, entry: Entry, reply: Reply) -> Reply:
        """Add the nearest path to the answer, when nothing is served at the requested one."""
        path = entry.path
        if reply.error_code != "NOT_FOUND" or path.startswith(_ARTIFACTS) or entry.answer is not None:
            return reply
        entry.nearest_path = difflib.get_close_matches(path, self._paths, n=1, cutoff=0)[0]
        envelope = reply.json
        envelope["error"]["message"] += f"; the nearest path is {entry.nearest_path}"
        envelope["error"]["details"] = {"nearest_path": entry.nearest_path}
        return reply.with_json(envelope)


async def _beginning(receive: Receive, limit: int) -> list[Message]:
    """The messages of a body, up to the one with which it is complete, too large, or disconnected."""
    messages, size = [], 0
    while True:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if size > limit or not message.get("more_body", False):
            return messages


def _received(path: str, scope: Scope, messages: list[Message]) -> Received:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    raw_path = scope.get("raw_path") or path.encode()
    return Received(
        method=scope["method"],
        path=path,
        raw_path=raw_path.decode("latin-1").removeprefix(scope.get("root_path", "")),
        headers=headers,
        raw=b"".join(message.get("body", b"") for message in messages),
    )


def _body(raw: bytes) -> Message:
    return {"type": "http.request", "body": raw, "more_body": False}


def _scope_with(scope: Scope, headers: Headers) -> Scope:
    return {**scope, "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]}


def _replayed(messages: list[Message], receive: Receive) -> Receive:
    """Receives `messages` again, and then those that follow them."""
    pending = list(messages)

    async def replay() -> Message:
        return pending.pop(0) if pending else await receive()

    return replay


async def _answer_of(app: ASGIApp, scope: Scope, receive: Receive) -> Reply:
    """The whole answer of `app`."""
    start: Message = {}
    content = bytearray()

    async def collect(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        elif message["type"] == "http.response.body":
            content.extend(message.get("body", b""))

    await app(scope, receive, collect)
    headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"])
    return Reply(start["status"], headers, bytes(content))
