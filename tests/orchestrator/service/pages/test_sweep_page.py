"""The pages of sweeps: one in each of its states, what can be chosen of it, the list, and the form that starts one."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from browsed_pages import FORM, HTML, QUICK, page, says
from hostile_texts import HOSTILE_TEXTS
from html_page import Page
from scripted_module import Gate, ScriptedModule, StartService, error_envelope, success

from ops_orchestrator.planning.sweep import read_sweep
from ops_orchestrator.runs.run_id import new_sweep_id
from ops_orchestrator.runs.sweeps.points_log import PointFigure, PointOutcome
from ops_orchestrator.runs.sweeps.state import Counts, SweepState
from ops_orchestrator.runs.sweeps.sweep_store import SweepStore

RATES = [0.1, 0.2, 0.3]


def asked(parameters: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "scenario_id": "demo",
        "modules": ["alpha"],
        "inputs": {"rate": 0.2, "tax": 0.2, "country": "DR"},
        "sweep": {"parameters": {"/rate": RATES} if parameters is None else parameters, "concurrency": 1, **spec},
    }


async def swept(service: httpx2.AsyncClient, body: dict[str, Any] | None = None) -> str:
    """The address of a sweep that is over."""
    answer = await service.post("/sweeps", json=body or asked(), headers={"Prefer": "wait=60"})
    return f"/sweeps/{answer.json()['sweep_id']}"


def answering(*failing: float, figures: int = 1) -> Callable[[httpx2.Request], httpx2.Response]:
    """A growth that falls with the rate and rises with the seed, with a baseline; some rates are refused."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent = json.loads(request.content)
        rate, seed = sent["inputs"]["rate"], sent["options"]["seed"]
        if rate in failing:
            return httpx2.Response(422, json=error_envelope(message="a rate is at most 0.25"))
        kpis = {f"kpi{number}": round(0.5 - rate + seed / 100, 4) for number in range(figures)}
        outputs = {
            "kpis": kpis,
            "baseline": {"kpi0": 0.3},
            "change": {"kpi0": round(kpis["kpi0"] - 0.3, 4)},
            "units": dict.fromkeys(kpis, "share"),
            "labels": {key: f"Figure {key[3:]}" for key in kpis},
        }
        return success(outputs=outputs)

    return answer


def kept(
    folder: Path,
    outcomes: Callable[[int], Iterable[PointOutcome]],
    status: str = "completed",
    body: dict[str, Any] | None = None,
) -> str:
    """The address of a sweep that is put into the store as it would be found there."""
    (folder / "runs").mkdir(exist_ok=True)
    store = SweepStore.open(folder / "runs", "os")
    sent = json.dumps(body or asked()).encode()
    request = read_sweep(sent)
    state = SweepState.begun(new_sweep_id(), request)
    written = store.create(state, sent)
    noted = list(outcomes(request.size))
    written.add(noted)
    completed = sum(outcome.status == "completed" for outcome in noted)
    counts = Counts(total=request.size, completed=completed, failed=len(noted) - completed)
    written.save(state.model_copy(update={"status": status, "points": counts}))
    written.release()
    store.close()
    return f"/sweeps/{state.sweep_id}"


async def test_sweep_says_what_is_varied_what_is_held_and_what_became_of_it(start_service: StartService) -> None:
    async with start_service(ScriptedModule(answers=[answering()])) as service:
        shown = await page(service, await swept(service, asked(seeds=3)))
    assert (
        "Sweep: rate from 0.1 to 0.3 demo · tax 0.2 · country DR · 3 values \N{MULTIPLICATION SIGN} 3 seeds (0 to 2)"
        in shown.text
    )
    assert "completed 9 of 9 runs completed." in shown.text
    # Value, runs, failed, median, least, most, against the baseline; the scenario's own value is named.
    assert "0.2in the scenario 3 0 31.00 % 30.00 % 32.00 % +1.00 pp" in shown.text
    assert "from the least to the most of the seeds" in shown.text


