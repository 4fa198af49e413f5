"""`GET /metrics` says what happened, in names that are documented, and never what a caller wrote."""

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from scraped import OPENMETRICS, Scraped
from scripted_module import Gate, ScriptedModule, StartService, error_envelope, modules_yaml, success

from ops_orchestrator.errors import NetworkError
from ops_orchestrator.modules.catalogue import Catalogue
from ops_orchestrator.modules.registration import Registration
from ops_orchestrator.runs.events import Event, RunQueued, StepFailed
from ops_orchestrator.runs.feed import Line
from ops_orchestrator.service.metrics.families import FAMILIES
from ops_orchestrator.service.metrics.run_tally import RunTally
from ops_orchestrator.service.metrics.tally import Tally

DOCUMENT = Path(__file__).parents[4] / "docs/observability.md"


async def scrape(client: httpx2.AsyncClient, accept: str = "") -> Scraped:
    answer = await client.get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return Scraped.of(answer.text, answer.headers["content-type"])


async def run(client: httpx2.AsyncClient, *modules: Any, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/plan_and_execute", json={"scenario_id": "demo", "modules": modules, **fields})
    return dict(answer.json())


async def test_completed_run_is_counted_with_its_steps_and_calls(start_service: StartService) -> None:
    async with start_service(ScriptedModule("alpha"), ScriptedModule("beta", answers=[success("beta")])) as client:
        before = await scrape(client)
        await run(client, "alpha", "beta")
        after = await scrape(client)
    for name, labels in {
        "ops_runs_started_total": {},
        "ops_runs_ended_total": {"status": "completed"},
        "ops_run_duration_seconds_count": {"status": "completed"},
        "ops_run_wait_seconds_count": {},
        "ops_steps_ended_total": {"module": "beta", "action": "execute", "status": "completed"},
        "ops_step_duration_seconds_count": {"module": "alpha", "action": "execute"},
        "ops_module_call_duration_seconds_count": {"module": "alpha", "action": "execute"},
    }.items():
        # The series is there before its first event, so that its rise is seen.
        assert list(before.values(name, **labels)) == [0.0]
        assert after.value(name, **labels) == 1.0
    assert after.value("ops_runs_ended_total") == 1.0


async def test_failures_and_retries_are_counted_by_our_codes_alone(start_service: StartService) -> None:
    refused = httpx2.Response(422, json=error_envelope(code="CODE_OF_A_MODULE"))
    alpha = ScriptedModule("alpha", answers=[NetworkError("reset", unsent=False), httpx2.Response(200, text="x"), refused])
    async with start_service(alpha, options={"retries": 2}) as client:
        assert (await run(client, "alpha"))["status"] == "failed"
        assert (await run(client, "alpha"))["status"] == "failed"
        found = await scrape(client)
    assert found.value("ops_step_retries_total", module="alpha", code="MODULE_UNREACHABLE") == 1.0
    assert found.value("ops_step_failures_total", module="alpha", code="INVALID_ANSWER") == 1.0
    assert found.value("ops_step_failures_total", module="alpha", code="MODULE_ERROR") == 1.0
    assert found.value("ops_run_failures_total", code="MODULE_ERROR") == 1.0
    assert found.value("ops_runs_ended_total", status="failed") == 2.0
    # Every attempt is a call.
    assert found.value("ops_module_call_duration_seconds_count", module="alpha") == 3.0
    assert "CODE_OF_A_MODULE" not in found.label_values


async def test_run_that_is_resumed_starts_and_ends_again(start_service: StartService) -> None:
    alpha = ScriptedModule("alpha", answers=[httpx2.Response(200, text="x"), success()])
    async with start_service(alpha) as client:
        failed = await run(client, "alpha")
        await client.post(f"/runs/{failed['run_id']}/resume")
        found = await scrape(client)
    assert found.value("ops_runs_started_total") == 2.0
    assert [found.value("ops_runs_ended_total", status=status) for status in ("failed", "completed")] == [1.0, 1.0]
    assert found.value("ops_run_wait_seconds_count") == 2.0


async def test_labels_hold_nothing_that_a_caller_wrote(start_service: StartService) -> None:
    async with start_service(ScriptedModule("alpha")) as client:
        before = await scrape(client)
        step = {"module": "alpha", "id": "step-of-a-caller"}
        await run(client, step, scenario_id="scenario-of-a-caller", run_options={"labels": {"who": "caller"}})
        await run(client, "module-of-a-caller")
        after = await scrape(client)
    assert after.label_values <= before.label_values | {"completed"}


async def test_run_of_recorded_answers_counts_as_no_call_of_a_module(start_service: StartService) -> None:
    async with start_service(ScriptedModule("alpha")) as client:
        run_id = (await run(client, "alpha"))["run_id"]
        before = await scrape(client)
        answer = await client.post(f"/runs/{run_id}/reproduce", json={"offline": True})
        assert answer.json()["status"] == "completed"
        after = await scrape(client)
    assert after.value("ops_steps_ended_total", module="other", action="other", status="completed") == 1.0
    for name in ("ops_steps_ended_total", "ops_module_call_duration_seconds_count"):
        assert after.value(name, module="alpha") == before.value(name, module="alpha") == 1.0
    assert after.value("ops_runs_ended_total") == 2.0


async def test_runs_and_calls_under_way_are_gauges(start_service: StartService) -> None:
    gate = Gate()
    alpha = ScriptedModule("alpha", answers=[gate])
    at_once = {"Prefer": "respond-async"}
    body = {"scenario_id": "demo", "modules": ["alpha"]}
    async with start_service(alpha, max_concurrent_runs=1, max_queued_runs=5) as client:
        started = [(await client.post("/plan_and_execute", json=body, headers=at_once)).json() for _ in range(3)]
        await gate.asked.wait()
        during = await scrape(client)
        gate.opened.set()
        for each in started:
            async with client.stream("GET", f"/runs/{each['run_id']}/events") as events:
                await events.aread()
        # The last line of a run is out a little before the run is over.
        while (after := await scrape(client)).value("ops_runs"):
            pass
    assert (during.value("ops_runs", status="running"), during.value("ops_runs", status="queued")) == (1.0, 2.0)
    assert (during.value("ops_runs_limit", status="running"), during.value("ops_runs_limit", status="queued")) == (1.0, 5.0)
    assert during.value("ops_module_open_requests", module="alpha") == 1.0
    assert (after.value("ops_runs"), after.value("ops_module_open_requests")) == (0.0, 0.0)
    assert after.value("ops_runs_ended_total", status="completed") == 3.0


async def test_call_of_a_module_that_is_not_registered_any_more_is_of_another(
    start_service: StartService, tmp_path: Path
) -> None:
    gate = Gate()
    body = {"scenario_id": "demo", "modules": ["alpha"]}
    async with start_service(ScriptedModule("alpha", answers=[gate]), ScriptedModule("beta")) as client:
        await client.post("/plan_and_execute", json=body, headers={"Prefer": "respond-async"})
        await gate.asked.wait()
        (tmp_path / "modules.yaml").write_text(modules_yaml(["beta"]))
        await client.post("/modules/reload")
        found = await scrape(client)
        gate.opened.set()
    assert found.value("ops_module_open_requests", module="other") == 1.0
    assert list(found.values("ops_module_open_requests", module="alpha")) == []


async def test_scrape_does_not_wait_for_a_module_that_hangs(start_service: StartService) -> None:
    gate = Gate()
    alpha, beta = ScriptedModule("alpha", health=[gate]), ScriptedModule("beta")
    async with start_service(alpha, beta) as client:
        first = await scrape(client)
        await gate.asked.wait()
        while not list((found := await scrape(client)).values("ops_module_ready", module="beta")):
            pass
        # One question is enough while it is not answered.
        assert len(alpha.requests) == 1
    assert list(first.values("ops_module_ready")) == []
    assert list(found.values("ops_module_ready", module="alpha")) == []
    assert found.value("ops_module_ready", module="beta") == 1.0
    assert found.value("ops_module_checked_timestamp_seconds", module="beta") > 0


async def test_module_that_is_not_ready_is_0(start_service: StartService) -> None:
    async with start_service(ScriptedModule("alpha", health=[httpx2.Response(503)])) as client:
        while not list((found := await scrape(client)).values("ops_module_ready")):
            pass
    assert list(found.values("ops_module_ready", module="alpha")) == [0.0]


async def test_store_tells_its_size_and_the_room_that_is_left(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule("alpha")) as client:
        await run(client, "alpha")
        while not list((found := await scrape(client)).values("ops_store_bytes")):
            pass
    kept = sum(file.stat().st_size for file in (tmp_path / "runs").rglob("*.json"))
    assert found.value("ops_store_bytes") > kept
    assert 0 < found.value("ops_store_free_bytes") < found.value("ops_store_filesystem_bytes")
    assert found.value("ops_store_writable") == 1.0


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        # A person who opens it reads it.
        ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
        (f"{OPENMETRICS};version=1.0.0,text/plain;q=0.5", f"{OPENMETRICS}; version=1.0.0; charset=utf-8; escaping=underscores"),
    ],
)
async def test_scraper_gets_the_format_that_it_prefers(start_service: StartService, accept: str, media_type: str) -> None:
    async with start_service(ScriptedModule("alpha")) as client:
        answer = await client.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"] == media_type
    assert Scraped.of(answer.text, media_type).value("ops_worker_up") == 1.0


