"""What the pages say and offer in each state of a run and of its steps, and of requests that are refused."""

import json
import shutil
from pathlib import Path

import httpx2
import pytest
from browsed_pages import FORM, HTML, QUICK, page, run, says
from html_page import Page
from scripted_module import Answer, Gate, ScriptedModule, StartService, error_envelope, success

BUSY = httpx2.Response(503, json=error_envelope(retryable=True, message="the model is being loaded"))
OFFERED = {"/runs", "/reproduce", "/compare", "/report.html", "/archive"}
LATE = httpx2.ReadTimeout("nothing came")


async def live(service: httpx2.AsyncClient, *modules: str) -> str:
    """The address of a run that goes on."""
    asked = {"scenario_id": "demo", "modules": modules}
    answer = await service.post("/plan_and_execute", json=asked, headers={"Prefer": "respond-async"})
    return f"/runs/{answer.json()['run_id']}"


def buttons(found: Page) -> set[str]:
    """What can be done with the run, by the ends of the addresses of forms and links."""
    ends = ("/cancel", "/resume", "/reproduce", "/runs", "/report.html", "/archive")
    named = {end for end in ends for address in found.addresses if address.endswith(end)}
    return named | {"/compare" for address in found.addresses if address.startswith("/compare?run=")}


async def test_attempt_that_is_under_way_is_shown_and_earlier_ones_can_be_read(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[BUSY, BUSY, gate]), options={"retries": 2}) as service:
        address = await live(service, "alpha")
        await gate.asked.wait()
        shown = await says(service, address, "attempt 3")
        step = await page(service, f"{address}/steps/alpha")
        first = await service.get(f"{address}/steps/alpha/attempts/1/response.json", headers=HTML)
        await page(service, f"{address}/steps/alpha/attempts/3/response.json", 404)
        gate.opened.set()
        over = await says(service, address, "1 of 1 step completed")
    assert "1.2.3 3 " in shown.text
    assert "2 failed, and another is under way" in step.text
    assert "Attempt 2: request.json, response.json" in step.text
    assert first.json()["error"]["message"] == "the model is being loaded"
    assert first.headers["content-security-policy"].startswith("sandbox; default-src 'none';")
    assert f"{address}/steps/alpha" in over.addresses


async def test_run_that_waits_says_so(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate]), max_concurrent_runs=1) as service:
        await live(service, "alpha")
        await gate.asked.wait()
        shown = await page(service, await live(service, "alpha"))
        gate.opened.set()
    assert "queued It waits for its turn." in shown.text


@pytest.mark.parametrize(
    ("answer", "can"),
    [
        (success(), {"/runs", "/reproduce", "/compare", "/report.html", "/archive"}),
        (
            httpx2.Response(422, json=error_envelope()),
            {"/runs", "/reproduce", "/resume", "/compare", "/report.html", "/archive"},
        ),
    ],
    ids=["completed", "failed"],
)
async def test_run_offers_what_can_be_done_with_it(start_service: StartService, answer: Answer, can: set[str]) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[answer, gate]), options=QUICK) as service:
        over = await page(service, f"/runs/{await run(service)}")
        goes_on = await page(service, await live(service, "alpha"))
        gate.opened.set()
    assert (buttons(over), buttons(goes_on)) == (can, {"/cancel"})


async def test_run_of_version_0_1_0_is_shown_and_cannot_be_resumed(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule(answers=[httpx2.Response(422, json=error_envelope())]), options=QUICK) as service:
        run_id = await run(service)
        file = tmp_path / "runs" / run_id / "run.json"
        file.write_text(json.dumps({**json.loads(file.read_bytes()), "format": 1}))
        shown = await page(service, f"/runs/{run_id}")
        refused = await service.post(f"/runs/{run_id}/resume", headers=FORM)
    assert buttons(shown) == OFFERED
    assert refused.status_code == 409
    assert f"/runs/{run_id}" in Page(refused.text).addresses


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (LATE, ("MODULE_UNREACHABLE", "1 failed", "no answer came", "Nothing was kept of what was sent")),
        (httpx2.Response(200, json={"status": "success"}), ("INVALID_ANSWER", '"status": "success"')),
        (httpx2.Response(422, json=error_envelope(message="no such rate")), ("MODULE_ERROR", "no such rate")),
    ],
    ids=["no answer", "breach", "refusal"],
)
async def test_step_that_failed_has_its_page_and_so_has_one_that_was_never_called(
    start_service: StartService, answer: Answer, words: tuple[str, ...]
) -> None:
    async with start_service(ScriptedModule(answers=[answer]), ScriptedModule("beta"), options=QUICK) as service:
        address = f"/runs/{await run(service, modules=['alpha', 'beta'])}"
        shown = await page(service, address)
        failed, never = [await page(service, f"{address}/steps/{step}") for step in ("alpha", "beta")]
    assert {f"{address}/steps/alpha", f"{address}/steps/beta"} <= set(shown.addresses)
    assert all(each in failed.text for each in words)
    assert "never: the run ended before this step" in never.text
    assert "ops-contract check http://beta.test" in never.text
    assert ("The module said" in shown.text) == ("MODULE_ERROR" in words)


async def test_step_of_an_offline_reproduction_says_where_its_answer_is_from(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        run_id = await run(service)
        answer = await service.post(f"/runs/{run_id}/reproduce", json={"offline": True})
        shown = await page(service, f"/runs/{answer.json()['run_id']}/steps/alpha")
    assert f"No module was called: the answer is the recorded one of {run_id}." in shown.text


async def test_errors_that_become_pages_keep_their_headers_and_lead_back(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        run_id = await run(service)
        method = await service.delete("/runs", headers=HTML)
        late = await service.post(f"/runs/{run_id}/cancel", headers=FORM)
    assert (method.status_code, method.headers["allow"]) == (405, "GET, HEAD")
    assert f"/runs/{run_id}" in Page(late.text).addresses
    assert "only a run that is queued or running can be cancelled" in Page(late.text).text


@pytest.mark.parametrize(
    ("address", "listed"), [("/runs/nope", "/"), ("/sweeps/nope", "/sweeps"), ("/modules/nope", "/modules")]
)
async def test_what_is_not_there_leads_people_to_the_page_that_lists_what_is(
    start_service: StartService, address: str, listed: str
) -> None:
    async with start_service(ScriptedModule()) as service:
        shown = await page(service, address, 404)
    assert "GET /" not in shown.text
    assert shown.addresses[-1] == listed


async def test_scenario_of_a_run_can_be_swept(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        shown = await page(service, f"/runs/{await run(service, inputs={'rate': 0.25})}")
        form = await page(service, next(link for link in shown.addresses if link.startswith("/sweeps/new")))
    assert '"rate": 0.25' in form.text


async def test_store_that_cannot_be_read_is_a_page_that_says_what_to_look_at(
    start_service: StartService, tmp_path: Path
) -> None:
    async with start_service(ScriptedModule()) as service:
        shutil.rmtree(tmp_path / "runs")
        (tmp_path / "runs").write_text("not a folder")
        shown = await page(service, "/", 503)
    assert "The run store cannot be used" in shown.text
    assert "Look at the folder of the runs, OPS_RUNS_DIR" in shown.text


async def test_filter_that_finds_nothing_names_all_of_itself(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        shown = await page(service, "/?label=team%3Da&recipe=abcdef12")
    assert "No run matches. The filter is label team=a, recipe abcdef12." in shown.text