async def test_each_run_is_a_point_that_leads_to_it_and_the_keyboard_passes_over(start_service: StartService) -> None:
    async with start_service(ScriptedModule(answers=[answering(0.3)]), options=QUICK) as service:
        address = await swept(service, asked(seeds=2))
        shown = await page(service, address)
        runs = (await service.get("/runs", params={"sweep": address.rpartition("/")[2]})).json()["runs"]
    chart = shown.source[shown.source.index('<svg class="ch"') :].partition("</svg>")[0]
    completed = {f"/runs/{run['run_id']}" for run in runs if run["status"] == "completed"}
    links = Page(chart)
    assert (set(links.addresses), len(completed)) == ({*completed, "#failed"}, 4)
    assert {name for name in links.elements if name[0] == "a"} == {("a", "aria-label", "href", "tabindex")}
    assert 'role="group"' in chart
    assert chart.count('tabindex="-1"') == chart.count("<a ")


async def test_figure_and_change_are_chosen_in_the_address(start_service: StartService) -> None:
    async with start_service(ScriptedModule(answers=[answering(figures=3)])) as service:
        address = await swept(service)
        first = await page(service, address)
        third = await page(service, f"{address}?kpi=alpha/kpi2")
        change = await page(service, f"{address}?kpi=alpha/kpi0&as=change")
        without = await page(service, f"{address}?kpi=alpha/kpi2&as=change")
        unknown = await page(service, f"{address}?kpi=alpha/gini")
    assert "Figure 0, %, by rate" in first.text
    assert "?kpi=alpha%2Fkpi2" in first.addresses
    assert "Figure 2, %, by rate" in third.text
    assert "Figure 0, pp, change from the baseline, by rate" in change.text
    assert "\N{MINUS SIGN}10.00 pp" in change.text
    assert "No run has a baseline for this figure" in without.text
    assert "No run has a figure alpha/gini" in unknown.text


async def test_values_lead_to_their_runs(start_service: StartService) -> None:
    async with start_service(ScriptedModule(answers=[answering()])) as service:
        one = await page(service, await swept(service))
        address = await swept(service, asked(seeds=2))
        several = await page(service, address)
        listed = await page(service, f"{address}?at=2")
        nowhere = await page(service, f"{address}?at=9")
    table = Page(one.source[one.source.index("<table") :])
    assert [link.startswith("/runs/run_") for link in table.addresses[:3]] == [True] * 3
    assert "?at=2#runs" in several.addresses
    assert "Runs at rate 0.2" in listed.text
    assert "1 completed 31.00 % +1.00 pp" in listed.text
    assert "The sweep has no place 9" in nowhere.text


async def test_failed_runs_that_say_the_same_are_one_row_and_run_again(start_service: StartService) -> None:
    alpha = ScriptedModule(answers=[answering(0.3)])
    async with start_service(alpha, options=QUICK) as service:
        address = await swept(service, asked(seeds=5))
        shown = await page(service, address)
        alpha.answers[:] = [answering()]
        again = await service.post(f"{address}/resume", headers=FORM)
        whole = await says(service, again.headers["location"], "completed 15 of 15 runs completed")
        late = await service.post(f"{address}/cancel", headers=FORM)
    assert "failed 10 of 15 runs completed, 5 failed." in shown.text
    assert "At rate 0.3 no run completed." in shown.text
    assert "Run the 5 failed again" in shown.text
    assert "5 runs say the same" in shown.text
    assert shown.text.count("a rate is at most 0.25") == 1
    assert "Failed runs" not in whole.text
    assert late.status_code == 409


async def test_values_with_fewer_seeds_are_named(start_service: StartService) -> None:
    bad = httpx2.Response(422, json=error_envelope())
    good = answering()
    async with start_service(ScriptedModule(answers=[good, bad, good, good, good, bad, good]), options=QUICK) as service:
        shown = await page(service, await swept(service, asked(seeds=3)))
    assert "Failed runs are left out of median and band. At rate 0.1, 0.2 they rest on 2 of 3 seeds." in shown.text


