"""The pages: who gets them, what they say of runs, and that nobody else's page can send their forms."""

import re
from pathlib import Path

import httpx2
import pytest
from browsed_pages import FORM, HTML, QUICK, page, run, says
from hostile_texts import HOSTILE_TEXTS
from html_page import Page
from local_service import ROOT
from scripted_module import Gate, ScriptedModule, StartService, error_envelope, success

from ops_orchestrator.planning.examples import EXAMPLES


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        ("text/html", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("*/*", False),
        ("application/json", False),
        ("application/json, text/html;q=0.5", False),
        ("", False),
    ],
)
async def test_page_is_for_whoever_prefers_html(start_service: StartService, accept: str, is_page: bool) -> None:
    async with start_service(ScriptedModule()) as service:
        run_id = await run(service)
        answer = await service.get(f"/runs/{run_id}", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith("text/html" if is_page else "application/json")
    assert "Accept" in answer.headers["vary"]


async def test_first_page_of_all_starts_the_first_run(start_service: StartService) -> None:
    async with start_service(ScriptedModule("policy-simulator"), ScriptedModule("strategy-agent")) as service:
        empty = await page(service, "/")
        answer = await service.post("/runs", headers=FORM, content="example=vat-raised&seed=7")
        shown = await page(service, answer.headers["location"])
        listed = await page(service, "/")
    assert "No run yet" in empty.text
    assert answer.status_code == 303
    assert "vat_rate 0.2" in shown.text
    assert "seed 7" in shown.text
    assert "vat-raised" in listed.text


async def test_list_has_a_column_for_what_varies_and_says_whether_equal_recipes_found_the_same(
    start_service: StartService,
) -> None:
    answers = [success(), success(), success(outputs={"kpis": {"growth": 0.03}})]
    async with start_service(ScriptedModule(answers=[*answers])) as service:
        for rate in (0.1, 0.2, 0.2):
            await run(service, inputs={"rate": rate, "same": 1})
        text = (await page(service, "/")).text
    assert "Scenario rate Seed" in text
    assert "not the same in 2 runs" in text


async def test_list_is_filtered_by_its_address_and_says_when_nothing_matches(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        await run(service)
        found = await page(service, "/?scenario_id=demo&status=completed&module=&since=2020-01-01")
        nothing = await page(service, "/?scenario_id=other")
        wrong = await page(service, "/?status=odd", 422)
        unknown = await page(service, "/?colour=red", 422)
    assert "1 run, newest first" in found.text
    assert "No run matches. The filter is scenario_id other." in nothing.text
    assert "There is no state 'odd'" in wrong.text
    assert "There is no filter colour" in unknown.text


async def test_list_shows_why_runs_failed_and_which_warn(start_service: StartService) -> None:
    failing = ScriptedModule(
        answers=[httpx2.Response(422, json=error_envelope(message="no such country")), success(warnings=["w"])]
    )
    async with start_service(failing, options=QUICK) as service:
        await run(service)
        await run(service)
        text = (await page(service, "/")).text
    assert "alpha answers INVALID_INPUT: no such country" in text
    assert re.search(r"completed ?2 warnings", text)


async def test_list_goes_on_with_older_runs(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        for _ in range(51):
            await run(service)
        first = await page(service, "/?status=completed")
        [older] = [address for address in first.addresses if "cursor=" in address]
        second = await page(service, f"/{older}")
    assert "50 runs, newest first" in first.text
    assert "1 run, newest first" in second.text
    assert "No older runs" in second.text


async def test_unreadable_run_is_listed_and_its_page_says_what_is_wrong(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule()) as service:
        run_id = await run(service)
        (tmp_path / "runs" / run_id / "run.json").write_text("{")
        listed = await page(service, "/")
        shown = await page(service, f"/runs/{run_id}", 500)
    assert "damaged" in listed.text
    assert "run.json" in shown.text


async def test_run_that_goes_on_shows_its_steps_and_its_log_and_can_be_cancelled(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(), ScriptedModule("beta", answers=[gate])) as service:
        asked = {"scenario_id": "demo", "modules": ["alpha", "beta"]}
        answer = await service.post("/plan_and_execute", json=asked, headers={"Prefer": "respond-async"})
        await gate.asked.wait()
        address = f"/runs/{answer.json()['run_id']}"
        live = await says(service, address, "running Step 2 of 2, beta, for", "step alpha completed")
        cancelled = await service.post(f"{address}/cancel", headers=FORM)
        over = await page(service, cancelled.headers["location"])
        late = await service.post(f"/runs/{await run(service)}/cancel", headers=FORM)
    assert "growth 0.02" in live.text
    assert f'data-events="{address}/events"' in live.source
    assert ("meta", "content", "http-equiv") in live.elements
    assert "cancelled Step 2, beta, was stopped" in over.text
    assert "The run was cancelled: " in over.text
    assert "own log" not in over.text
    assert ("meta", "content", "http-equiv") not in over.elements
    assert (late.status_code, late.headers["content-type"]) == (409, "text/html; charset=utf-8")


async def test_run_that_is_over_can_be_run_again_reproduced_and_resumed(start_service: StartService) -> None:
    alpha = ScriptedModule(answers=[httpx2.Response(422, json=error_envelope()), success()])
    async with start_service(alpha, options=QUICK) as service:
        address = f"/runs/{await run(service)}"
        resumed = await service.post(f"{address}/resume", headers=FORM)
        # The resumed run goes on while the page is shown again, and a run that is not over cannot be reproduced.
        while (reproduced := await service.post(f"{address}/reproduce", headers=FORM)).status_code != 303:
            pass
        await service.get(f"{reproduced.headers['location']}/events")
        shown = await says(service, reproduced.headers["location"], "Reproduces")
    assert (resumed.status_code, resumed.headers["location"]) == (303, address)
    assert reproduced.headers["location"] != address
    assert f"Reproduces {address.removeprefix('/runs/')}" in shown.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Sec-Fetch-Site": "", "Origin": "http://127.0.0.1:8000"}, 403),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Host": "ops.example"}, 303),
        ({"Host": "localhost:8000"}, 303),
        ({"Host": "[::1]:8000"}, 303),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_forms_are_taken_from_our_own_pages_alone(
    start_service: StartService, headers: dict[str, str], status: int
) -> None:
    async with start_service(ScriptedModule(), allowed_hosts="ops.example, other.example") as service:
        sent = {name: value for name, value in (FORM | headers).items() if value}
        scenario = '{"scenario_id":"demo","modules":["alpha"]}'
        content = str(httpx2.QueryParams({"scenario": scenario}))
        answer = await service.post("/runs", headers=FORM | headers if "" in headers.values() else sent, content=content)
        runs = (await service.get("/runs")).json()["runs"]
    assert (answer.status_code, len(runs)) == (status, int(status == 303))


async def test_older_browsers_say_where_a_form_comes_from_by_its_origin(start_service: StartService) -> None:
    base = {name: value for name, value in FORM.items() if name != "Sec-Fetch-Site"}
    async with start_service(ScriptedModule("policy-simulator"), ScriptedModule("strategy-agent")) as service:
        for origin, status in (("http://127.0.0.1:8000", 303), ("http://127.0.0.1:9", 403), ("null", 403), ("http://[", 403)):
            answer = await service.post("/runs", headers=base | {"Origin": origin}, content="example=baseline")
            assert answer.status_code == status


@pytest.mark.parametrize("seed", ["--5", "9" * 5000, "one"])
async def test_seed_that_is_no_seed_is_refused_above_the_form(start_service: StartService, seed: str) -> None:
    async with start_service(ScriptedModule()) as service:
        answer = await service.post("/runs", headers=FORM, content=f"example=baseline&seed={seed}")
    assert answer.status_code == 422
    assert "/run_options/seed" in Page(answer.text).text


async def test_scenario_that_is_refused_is_kept_and_its_problems_stand_above_it(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        form = await page(service, "/runs/new?example=baseline")
        typed = '{"scenario_id":"</textarea><b>x","modules":["nobody"]}'
        answer = await service.post("/runs", headers=FORM, content=str(httpx2.QueryParams({"scenario": typed})))
        unknown = await page(service, "/runs/new?example=odd", 404)
    assert '"scenario_id": "baseline"' in form.text
    refused = Page(answer.text)
    assert answer.status_code == 422
    assert "nobody" in refused.text
    assert typed in refused.text
    assert refused.elements.count(("b",)) == form.elements.count(("b",)) + 1
    assert "There is no example 'odd'" in unknown.text


async def test_errors_of_the_api_are_pages_for_people(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        for address, status in (("/nothing", 404), ("/runs/run_x", 404), ("/runs?limit=0", 422)):
            found = await page(service, address, status)
            assert f"Status {status}" in found.text
        assert (await service.get("/health", headers=HTML)).json()


async def test_assets_are_served_whatever_is_preferred(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        for name, kind in (("style.css", "text/css"), ("ops.js", "text/javascript"), ("icon.svg", "image/svg+xml")):
            first = await service.get(f"/assets/{name}", headers={"Accept": "*/*"})
            again = await service.get(f"/assets/{name}", headers={"If-None-Match": first.headers["etag"]})
            assert first.headers["content-type"].startswith(kind)
            assert again.status_code == 304
    assert len(first.content) < 4096


async def test_hostile_text_stays_text_in_lists_and_live_pages(start_service: StartService) -> None:
    pages = []
    for name, texts in (("one", HOSTILE_TEXTS), ("two", [f"harmless {number}" for number in range(len(HOSTILE_TEXTS))])):
        gate = Gate()
        inputs = {f"{number} {text}": text for number, text in enumerate(texts)}
        alpha = ScriptedModule(answers=[success(warnings=list(texts), version=texts[0]), gate])
        async with start_service(alpha, options=QUICK) as service:
            await run(service, inputs=inputs, scenario_id=name)
            asked = {"scenario_id": name, "modules": ["alpha"], "inputs": {f"{key}x": 1 for key in inputs}}
            answer = await service.post("/plan_and_execute", json=asked, headers={"Prefer": "respond-async"})
            await gate.asked.wait()
            pages.append(
                [await page(service, f"/?scenario_id={name}"), await page(service, f"/runs/{answer.json()['run_id']}")]
            )
            await service.post(f"/runs/{answer.json()['run_id']}/cancel")
    for hostile, harmless in zip(*pages, strict=True):
        assert hostile.elements == harmless.elements


def test_examples_of_the_service_are_those_of_the_repository() -> None:
    for name in EXAMPLES:
        packaged = ROOT / "orchestrator/src/ops_orchestrator/planning/examples" / f"{name}.json"
        assert packaged.read_bytes() == (ROOT / "examples" / f"{name}.json").read_bytes(), f"copy examples/{name}.json there"


@pytest.mark.parametrize("part", ["", "/steps/alpha"])
async def test_printed_page_names_its_run_in_the_margin(start_service: StartService, part: str) -> None:
    async with start_service(ScriptedModule()) as service:
        run_id = await run(service)
        shown = await page(service, f"/runs/{run_id}{part}")
        [sheet] = [address for address in shown.addresses if address.startswith("/assets/print/")]
        margin = await service.get(sheet)
        other = await service.get("/assets/print/%22;%7D.css")
    assert f'@bottom-left {{ content: "{run_id}";' in margin.text
    assert (margin.headers["content-type"], other.status_code) == ("text/css; charset=utf-8", 404)
