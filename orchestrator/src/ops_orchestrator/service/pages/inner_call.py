"""A request that a page makes to the API in the same process, so that a form follows the rules that every caller follows."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Scope

# Another worker, to which the API may pass the request on, asks again whose it is and from which page.
_KEPT: Final = (b"host", b"user-agent", b"authorization", b"cookie", b"origin", b"sec-fetch-site")


@dataclass(frozen=True)
class InnerAnswer:
    """What the API answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_good(self) -> bool:
        """Whether it did what it was asked for."""
        return self.status < 400

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


async def post(api: ASGIApp, scope: Scope, path: str, body: bytes = b"") -> InnerAnswer:
    """What `api` answers to a POST of JSON that does not wait for a run, from where the request of `scope` came from."""
    sent = {
        "accept": "application/json",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "prefer": "respond-async",
    }
    inner = {
        **scope,
        "method": "POST",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [
            *((name, value) for name, value in scope["headers"] if name in _KEPT),
            *((name.encode(), value.encode()) for name, value in sent.items()),
        ],
    }
    messages: list[Message] = []
    received = False

    async def receive() -> Message:
        nonlocal received
        if received:
            # Whoever waits for this waits for the caller to hang up, which a page does not do.
            await asyncio.Event().wait()
        received = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    await api(inner, receive, send)
    start = messages[0]
    return InnerAnswer(
        start["status"],
        {name.decode().lower(): value.decode() for name, value in start["headers"]},
        b"".join(message.get("body", b"") for message in messages[1:]),
    )
