"""A module whose answers a test writes: real HTTP messages without a network, for answers that no good module gives."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from module_transport import Httpx2Transport

from ops_contract import sha256_hex
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.planning.scenario import Scenario

StartService = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]
ClientFor = Callable[..., ModuleClient]
ReadRun = Callable[[str, str], Any]
EVIDENCE = ({"id": "model", "kind": "computation", "title": "Growth model", "supports": ["/kpis/growth"]},)
"""What the figure of an envelope rests on; a step without any evidence has a warning."""

PNG: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGD4DwABBAEAX+XDSwAAAABJRU5ErkJggg=="
)
"""A picture of one pixel."""

Answer = httpx2.Response | Exception | Callable[[httpx2.Request], httpx2.Response | Awaitable[httpx2.Response]]


def envelope(module: str = "alpha", **fields: Any) -> dict[str, Any]:
    """A success envelope of `module`; `fields` add to it or replace what it has."""
    base = {
        "status": "success",
        "module": module,
        "version": "1.2.3",
        "contract_version": "1.0",
        "outputs": {"kpis": {"growth": 0.02}},
    }
    return {**base, **fields}


def error_envelope(module: str = "alpha", **error: Any) -> dict[str, Any]:
    """An error envelope of `module`."""
    detail = {"code": "INVALID_INPUT", "message": "vat_rate is 7, but a rate is at most 0.5", "retryable": False, **error}
    return {"status": "error", "module": module, "error": detail}


def success(module: str = "alpha", **fields: Any) -> httpx2.Response:
    """A 200 with a success envelope."""
    return httpx2.Response(200, json=envelope(module, **fields))


def artifact(name: str, content: bytes = b"figures", media_type: str = "text/plain", **fields: Any) -> dict[str, Any]:
    """An artifact as it stands in an envelope; with `href=` delivered by it, else as text. `fields` falsify it."""
    described = {"name": name, "media_type": media_type, "size_bytes": len(content), "sha256": sha256_hex(content)}
    delivered = {"text": content.decode()} if fields.get("href") is None else {}
    return {**described, **delivered, **{key: value for key, value in fields.items() if value is not None}}


@dataclass
class ScriptedModule:
    """Answers `/health` and `/execute` from its lists, the last entry again and again, and any other path from `files`."""

    name: str = "alpha"
    health: list[Answer] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    files: dict[str, Answer] = field(default_factory=dict)
    requests: list[httpx2.Request] = field(default_factory=list)

    @property
    def executed(self) -> list[httpx2.Request]:
        """The execute requests so far."""
        return [request for request in self.requests if request.url.path.endswith("/execute")]

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        """What the module says to `request`."""
        self.requests.append(request)
        if request.url.path.endswith("/health"):
            return await _say(_next(self.health, httpx2.Response(200, json=self.healthy())), request)
        if request.url.path.endswith("/execute"):
            return await _say(_next(self.answers, success(self.name)), request)
        return await _say(self.files.get(request.url.path, httpx2.Response(404)), request)

    def healthy(self, **fields: Any) -> dict[str, Any]:
        """The body of a good health check."""
        return {"status": "ok", "module": self.name, "version": "1.2.3", "contract_versions": ["1.0"], **fields}


class Gate:
    """An answer that is held back: `asked` is set when the module is asked, and it answers once `opened` is set."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self, _: httpx2.Request) -> httpx2.Response:
        """Wait, then answer."""
        self.asked.set()
        await self.opened.wait()
        return success()


def demo(*modules: str | dict[str, Any], **inputs: Any) -> Scenario:
    """The scenario "demo" over `modules`, given as in a request."""
    return Scenario.model_validate({"scenario_id": "demo", "modules": list(modules), "inputs": inputs})


def transport(*modules: ScriptedModule) -> Httpx2Transport:
    """A network on which `http://NAME.test` is the module of that name and nothing else exists."""
    by_host = {f"{module.name}.test": module for module in modules}

    async def handler(request: httpx2.Request) -> httpx2.Response:
        if request.url.host not in by_host:
            raise httpx2.ConnectError(f"no route to {request.url.host}")
        return await by_host[request.url.host].answer(request)

    return Httpx2Transport(httpx2.MockTransport(handler))


def modules_yaml(names: Sequence[str], **options: Any) -> str:
    """A modules.yaml that registers `names` at their test addresses, quick to give up."""
    settings = {"ready_timeout_s": 0, "backoff_s": 0, **options}
    defaults = "".join(f"  {key}: {value}\n" for key, value in settings.items())
    return f"defaults:\n{defaults}modules:\n" + "".join(f"  {name}:\n    url: http://{name}.test\n" for name in names)


def _next(script: list[Answer], otherwise: Answer) -> Answer:
    if not script:
        return otherwise
    return script.pop(0) if len(script) > 1 else script[0]


async def _say(answer: Answer, request: httpx2.Request) -> httpx2.Response:
    if isinstance(answer, Exception):
        raise answer
    if not isinstance(answer, httpx2.Response):
        made = answer(request)
        answer = await made if isinstance(made, Awaitable) else made
    # A response can be read once and the same answer may be given several times; as a stream, as the network gives it.
    return httpx2.Response(answer.status_code, headers=answer.headers, stream=httpx2.ByteStream(answer.content))