async def test_two_parameters_are_a_table_of_medians_or_of_one_seed(start_service: StartService) -> None:
    async with start_service(ScriptedModule(answers=[answering(0.3)]), options=QUICK) as service:
        address = await swept(service, asked({"/rate": RATES, "/tax": [0.1, 0.2]}, seeds=[4, 6]))
        medians = await page(service, address)
        one = await page(service, f"{address}?seed=6")
        cell = await page(service, f"{address}?at=3")
        unknown = await page(service, f"{address}?seed=5")
    assert "rate ↓ tax → 0.1 0.2 0.1 45.0 45.0 0.2 35.0 35.0 0.3 ✕ failed ✕ failed" in medians.text
    assert "Each cell is the median of 2 seeds, and leads to their runs" in medians.text
    assert medians.source.count(' here"') == 1
    assert "Each cell is the run with seed 6, and leads to it" in one.text
    assert "0.1 46.0 46.0" in one.text
    assert sum(link.startswith("/runs/run_") for link in one.addresses) >= 6
    assert "Runs at rate 0.2, tax 0.1" in cell.text
    assert "The sweep has no seed 5" in unknown.text


async def test_three_parameters_say_where_their_figures_are(start_service: StartService) -> None:
    async with start_service(ScriptedModule(answers=[answering()])) as service:
        shown = await page(service, await swept(service, asked({"/rate": RATES, "/tax": [1, 2], "/country": ["DR", "CR"]})))
    assert "3 parameters change on their own" in shown.text
    assert "country DR, CR" in shown.text


async def test_running_sweep_shows_what_is_there_and_counts_the_rest(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[answering(), answering(), gate])) as service:
        started = await service.post("/sweeps", json=asked())
        address = f"/sweeps/{started.json()['sweep_id']}"
        await gate.asked.wait()
        shown = await says(service, address, "2 of 3 runs completed, 1 running")
        listed = await page(service, "/sweeps")
        table = await service.get(f"{address}/table.csv", headers=HTML)
        cancelled = await service.post(f"{address}/cancel", headers=FORM)
        ended = await page(service, cancelled.headers["location"])
        gate.opened.set()
    for running in (shown, listed):
        assert "data-poll" in {name for _, *names in running.elements for name in names}
        assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in running.source
    assert "0.1 1 0 40.00 %" in shown.text
    assert "2 of 3" in listed.text
    assert table.text.count("completed") == 2
    assert "cancelled 2 of 3 runs completed, 1 not run." in ended.text
    assert "Go on with the 1 run that did not complete" in ended.text
    assert "data-poll" not in {name for _, *names in ended.elements for name in names}


async def test_interrupted_sweep_says_how_to_go_on(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule()) as service:
        address = kept(tmp_path, lambda _: [PointOutcome(number=1, status="completed")], "running")
        shown = await page(service, address)
        listed = await page(service, "/sweeps")
    assert "interrupted 1 of 3 runs completed, 2 not run." in shown.text
    assert "Go on with the 2 runs that did not complete" in shown.text
    assert "interruptedthe process that executed the sweep ended" in listed.text


async def test_list_of_sweeps_is_empty_and_names_what_it_cannot_read(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule()) as service:
        empty = await page(service, "/sweeps")
        address = kept(tmp_path, lambda _: [], "failed")
        (tmp_path / f"runs{address}" / "sweep.json").write_text("{")
        damaged = await page(service, "/sweeps")
        why = await page(service, address, 503)
    assert "No sweep yet." in empty.text
    assert f"1 sweep cannot be read, so that it has no row: {address.rpartition('/')[2]}." in damaged.text
    assert "is damaged" in why.text


