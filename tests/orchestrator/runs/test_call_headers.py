"""What the requests of a run say of it in their headers: for balancers, and for those who trace calls."""

import json

import httpx2
import pytest
from scripted_module import ReadRun, ScriptedModule, StartService, artifact, success

from ops_contract import sha256_hex, trace_of
from ops_orchestrator.errors import NetworkError
from ops_orchestrator.modules.trace_context import read_traceparent

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


async def test_calls_and_fetches_of_a_run_say_which_run_and_step_they_belong_to_and_are_in_one_trace(
    start_service: StartService,
) -> None:
    plot = artifact("f.txt", href="f.txt")
    alpha = ScriptedModule(answers=[success(artifacts=[plot])], files={"/f.txt": httpx2.Response(200, content=b"figures")})
    beta = ScriptedModule("beta")
    async with start_service(alpha, beta) as service:
        asked = {"scenario_id": "demo", "modules": ["alpha", "beta"]}
        run_id = (await service.post("/plan_and_execute", json=asked)).json()["run_id"]
    called = [*alpha.executed, alpha.requests[-1], *beta.executed]
    assert [(each.headers["ops-run-id"], each.headers["ops-step-id"]) for each in called] == [
        (run_id, "alpha"),
        (run_id, "alpha"),
        (run_id, "beta"),
    ]
    traces = [trace_of(each.headers)["trace_id"] for each in called]
    assert set(traces) == {sha256_hex(run_id.encode())[:32]}
    spans = [each.headers["traceparent"].split("-")[2] for each in called]
    assert spans == [sha256_hex(f"{run_id}/{step}/1".encode())[:16] for step in ("alpha", "alpha", "beta")]


async def test_run_belongs_to_the_trace_of_its_caller_in_requests_answers_and_record(
    start_service: StartService, read_run: ReadRun, capfd: pytest.CaptureFixture[str]
) -> None:
    alpha = ScriptedModule("alpha", answers=[NetworkError("reset", unsent=False), success("alpha")])
    sent = f"00-{TRACE}-{CALLER}-01"
    async with start_service(alpha) as service:
        asked = {"scenario_id": "demo", "modules": ["alpha"]}
        answer = await service.post("/plan_and_execute", json=asked, headers={"traceparent": sent})
        refused = await service.post("/plan_and_execute", json={}, headers={"traceparent": sent})
    called = [each.headers["traceparent"] for each in alpha.executed]
    assert {each.split("-")[1] for each in called} == {TRACE}
    # Each attempt is a span of its own.
    assert len({*called}) == 2
    assert answer.headers["traceresponse"].split("-")[1] == refused.headers["traceresponse"].split("-")[1] == TRACE
    run_id = answer.json()["run_id"]
    assert read_run(run_id, "run.json")["traceparent"] == sent
    # The log tells it once; the service's log, which is of all runs, with each line.
    logged = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["trace_id"] for line in logged if line.get("run_id") == run_id] == [TRACE] * 7


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (f"00-{TRACE}-{CALLER}-01", f"00-{TRACE}-{CALLER}-01"),
        (f" 00-{TRACE}-{CALLER}-00\t", f"00-{TRACE}-{CALLER}-00"),
        (f"00-{TRACE}-{CALLER}-ff", f"00-{TRACE}-{CALLER}-03"),
        # A later version may say more, and this one may not.
        (f"cc-{TRACE}-{CALLER}-01-what-the-future-will-be-like", f"00-{TRACE}-{CALLER}-01"),
        (f"00-{TRACE}-{CALLER}-01-more", None),
        (f"cc-{TRACE}-{CALLER}-01.more", None),
        (f"ff-{TRACE}-{CALLER}-01", None),
        (f"00-{'0' * 32}-{CALLER}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{CALLER}-01", None),
        (f"00-{TRACE}-{CALLER}-1", None),
        (f"cc-{TRACE}-{CALLER}-01-{'x' * 1000}", None),
        ("", None),
    ],
)
def test_traceparent_is_read_as_the_recommendation_says(sent: str, read: str | None) -> None:
    assert read_traceparent([sent]) == read


def test_traceparent_that_comes_twice_is_none() -> None:
    assert read_traceparent([f"00-{TRACE}-{CALLER}-01"] * 2) is None
    assert read_traceparent([]) is None


async def test_caller_whose_traceparent_is_not_valid_gets_a_run_in_a_trace_of_its_own(start_service: StartService) -> None:
    alpha = ScriptedModule("alpha")
    async with start_service(alpha) as service:
        asked = {"scenario_id": "demo", "modules": ["alpha"]}
        answer = await service.post("/plan_and_execute", json=asked, headers={"traceparent": "00-evil\x7f-01"})
    assert answer.json()["status"] == "completed"
    own = sha256_hex(answer.json()["run_id"].encode())[:32]
    assert answer.headers["traceresponse"].split("-")[1] == alpha.executed[0].headers["traceparent"].split("-")[1] == own


ADAPTED = """
modules:
  beta:
    url: http://beta.test
    adapter:
      actions:
        score:
          path: /jobs
          headers: { OPS-Step-Id: '"its own"' }
          poll: { path: /jobs/1, until: "response.body.done", interval_s: 0.01 }
"""


async def test_requests_to_an_adapted_module_have_them_too_unless_they_are_declared_and_no_record_of_them(
    start_service: StartService, read_run: ReadRun
) -> None:
    accepted, done = httpx2.Response(202, json={}), httpx2.Response(200, json={"done": True})
    beta = ScriptedModule("beta", files={"/jobs": accepted, "/jobs/1": done})
    async with start_service(beta, registered=ADAPTED) as service:
        asked = {"scenario_id": "demo", "modules": ["beta"]}
        answer = (await service.post("/plan_and_execute", json=asked)).json()
    assert answer["status"] == "completed"
    assert [(each.url.path, each.headers["ops-run-id"], each.headers["ops-step-id"]) for each in beta.requests] == [
        ("/jobs", answer["run_id"], "its own"),
        ("/jobs/1", answer["run_id"], "its own"),
    ]
    mapped = read_run(answer["run_id"], "steps/1-beta/mapped-request.json")
    assert mapped["headers"] == {"Accept": "*/*", "OPS-Step-Id": "its own"}
