"""A module seen through its adapter: the kit takes it for one that speaks the contract."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from command_line import ops
from local_service import HTTP, ROOT, service, stub_addresses
from scripted_module import Gate, ScriptedModule, transport

from ops_contract import SuccessEnvelope, sha256_hex, validate
from ops_contract.compliance.check import check
from ops_orchestrator.modules.catalogue import load_catalogue
from ops_orchestrator.settings import Settings
from ops_orchestrator.workbench.facade import create_facade
from ops_orchestrator.workbench.trial import call_of, step_of, try_call

pytestmark = pytest.mark.anyio

EXAMPLE: Final = ROOT / "examples" / "adapters"
ADAPTED: Final = """
modules:
  beta:
    url: http://beta.test
    adapter:
      health: /health
      actions:
        score:
          path: /score
          body: '{"iso": $uppercase(inputs.country)}'
          outputs: '{"score": $number(response.body.score)}'
          artifacts: [{ name: '"table.csv"', media_type: '"text/csv"', text: response.body.table }]
        brief: { path: /score, body: '{"earlier": upstream.alpha.outputs.text}', outputs: '{}' }
"""

WITH_TOKEN: Final = ADAPTED.replace(
    """body: '{"iso": $uppercase(inputs.country)}'""",
    """headers: { X-Access: '"${ACCESS}"' }
          body: '{"iso": $uppercase(inputs.country), "key": "${ACCESS_TOKEN}"}'""",
)
VARIABLES: Final = {"ACCESS": "t0ken-value", "ACCESS_TOKEN": "t0ken-value"}

SCORED: Final = httpx2.Response(200, json={"score": "0.5", "table": "a,b\n"})

Open = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture
def facade(tmp_path: Path) -> Open:
    """Serve beta, which answers `score` at /score, through its adapter."""

    @asynccontextmanager
    async def serve(score: Any = SCORED, *, adapted: str = ADAPTED, **settings: Any) -> AsyncIterator[httpx2.AsyncClient]:
        (tmp_path / "modules.yaml").write_text(adapted)
        module = load_catalogue(tmp_path / "modules.yaml", VARIABLES).modules["beta"]
        app = create_facade(
            module, Settings(_env_file=None, **settings), transport(ScriptedModule("beta", files={"/score": score}))
        )
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://facade.test") as client,
        ):
            yield client

    return serve


def request(**fields: Any) -> dict[str, Any]:
    known = {"contract_version": "1.0", "run_id": "run-1", "step_id": "beta", "scenario_id": "demo", "action": "score"}
    return {**known, "inputs": {"country": "do"}, **fields}


async def executed(client: httpx2.AsyncClient, **fields: Any) -> httpx2.Response:
    return await client.post("/execute", json=request(**fields))


async def test_answer_is_an_envelope_of_what_the_adapter_maps(facade: Open) -> None:
    async with facade() as client:
        envelope = validate(SuccessEnvelope, (await executed(client)).json(), "envelope")
    assert (envelope.module, envelope.version, envelope.outputs) == ("beta", "(version unknown)", {"score": 0.5})
    assert [(artifact.name, artifact.inline_content) for artifact in envelope.artifacts] == [("table.csv", b"a,b\n")]


async def test_trace_of_the_caller_goes_on_to_the_adapted_module(facade: Open) -> None:
    asked: list[httpx2.Request] = []

    def score(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return SCORED

    sent = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    async with facade(score) as client:
        assert (await client.post("/execute", json=request(), headers=sent)).status_code == 200
    trace, span = asked[0].headers["traceparent"].split("-")[1:3]
    assert (trace, span != "b" * 16) == ("a" * 32, True)


async def test_artifact_too_large_to_be_inline_is_fetched(facade: Open) -> None:
    table = "a,b\n" * 100_000
    async with facade(httpx2.Response(200, json={"score": 1, "table": table})) as client:
        artifact = (await executed(client)).json()["artifacts"][0]
        fetched = await client.get(f"/{artifact['href']}")
    assert fetched.text == table
    assert artifact["sha256"] == sha256_hex(table.encode())
    assert fetched.headers["content-type"].startswith("text/csv")


@pytest.mark.parametrize(
    ("score", "status", "code"),
    [
        (httpx2.Response(400, json={"detail": "no such country"}), 422, "MODULE_ERROR"),
        (httpx2.Response(500, text="boom"), 502, "MODULE_ERROR"),
        (httpx2.Response(503, text="later"), 503, "MODULE_ERROR"),
        (httpx2.ConnectError("gone"), 503, "MODULE_UNREACHABLE"),
    ],
)
async def test_failure_of_the_module_is_an_error_envelope_with_its_kind_of_status(
    facade: Open, score: Any, status: int, code: str
) -> None:
    async with facade(score) as client:
        answer = await executed(client)
    assert (answer.status_code, answer.json()["status"], answer.json()["error"]["code"]) == (status, "error", code)
    assert answer.json()["error"]["retryable"] is (status == 503)


@pytest.mark.parametrize("score", [httpx2.Response(400, text="bad t0ken-value"), httpx2.ReadError("lost t0ken-value")])
async def test_secret_that_the_module_repeats_is_not_answered(facade: Open, score: Any) -> None:
    async with facade(score, adapted=WITH_TOKEN) as client:
        answer = await executed(client)
    assert answer.json()["error"]["message"].endswith("***")
    assert "t0ken-value" not in answer.text


async def test_secret_that_the_module_repeats_is_in_no_trial(tmp_path: Path) -> None:
    async def repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nX-Seen: t0ken-value\r\n\r\n" + json.dumps(str(asked)).encode())
        writer.close()

    async with await asyncio.start_server(repeat, "127.0.0.1", 0) as listener:
        address = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        (tmp_path / "modules.yaml").write_text(WITH_TOKEN.replace("beta.test", address))
        step = step_of(load_catalogue(tmp_path / "modules.yaml", VARIABLES), "beta", "score")
        trial = await try_call(Settings(_env_file=None), call_of(step, {"country": "do"}, None, None))
    shown = trial.as_json()
    assert (shown["request"]["body"], shown["request"]["headers"]["X-Access"]) == ({"iso": "DO", "key": "***"}, "***")
    assert "***" in shown["response"]["body"]
    assert "t0ken-value" not in json.dumps(shown)


async def test_input_that_the_mapping_cannot_work_with_is_the_caller_s(facade: Open) -> None:
    async with facade() as client:
        answer = await executed(client, inputs={"country": 5})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "INVALID_INPUT")


async def test_earlier_step_that_the_mapping_uses_is_asked_for(facade: Open) -> None:
    async with facade() as client:
        lacking = await executed(client, action="brief")
        given = await executed(client, action="brief", upstream={"alpha": {"module": "alpha", "outputs": {"text": "x"}}})
    assert lacking.json()["error"]["pointer"] == "/upstream"
    assert "needs the answer of the step 'alpha'" in lacking.json()["error"]["message"]
    assert given.status_code == 200


async def test_module_that_is_not_done_by_the_deadline_is_worth_another_try(facade: Open) -> None:
    gate = Gate()
    async with facade(gate) as client:
        answer = await executed(client, options={"deadline_s": 0.05})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "DEADLINE_EXCEEDED")


async def test_body_over_the_limit_is_413(facade: Open) -> None:
    async with facade(max_request_bytes=1000) as client:
        answer = await executed(client, inputs={"country": "x" * 2000})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "TOO_LARGE")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["policy-simulator", "indicators", "forecast", "dr-anticorruption"])
async def test_kit_has_nothing_but_warnings_for_a_module_of_the_example_seen_through_its_adapter(
    tmp_path: Path, stubs: str, name: str
) -> None:
    inputs = {**json.loads((EXAMPLE / "scenario.json").read_bytes())["inputs"], "indicator": "inflation"}
    words = ("modules", "serve", name, "--modules-file", str(EXAMPLE / "modules.yaml"), "--port", "0")
    with service(tmp_path, "ops", *words, **stub_addresses(stubs)) as (_, url):
        report = await check(url, inputs=inputs)
    assert [(one.requirement.id, one.actual) for one in report.findings if one.verdict in ("fail", "not_testable")] == []


def test_module_without_an_adapter_is_not_served(tmp_path: Path) -> None:
    ran = ops(tmp_path, "modules", "serve", "data-layer", "--modules-file", str(EXAMPLE / "modules.yaml"))
    assert ran.returncode == 2
    assert "data-layer has no adapter: it follows the contract itself, at http" in ran.stderr


class HeldModule:
    """A module that answers `SCORED` on a real socket once `released` is set; `called` is set when it is called."""

    def __init__(self) -> None:
        self.called, self.released = asyncio.Event(), asyncio.Event()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        await reader.readuntil(b"\r\n\r\n")
        self.called.set()
        await self.released.wait()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(SCORED.content)}\r\n\r\n"
        writer.write(head.encode() + SCORED.content)
        writer.close()


async def stops_listening(url: str) -> None:
    """Wait until nobody listens at `url` any more."""
    port = httpx2.URL(url).port
    assert port is not None
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            return
        writer.close()


@pytest.mark.slow
async def test_call_under_way_when_the_process_is_stopped_is_answered(tmp_path: Path) -> None:
    module = HeldModule()
    async with await asyncio.start_server(module.converse, "127.0.0.1", 0) as listener:
        address = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        (tmp_path / "modules.yaml").write_text(ADAPTED.replace("beta.test", address))
        with service(tmp_path, "ops", "modules", "serve", "beta", "--port", "0", OPS_STOP_GRACE_S="3600") as (process, url):
            call = asyncio.create_task(asyncio.to_thread(HTTP.post, f"{url}/execute", json=request()))
            await module.called.wait()
            process.send_signal(signal.SIGTERM)
            await stops_listening(url)
            module.released.set()
            assert (await call).status_code == 200
            assert await asyncio.to_thread(process.wait) == 0