async def test_large_sweep_is_shown_in_part_and_says_where_the_rest_is(start_service: StartService, tmp_path: Path) -> None:
    def outcomes(size: int) -> Iterable[PointOutcome]:
        for number in range(1, size + 1):
            run_id = f"run_2026-01-09T12-34-56Z_{number:06x}"
            if number % 10 == 0:
                message = "no answer" if number % 20 else f"no answer to call {number}"
                yield PointOutcome(number=number, status="failed", run_id=run_id, message=message)
            else:
                found = [PointFigure(step="alpha", key=f"k{key}", label=f"K {key}", value=number) for key in (0, number % 50)]
                yield PointOutcome(number=number, status="completed", run_id=run_id, figures=tuple(found))

    body = asked({"/rate": {"from": 1, "to": 2000, "step": 1}}, seeds=5)
    pair = asked({"/rate": {"from": 1, "to": 100, "step": 1}, "/tax": {"from": 1, "to": 100, "step": 1}})
    async with start_service(ScriptedModule()) as service:
        lines = await page(service, kept(tmp_path, outcomes, "failed", body))
        cells = await page(service, kept(tmp_path, outcomes, "failed", pair))
    assert (len(lines.source) < 600_000, len(cells.source) < 200_000) == (True, True)
    assert "Of 9,000 runs, one in 18 is drawn as a point; median and band are those of all." in lines.text
    assert "Of 2,000 values, one in 10 has a row. table.csv has all of them." in lines.text
    assert "500 runs say the same" in lines.text
    assert "and 480 more runs in table.csv" in lines.text
    assert "451 more failed runs with other messages are in table.csv." in lines.text
    assert "33 more figures are not drawn here" in lines.text
    assert "Of 100 values of rate, one in 7 is drawn." in cells.text


async def test_sweep_is_started_from_the_quick_form(start_service: StartService) -> None:
    modules = (ScriptedModule("policy-simulator"), ScriptedModule("strategy-agent", answers=[success("strategy-agent")]))
    async with start_service(*modules) as service:
        fields = "example=baseline&pointer=/policy_parameters/vat_rate&from=0.1&to=0.3&step=0.1&seeds=2"
        answer = await service.post("/sweeps", headers=FORM, content=fields)
        address = answer.headers["location"]
        await says(service, address, "completed 6 of 6 runs completed")
        runs = await page(service, f"/?sweep={address.rpartition('/')[2]}")
        unlisted = await page(service, "/")
    assert answer.status_code == 303
    assert "6 runs, newest first" in runs.text
    assert "1 sweep" in unlisted.text


async def test_form_varies_several_inputs_by_values_and_ranges(start_service: StartService) -> None:
    scenario = json.dumps({name: value for name, value in asked().items() if name != "sweep"})
    rows = [("pointer", "/rate"), ("values", ""), ("from", "0.1"), ("to", "0.3"), ("step", "0.1")]
    rows += [("pointer", "/country"), ("values", "DR, CR"), ("from", ""), ("to", ""), ("step", "")]
    rows += [("pointer", ""), ("values", ""), ("from", ""), ("to", ""), ("step", "")]
    content = urlencode([("scenario", scenario), *rows, ("seeds", "1, 7")])
    async with start_service(ScriptedModule(answers=[answering()])) as service:
        answer = await service.post("/sweeps", headers=FORM, content=content)
        made = (await service.get(f"{answer.headers['location']}/request.json")).json()
    assert made["sweep"] == {
        "parameters": {"/rate": {"from": 0.1, "to": 0.3, "step": 0.1}, "/country": ["DR", "CR"]},
        "seeds": [1, 7],
    }


