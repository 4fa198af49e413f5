"""Modules that accept a job and are asked for it until it is done."""

import asyncio
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from scripted_module import Answer, ClientFor, ScriptedModule, StartService

from ops_contract import MASK
from ops_orchestrator.errors import StepError
from ops_orchestrator.modules.adapters.declaration import Adapter
from ops_orchestrator.modules.attempt import Answered, attempt, request_for
from ops_orchestrator.modules.call import Call
from ops_orchestrator.modules.client import ModuleClient
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.time_limit import StepTime
from ops_orchestrator.runs.job_document import job_document

RUNNING = httpx2.Response(200, json={"state": "running"})
DONE = httpx2.Response(200, json={"state": "done", "score": 7})
POLL = {
    "path": "/jobs/{submitted.body.id}",
    "until": "response.body.state = 'done'",
    "failure": {"when": "response.body.state = 'failed'", "message": "response.body.why"},
    "interval_s": 0.01,
}


def adapter(poll: dict[str, Any], **action: Any) -> dict[str, Any]:
    fields = {"path": "/execute", "body": '{ "country": inputs.country }', "outputs": "{ 'score': response.body.score }"}
    return {"health": "none", "actions": {"run": {**fields, **action, "poll": {**POLL, **poll}}}}


def call_of(poll: dict[str, Any] | None = None, action: dict[str, Any] | None = None, **options: Any) -> Call:
    declared = Adapter.model_validate(adapter(poll or {}, **(action or {})))
    module = Module(name="alpha", url="http://alpha.test", adapter=declared, **options).for_action("run")
    inputs = {"country": "DO"}
    return Call(
        run_id="r", scenario_id="demo", step_id="alpha", module=module, action="run", inputs=inputs, seed=0, upstream={}
    )


class Jobs(ScriptedModule):
    """Accepts the job 7, and answers for it from a list, the last entry again and again."""

    def __init__(self, *answers: Answer, **submitted: Any) -> None:
        super().__init__(answers=[httpx2.Response(202, json={"id": 7, **submitted})])
        self.left = list(answers)
        self.files["/jobs/7"] = self.next

    def next(self, _: httpx2.Request) -> httpx2.Response:
        answer = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, httpx2.Response)
        return answer

    def asked(self, method: str = "GET") -> list[str]:
        return [request.url.path for request in self.requests if request.method == method]


async def answered(call: Call, client: ModuleClient, step: StepTime | None = None) -> Answered:
    return await attempt(call, await request_for(call), client, None, step)


async def error_of(call: Call, client: ModuleClient, step: StepTime | None = None) -> StepError:
    with pytest.raises(StepError) as caught:
        await answered(call, client, step)
    return caught.value


async def test_job_is_submitted_once_and_asked_for_until_it_is_done(client_for: ClientFor) -> None:
    alpha = Jobs(RUNNING, RUNNING, DONE)
    done = await answered(call_of(), client_for(alpha))
    assert done.envelope.outputs == {"score": 7}
    assert alpha.asked("POST") == ["/execute"]
    assert alpha.asked() == ["/jobs/7"] * 3
    # One exchange: what was sent to submit the job, and the last answer about it.
    exchange = done.exchange
    assert (exchange.method, exchange.url, exchange.request) == ("POST", "http://alpha.test/execute", b'{"country":"DO"}')
    assert (exchange.status, exchange.response) == (200, DONE.content)
    assert exchange.job is not None
    assert (exchange.job.asks, exchange.job.is_done, exchange.job.url) == (3, True, "http://alpha.test/jobs/7")
    assert [ask.status for ask in exchange.job.last_asks] == [200, 200, 200]


async def test_first_answer_can_be_used_when_the_last_is_mapped(client_for: ClientFor) -> None:
    call = call_of(action={"outputs": "{ 'job': submitted.body.id, 'status': submitted.status }"})
    assert (await answered(call, client_for(Jobs(DONE)))).envelope.outputs == {"job": 7, "status": 202}