async def test_every_metric_is_documented_and_every_documented_one_is_there() -> None:
    rows = [line.split(" | ") for line in DOCUMENT.read_text().splitlines() if re.match(r"\| `(ops|process)_", line)]
    documented = [(name.strip("|` "), kind, labels, meaning.removesuffix(" |")) for name, kind, labels, meaning in rows]
    assert documented == [
        (
            each.name,
            each.kind,
            ", ".join([*(f"`{label}`" for label in each.labels), *["_service_"] * each.of_service]),
            each.meaning,
        )
        for each in FAMILIES
    ]


def test_code_that_is_not_ours_counts_as_other() -> None:
    tally = Tally()
    failed = StepFailed(step="alpha", module="alpha", attempts=1, error={"code": "FROM_ELSEWHERE", "message": "x"})
    queued = RunQueued(request={"scenario_id": "demo"}, plan=[], steps=(), versions={}, modules_sha256="x")
    event = Event(run_id="run-1", seq=1, what=failed)
    RunTally(tally, Registration(Catalogue({}))).take([Line("run-1", 1, b"", is_last=False, event=event, queued=queued)])
    assert tally.samples()["ops_step_failures_total"] == [(("other", "other", "other"), 1.0)]


async def test_calls_that_wait_for_fewer_to_be_in_flight_are_gauges(start_service: StartService) -> None:
    gate = Gate()
    alpha = ScriptedModule("alpha", answers=[gate])
    body = {"scenario_id": "demo", "modules": ["alpha"]}
    async with start_service(alpha, registered=modules_yaml(["alpha"], max_in_flight=1)) as client:
        at_once = {"Prefer": "respond-async"}
        first = (await client.post("/plan_and_execute", json=body, headers=at_once)).json()
        await gate.asked.wait()
        second = (await client.post("/plan_and_execute", json=body, headers=at_once)).json()
        while (during := await scrape(client)).value("ops_module_calls", module="alpha", status="waiting") != 1.0:
            pass
        late = await client.post("/plan_and_execute", json={**body, "run_options": {"deadline_s": 0.1}})
        await client.post(f"/runs/{second['run_id']}/cancel")
        gate.opened.set()
        async with client.stream("GET", f"/runs/{first['run_id']}/events") as events:
            await events.aread()
        ended = [(await client.get(f"/runs/{each['run_id']}")).json() for each in (first, second)]
    assert during.value("ops_module_calls", module="alpha", status="running") == 1.0
    assert during.value("ops_module_calls_limit", module="alpha") == 1.0
    assert late.json()["error"]["code"] == "RUN_DEADLINE"
    assert [each["status"] for each in ended] == ["completed", "cancelled"]
    assert len(alpha.executed) == 1