@pytest.mark.parametrize(
    ("typed", "pointer", "detail"),
    [
        ({"pointer": "/rate", "from": "x", "to": "1", "step": "1"}, "/sweep/parameters/~1rate", "from must be a number"),
        ({"pointer": "/rate", "values": "1, 2", "from": "1"}, "row 1", "has values and a range; give one of them"),
        ({"pointer": "", "values": "1, 2"}, "row 1", "has values and no input"),
        ({"pointer": "/rate", "values": "1, 2", "seeds": "many"}, "/sweep/seeds", "must be a number of seeds"),
        ({"pointer": "/rate", "values": "1, 2", "scenario": '{"modules": ['}, "", ""),
    ],
)
async def test_form_that_is_refused_says_where_and_keeps_what_was_typed(
    start_service: StartService, typed: dict[str, str], pointer: str, detail: str
) -> None:
    fields = {"scenario": '{"scenario_id": "demo", "modules": ["alpha"], "inputs": {"rate": 1}}', **typed}
    async with start_service(ScriptedModule()) as service:
        answer = await service.post("/sweeps", headers=FORM, content=urlencode(fields))
        listed = await page(service, "/sweeps")
    refused = Page(answer.text)
    assert 400 <= answer.status_code < 500
    assert (pointer in refused.text, detail in refused.text) == (True, True)
    values = {value for value in typed.values() if value and value != typed.get("scenario")}
    assert {value for value in values if f'value="{value}"' in answer.text} == values
    assert fields["scenario"] in refused.text
    assert "No sweep yet." in listed.text


async def test_form_begins_with_what_the_address_says(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        run_id = (await service.post("/plan_and_execute", json=asked() | {"sweep": None})).json().get("run_id")
        again = {name: value for name, value in asked().items() if name != "sweep"}
        run_id = run_id or (await service.post("/plan_and_execute", json=again)).json()["run_id"]
        of_run = await page(service, f"/sweeps/new?run={run_id}&pointer=/rate&values=1,2&seeds=3")
        unknown = await page(service, "/sweeps/new?example=nothing", 404)
    assert '"country": "DR"' in of_run.text
    assert ('value="1,2"' in of_run.source, '<option value="/tax">' in of_run.source) == (True, True)
    assert "There is no example" in unknown.text


async def test_hostile_texts_stay_texts_wherever_a_sweep_shows_them(start_service: StartService, tmp_path: Path) -> None:
    pages = []
    for texts in (HOSTILE_TEXTS, [f"harmless {number}" for number in range(len(HOSTILE_TEXTS))]):
        keys = [f"{number} {text}"[:200] for number, text in enumerate(texts[:20])]

        def outcomes(size: int, texts: Any = texts, keys: Any = keys) -> Iterable[PointOutcome]:
            for number in range(1, size + 1):
                figures = [
                    PointFigure(step=text, key=key, label=text, unit=text, value=number)
                    for key, text in zip(keys, texts[:20], strict=True)
                ]
                failed = number % 3 == 0
                yield PointOutcome(
                    number=number,
                    status="failed" if failed else "completed",
                    run_id=f"run_2026-01-09T12-34-56Z_{number:06x}",
                    message=texts[number % len(texts)] if failed else "",
                    figures=() if failed else tuple(figures),
                )

        body = asked({"/country": list(texts)}) | {"inputs": {"country": texts[0], texts[1]: texts[2]}}
        async with start_service(ScriptedModule()) as service:
            address = kept(tmp_path, outcomes, "failed", body)
            chosen = urlencode({"kpi": f"{texts[3]}/{keys[3]}", "as": texts[4], "seed": texts[5], "at": "2"})
            pages.append([await page(service, f"{address}?{chosen}"), await page(service, f"{address}?at={texts[6]!r}")])
            wrong = {"pointer": texts[7], "values": texts[8], "from": texts[9], "seeds": texts[10], "scenario": texts[11]}
            pages[-1].append(Page((await service.post("/sweeps", headers=FORM, content=urlencode(wrong))).text))
    for hostile, harmless in zip(*pages, strict=True):
        assert set(hostile.elements) == set(harmless.elements)
        assert not [link for link in hostile.addresses if link.partition("?")[0] not in harmless.addresses and "//" in link]
        assert not any(text in hostile.source for text in ("\N{RIGHT-TO-LEFT OVERRIDE}", "\x1b", "<script>alert"))