async def test_job_that_fails_is_a_failure_in_the_module_s_words(client_for: ClientFor) -> None:
    failed = httpx2.Response(200, json={"state": "failed", "why": "no data for DO"})
    error = await error_of(call_of(), client_for(Jobs(RUNNING, failed)))
    assert (error.failure.code, error.failure.retryable) == ("MODULE_ERROR", False)
    assert error.failure.message == "alpha answers with an error: no data for DO"
    assert error.exchange is not None
    assert error.exchange.job is not None
    assert (error.exchange.response, error.exchange.job.asks, error.exchange.job.is_done) == (failed.content, 2, False)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx2.Response(404, text="no such job"), "alpha answers 404: no such job"),
        (httpx2.Response(302, headers={"Location": "/else"}), "is a redirect (302)"),
        (httpx2.Response(200, text="x" * 200_000), "more than the 100000 bytes allowed for /jobs/7"),
    ],
)
async def test_answer_about_a_job_that_cannot_be_used_ends_the_step(
    client_for: ClientFor, answer: httpx2.Response, said: str
) -> None:
    alpha = Jobs(RUNNING, answer)
    error = await error_of(call_of(), client_for(alpha))
    assert said in error.failure.message
    assert not error.failure.retryable
    assert len(alpha.asked()) == 2


async def test_job_that_is_refused_or_not_named_is_a_failure_with_what_was_answered(client_for: ClientFor) -> None:
    refused = ScriptedModule(answers=[httpx2.Response(400, json={"error": "unknown country"})])
    assert (await error_of(call_of(), client_for(refused))).failure.message == "alpha answers 400: unknown country"
    nameless = ScriptedModule(answers=[httpx2.Response(200, json={"error": "queue is full"})])
    message = (await error_of(call_of(), client_for(nameless))).failure.message
    assert "poll.path of its action 'run': submitted.body.id yields nothing" in message
    assert message.endswith("the job's first answer was 200: queue is full")


async def test_interval_grows_up_to_its_cap(client_for: ClientFor) -> None:
    poll = {"interval_s": 0.01, "factor": 4, "longest_interval_s": 0.1}
    done = await answered(call_of(poll), client_for(Jobs(RUNNING, RUNNING, RUNNING, DONE)))
    assert done.exchange.job is not None
    at = [0.0, *(ask.after_s for ask in done.exchange.job.last_asks)]
    pauses = [later - earlier for earlier, later in pairwise(at)]
    for pause, least in zip(pauses, [0.01, 0.04, 0.1, 0.1], strict=True):
        assert pause >= least - 0.002  # as times are rounded


async def test_retry_after_is_honoured(client_for: ClientFor) -> None:
    busy = httpx2.Response(429, headers={"Retry-After": "1"})
    done = await answered(call_of(ready_timeout_s=0), client_for(Jobs(busy, DONE)))
    assert done.exchange.job is not None
    first, second = done.exchange.job.last_asks
    assert second.after_s - first.after_s >= 0.99
    assert first.status == 429


async def test_retry_after_beyond_the_job_s_time_ends_the_step_and_the_job(client_for: ClientFor) -> None:
    alpha = Jobs(httpx2.Response(200, json={"state": "running"}, headers={"Retry-After": "7200"}))
    error = await error_of(call_of({"cancel": {"path": "/jobs/{submitted.body.id}"}}), client_for(alpha))
    assert error.failure.code == "MODULE_TIMEOUT"
    assert "asks with Retry-After to be left alone for 7200 s" in error.failure.message
    assert alpha.asked("DELETE") == ["/jobs/7"]


async def test_job_that_takes_longer_than_it_may_is_given_up_and_cancelled(client_for: ClientFor) -> None:
    alpha = Jobs(RUNNING)
    poll = {"timeout_s": 0.3, "cancel": {"method": "POST", "path": "/jobs/{submitted.body.id}"}}
    error = await error_of(call_of(poll), client_for(alpha))
    assert (error.failure.code, error.failure.retryable) == ("MODULE_TIMEOUT", False)
    assert "alpha was not done with its job within the 0.3 s that it has" in error.failure.message
    assert "raise poll.timeout_s" in error.failure.message
    assert alpha.asked("POST") == ["/execute", "/jobs/7"]
    assert error.exchange is not None
    assert error.exchange.response == RUNNING.content


async def test_time_of_the_step_holds_for_a_job(client_for: ClientFor) -> None:
    call = call_of(step_timeout_s=0.3)
    error = await error_of(call, client_for(Jobs(RUNNING)), StepTime(call.module))
    assert "was not done with its step within 0.3 s" in error.failure.message


def test_step_has_time_for_its_job_and_for_its_other_parts() -> None:
    module = call_of({"timeout_s": 3600}, retries=1, timeout_s=10, ready_timeout_s=5).module
    assert module.step_time_s == 5 + 2 * 10 + 30 + 2 * 3600


@pytest.mark.parametrize("hiccup", [httpx2.Response(503), httpx2.ConnectError("no route"), httpx2.ReadError("reset")])
async def test_hiccup_while_a_job_is_under_way_passes(client_for: ClientFor, hiccup: Answer) -> None:
    alpha = Jobs(RUNNING, hiccup, hiccup, DONE)
    done = await answered(call_of(), client_for(alpha))
    assert done.exchange.job is not None
    assert done.exchange.job.asks == 4
    assert len(alpha.executed) == 1


