"""Runs, steps and attempts come as spans to a collector, under the ids that modules and callers were told."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from otlp_receiver import OtlpReceiver, otlp_receiver
from scripted_module import Gate, ScriptedModule, StartService, error_envelope, success

from ops_orchestrator.errors import NetworkError

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACED = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
REFUSED = httpx2.Response(422, json=error_envelope())


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    with otlp_receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
        yield receiver


async def run(
    client: httpx2.AsyncClient, *modules: str, headers: dict[str, str] | None = None, **inputs: Any
) -> httpx2.Response:
    body = {"scenario_id": "demo", "modules": modules, "inputs": inputs}
    return await client.post("/plan_and_execute", json=body, headers=headers or {})


def span_of(request: httpx2.Request) -> str:
    return str(request.headers["traceparent"].split("-")[2])


async def test_run_is_a_tree_of_spans_in_the_trace_of_its_caller(start_service: StartService, collector: OtlpReceiver) -> None:
    alpha = ScriptedModule("alpha", answers=[NetworkError("reset", unsent=False), success("alpha")])
    beta = ScriptedModule("beta", answers=[success("beta")])
    async with start_service(alpha, beta) as client:
        answer = await run(client, "alpha", "beta", headers=TRACED, country="confidential-input")
    spans = collector.spans("run")
    (whole,), (alpha_step,), (beta_step,) = spans["run"], spans["step alpha"], spans["step beta"]
    assert answer.headers["traceresponse"] == f"00-{TRACE}-{whole.span_id}-01"
    assert {span.trace_id for found in spans.values() for span in found} == {TRACE}
    assert (whole.parent_id, alpha_step.parent_id, beta_step.parent_id) == (CALLER, whole.span_id, whole.span_id)
    # Each attempt was told to the module as the span that its own spans belong to.
    assert [span.span_id for span in spans["call alpha"]] == [span_of(request) for request in alpha.executed]
    assert [span.parent_id for span in spans["call alpha"]] == [alpha_step.span_id] * 2
    first, second = spans["call alpha"]
    assert (first.attributes["error.type"], "error.type" in second.attributes) == ("MODULE_UNREACHABLE", False)
    assert second.attributes["http.response.status_code"] == 200
    assert second.attributes["http.request.resend_count"] == 1
    assert second.attributes["url.full"] == "http://alpha.test/execute"
    assert (alpha_step.attributes["openpolicystack.step.attempts"], alpha_step.events) == (2, ["module.ready"])
    assert 0 <= second.lasted_s <= alpha_step.lasted_s + 0.002
    assert whole.attributes["openpolicystack.run.id"] == answer.json()["run_id"]
    assert (whole.attributes["openpolicystack.run.status"], whole.events) == ("completed", ["run.started"])
    assert whole.resource["service.name"] == "openpolicystack-orchestrator"
    assert whole.resource["deployment.environment.name"] == "test"
    assert "confidential-input" not in str([span.raw for found in spans.values() for span in found])


async def test_spans_of_a_failed_run_tell_its_code_and_not_its_message(
    start_service: StartService, collector: OtlpReceiver
) -> None:
    async with start_service(ScriptedModule("alpha", answers=[REFUSED])) as client:
        await run(client, "alpha")
    spans = collector.spans("run")
    for (span,) in spans.values():
        assert (span.attributes["error.type"], span.raw.status.code) == ("MODULE_ERROR", 2)
    assert "vat_rate" not in str([span.raw for found in spans.values() for span in found])


async def test_resumed_run_is_in_the_same_trace_and_linked_to_what_came_before(
    start_service: StartService, collector: OtlpReceiver
) -> None:
    async with start_service(ScriptedModule("alpha", answers=[REFUSED])) as client:
        run_id = (await run(client, "alpha", headers=TRACED)).json()["run_id"]
    # Another process goes on with it, which has only the folder.
    async with start_service(ScriptedModule("alpha")) as client:
        await client.post(f"/runs/{run_id}/resume")
    before, after = collector.spans("run", times=2)["run"]
    assert (before.trace_id, after.trace_id) == (TRACE, TRACE)
    assert after.links == [(TRACE, before.span_id)]
    assert (after.attributes["openpolicystack.run.attempt"], after.parent_id) == (2, CALLER)


async def test_call_that_a_cancelled_run_gave_up_has_the_span_that_its_module_knows(
    start_service: StartService, collector: OtlpReceiver
) -> None:
    gate = Gate()
    alpha = ScriptedModule("alpha", answers=[gate])
    async with start_service(alpha) as client:
        started = await run(client, "alpha", headers={"Prefer": "respond-async"})
        await gate.asked.wait()
        await client.post(f"/runs/{started.json()['run_id']}/cancel")
    spans = collector.spans("run")
    assert [span.span_id for span in spans["call alpha"]] == [span_of(request) for request in alpha.executed]
    assert {span.attributes["error.type"] for found in spans.values() for span in found} == {"CANCELLED"}


async def test_run_of_a_caller_that_records_nothing_is_not_recorded(
    start_service: StartService, collector: OtlpReceiver
) -> None:
    alpha = ScriptedModule("alpha")
    async with start_service(alpha) as client:
        await run(client, "alpha", headers={"traceparent": f"00-{TRACE}-{CALLER}-00"})
        await run(client, "alpha")
    assert [request.headers["traceparent"][-2:] for request in alpha.executed] == ["00", "01"]
    spans = collector.spans("run")
    assert TRACE not in {span.trace_id for found in spans.values() for span in found}


@pytest.mark.parametrize(
    ("variables", "warned"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, True),
    ],
)
async def test_nothing_is_exported_unless_it_is_asked_for_and_can_be(
    start_service: StartService,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    *,
    warned: bool,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with start_service(ScriptedModule("alpha")) as client:
        assert (await run(client, "alpha")).status_code == 200
    said = caplog.text + "".join(capsys.readouterr())
    assert ("traces.not_exported" in said) is warned


async def test_service_stops_although_the_collector_never_answers(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    async with start_service(ScriptedModule("alpha")) as client:
        assert json.loads((await run(client, "alpha")).content)["status"] == "completed"