async def test_module_that_is_gone_for_longer_than_a_start_takes_ends_the_step_and_gets_no_second_job(
    client_for: ClientFor,
) -> None:
    alpha = Jobs(RUNNING, httpx2.ConnectError("no route"))
    error = await error_of(call_of(ready_timeout_s=0), client_for(alpha))
    assert (error.failure.code, error.failure.retryable, error.unsent) == ("MODULE_UNREACHABLE", False, False)
    assert "alpha cannot be reached at http://alpha.test/jobs/7" in error.failure.message
    assert "which is not submitted again" in error.failure.message
    assert len(alpha.executed) == 1


async def test_result_is_fetched_from_where_the_module_leaves_it(client_for: ClientFor) -> None:
    see_other = httpx2.Response(303, headers={"Location": "http://alpha.test/results/7"})
    alpha = Jobs(RUNNING, see_other)
    alpha.files["/results/7"] = httpx2.Response(200, json={"score": 9})
    poll = {"until": "response.status = 303", "result": {"url": "response.headers.location"}}
    done = await answered(call_of(poll), client_for(alpha))
    assert done.envelope.outputs == {"score": 9}
    assert alpha.asked() == ["/jobs/7", "/jobs/7", "/results/7"]


async def test_job_is_asked_for_at_the_address_that_the_module_gave(client_for: ClientFor) -> None:
    alpha = Jobs(DONE, link="http://alpha.test/jobs/7?full=1")
    poll = {"path": None, "url": "submitted.body.link"}
    await answered(call_of(poll), client_for(alpha))
    assert str(alpha.requests[-1].url) == "http://alpha.test/jobs/7?full=1"
    elsewhere = Jobs(DONE, link="http://elsewhere.test/jobs/7")
    message = (await error_of(call_of(poll), client_for(elsewhere))).failure.message
    assert "poll.url of its action 'run': yields 'http://elsewhere.test/jobs/7', which is not below" in message


async def test_request_about_a_job_has_no_body_and_no_type_of_one(client_for: ClientFor) -> None:
    alpha = Jobs(DONE)
    action = {"body": None, "text": "inputs.country", "headers": {"content-type": '"text/markdown"', "X-Of": '"DO"'}}
    await answered(call_of(action=action), client_for(alpha))
    submitted, asked = alpha.requests
    assert (submitted.content, submitted.headers["content-type"]) == (b"DO", "text/markdown")
    assert (asked.content, asked.headers["x-of"]) == (b"", "DO")
    assert "content-type" not in asked.headers


async def test_job_is_asked_for_with_headers_and_query_and_its_secrets_are_masked(client_for: ClientFor) -> None:
    running = httpx2.Response(200, json={"state": "running", "echo": "hunter2-key"})
    alpha = Jobs(running, DONE, echo="hunter2-key")
    call = call_of({"query": {"token": '"tok-123456"'}}, {"headers": {"X-Api-Key": '"hunter2-key"'}})
    done = await answered(call, client_for(alpha))
    assert alpha.requests[-1].headers["x-api-key"] == "hunter2-key"
    assert alpha.requests[-1].url.query == b"token=tok-123456"
    assert done.exchange.job is not None
    document = json.dumps(job_document(done.exchange.job))
    assert "hunter2" not in document
    assert "tok-123456" not in document
    assert document.count(MASK) >= 2


async def test_kept_document_of_a_job_is_bounded(client_for: ClientFor) -> None:
    alpha = Jobs(*[RUNNING] * 30, DONE, text="x" * 70_000)
    done = await answered(call_of({"interval_s": 0.001}), client_for(alpha))
    assert done.exchange.job is not None
    document = job_document(done.exchange.job)
    assert (document["asks"], len(document["last_asks"]), document["is_done"]) == (31, 20, True)
    assert "body" not in document["submitted"]
    assert len(json.dumps(document)) < 10_000


@pytest.mark.parametrize(
    ("poll", "said"),
    [
        ({"until": None}, "until"),
        ({"url": "submitted.body.url"}, "must have either a path or a url"),
        ({"path": None}, "must have either a path or a url"),
        ({"path": "/jobs/{response.body.id}"}, "there is no 'response' here"),
        ({"interval_s": 0}, "must be greater than 0"),
        ({"factor": 0.5}, "must be greater than or equal to 1"),
        ({"cancel": {"method": "DELETE"}}, "must have either a path or a url"),
        ({"every": 2}, "is not a known field"),
    ],
)
def test_poll_that_cannot_be_used_is_refused_when_it_is_read(poll: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=r"(?s)poll") as caught:
        Adapter.model_validate(adapter(poll))
    assert said.removeprefix("must be ").removeprefix("is not a known field") in str(caught.value)


def test_submitted_is_there_with_poll_only() -> None:
    action = {"path": "/execute", "outputs": "submitted.body"}
    with pytest.raises(ValueError, match="uses 'submitted', which is there with poll only"):
        Adapter.model_validate({"actions": {"run": action}})


def test_how_long_a_job_is_waited_for_is_no_part_of_the_recipe() -> None:
    plain = Adapter.model_validate(adapter({}))
    waiting = {"interval_s": 3, "factor": 2, "timeout_s": 9, "cancel": {"path": "/stop"}}
    assert Adapter.model_validate(adapter(waiting)).fingerprint("run") == plain.fingerprint("run")
    other = adapter({"until": "response.body.state = 'ready'"})
    assert Adapter.model_validate(other).fingerprint("run") != plain.fingerprint("run")


SCENARIO = {"scenario_id": "demo", "modules": ["alpha"], "inputs": {"country": "DO"}}


def registered(**poll: Any) -> str:
    return yaml.safe_dump({"modules": {"alpha": {"url": "http://alpha.test", "adapter": adapter(poll)}}})


async def test_job_is_one_step_of_a_run_that_can_be_verified_and_reproduced_without_the_module(
    start_service: StartService, tmp_path: Path
) -> None:
    alpha = Jobs(RUNNING, DONE)
    async with start_service(alpha, registered=registered()) as service:
        answer = (await service.post("/plan_and_execute", json=SCENARIO)).json()
        assert answer["status"] == "completed", answer
        folder = tmp_path / "runs" / answer["run_id"] / "steps" / "1-alpha"
        kept = {path.name: path.read_bytes() for path in await asyncio.to_thread(lambda: list(folder.iterdir()))}
        assert kept["request.json"] == b'{"country":"DO"}'
        assert json.loads(kept["response.json"]) == {"state": "done", "score": 7}
        job = json.loads(kept["job.json"])
        assert (job["submitted"]["status"], job["submitted"]["body"], job["asks"]) == (202, {"id": 7}, 2)
        verified = (await service.get(f"/runs/{answer['run_id']}/verification")).json()
        page = (await service.get(f"/runs/{answer['run_id']}/steps/alpha", headers={"Accept": "text/html"})).text
        again = (await service.post(f"/runs/{answer['run_id']}/reproduce", json={"offline": True})).json()
    assert (verified["intact"], verified["findings"]) == (True, [])
    assert "asked for 2 times" in page
    assert "How its job was asked for" in page
    assert again["reproduction"]["grade"] == "identical", again
    assert len(alpha.executed) == 1


async def test_cancelled_run_ends_promptly_and_cancels_its_job_and_can_be_resumed(start_service: StartService) -> None:
    under_way = asyncio.Event()

    class Watched(Jobs):
        def next(self, _: httpx2.Request) -> httpx2.Response:
            under_way.set()
            return super().next(_)

    alpha = Watched(RUNNING)
    declared = registered(cancel={"path": "/jobs/{submitted.body.id}"}, timeout_s=600)
    async with start_service(alpha, registered=declared) as service:
        started = await service.post("/plan_and_execute", json=SCENARIO, headers={"Prefer": "respond-async"})
        run_id = started.json()["run_id"]
        await under_way.wait()
        cancelled = (await service.post(f"/runs/{run_id}/cancel")).json()
        assert cancelled["status"] == "cancelled"
        assert alpha.asked("DELETE") == ["/jobs/7"]
        alpha.left = [DONE]
        resumed = (await service.post(f"/runs/{run_id}/resume")).json()
    assert (resumed["status"], resumed["results"]["alpha"]["score"]) == ("completed", 7)
    assert len(alpha.executed) == 2


async def test_module_that_hangs_when_its_job_is_cancelled_holds_nothing_up(client_for: ClientFor) -> None:
    async def hang(_: httpx2.Request) -> httpx2.Response:
        await asyncio.Event().wait()
        raise AssertionError

    alpha = Jobs(RUNNING)
    alpha.files["/stop"] = hang
    call = call_of({"timeout_s": 0.2, "cancel": {"path": "/stop"}})
    async with asyncio.timeout(30):
        error = await error_of(replace(call, run_id="other"), client_for(alpha))
    assert error.failure.code == "MODULE_TIMEOUT"
    assert alpha.asked("DELETE") == ["/stop"]
