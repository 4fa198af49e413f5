"""`/compare`: what the page says of two to four runs, and that nothing in them makes it long, slow or wrong."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
from browsed_pages import HTML, QUICK, page, run
from html_page import Page
from scripted_module import Gate, ScriptedModule, StartService, artifact, error_envelope, success

PNG = b"\x89PNG\r\n\x1a\n"
MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"


def figures(value: object = 0.02, unit: str = "share", **outputs: Any) -> dict[str, Any]:
    return {"kpis": {"growth": value}, "units": {"growth": unit}, "labels": {"growth": "Growth"}, **outputs}


def path(*values: float, first: int = 2026) -> list[dict[str, Any]]:
    return [{"year": first + at, "baseline": {"growth": 0}, "scenario": {"growth": value}} for at, value in enumerate(values)]


def address(*ids: str, ref: str = "") -> str:
    return "/compare?" + "&".join(f"run={one}" for one in ids) + (f"&ref={ref}" if ref else "")


async def compared(start: StartService, *answers: dict[str, Any] | httpx2.Response, **asked: Any) -> Page:
    """The page that compares one run for each answer of the module alpha, all of them asked the same."""
    given = [answer if isinstance(answer, httpx2.Response) else success(**answer) for answer in answers]
    async with start(ScriptedModule(answers=[*given]), options=QUICK) as service:
        return await page(service, address(*[await run(service, **asked) for _ in answers]))


async def test_one_sentence_says_the_cause_of_all_runs_with_the_value_of_each(start_service: StartService) -> None:
    answers = [success(outputs=figures(value)) for value in (0.02, 0.03, 0.04)]
    async with start_service(ScriptedModule(answers=[*answers])) as service:
        ids = [await run(service, inputs={"rate": rate, "same": 1}) for rate in (0.1, 0.2, 0.3)]
        shown = await page(service, address(*ids))
        seeds = [await run(service, run_options={"seed": seed}, inputs={"of": seed == 9}) for seed in (7, 8, 9)]
        mixed = await page(service, address(*seeds))
    assert "alpha is the first step whose result differs: its input rate differs: A 0.1, B 0.2, C 0.3." in shown.text
    assert "/inputs/rate 0.1 0.2 0.3" in shown.text
    assert "values of inputs, options, plan, modules and orchestrator are the same" in shown.text
    assert "/inputs/same 1" in shown.text
    assert "The same result" in mixed.text


async def test_each_group_of_runs_has_its_own_cause_and_names_its_runs(start_service: StartService) -> None:
    same, other = {"outputs": figures()}, {"outputs": figures(0.5)}
    shown = await compared(start_service, same, same, other, same)
    assert "B, D against A: The same result, step by step." in shown.text
    assert "C against A: alpha is the first step whose result differs: nothing that went in differs" in shown.text
    assert "B, D: identicalC: different ← begins here" in shown.text


async def test_letters_stay_with_their_runs_whichever_is_the_reference(start_service: StartService) -> None:
    async with start_service(ScriptedModule(answers=[success(outputs=figures(value)) for value in (0.02, 0.03)])) as service:
        ids = [await run(service, scenario_id=name, inputs={"rate": name}) for name in ("one", "two")]
        shown = await page(service, address(*ids, ref=ids[1]))
    assert "B reference two" in shown.text
    assert "A against B" in shown.text
    assert f"3.00 % 2.00 % {MINUS}1.00 pp {MINUS}33.3 %" in shown.text
    assert f"run={ids[0]}&run={ids[1]}&ref={ids[1]}" in next(link for link in shown.addresses if "figures.csv" in link)


async def test_change_from_nothing_has_no_share_and_other_units_and_countries_no_change(start_service: StartService) -> None:
    zero = await compared(
        start_service, {"outputs": figures(0.0)}, {"outputs": figures(0.01)}, {"outputs": figures(5, "points")}
    )
    assert f"0.00 % 1.00 % +1.00 pp {NONE} 5 (points) {NONE} {NONE}" in zero.text
    assert "C has figures in another unit: they stand beside the others without change." in zero.text
    answers = [success(outputs=figures(value)) for value in (0.02, -0.03)]
    async with start_service(ScriptedModule(answers=[*answers])) as service:
        ids = [await run(service, inputs={"country": country}) for country in ("DR", "HT")]
        countries = await page(service, address(*ids))
    assert f"2.00 % {MINUS}3.00 % (HT) {NONE} {NONE}" in countries.text
    assert "B is of another country (HT): its figures stand beside the others without change." in countries.text


async def test_series_are_drawn_with_letters_and_stand_in_a_table_too(start_service: StartService) -> None:
    first, other = figures(path=path(0.1, 0.2)), figures(path=path(0.3, first=2027))
    shown = await compared(start_service, {"outputs": first}, {"outputs": other})
    said = shown.source.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "<desc>A from 10.00 % in 2026 to 20.00 % in 2027; B 30.00 % in 2027.</desc>" in said
    assert 'class="la"' in shown.source
    assert "2026 10.00 %" in shown.text
    assert "2027 20.00 % 30.00 %" in shown.text


@pytest.mark.parametrize("values", [(0.1, 1e308), (1e308, -1e308)])
async def test_series_beyond_every_axis_stand_in_the_table_alone(
    start_service: StartService, values: tuple[float, float]
) -> None:
    shown = await compared(start_service, *({"outputs": figures(path=path(*values))} for _ in range(2)), {"outputs": figures()})
    assert "2027" in shown.text


async def test_plots_of_one_name_stand_side_by_side_and_equal_ones_once(start_service: StartService) -> None:
    drawn = [PNG + content for content in (b"1", b"2", b"1")]
    plots = [artifact("plot.png", content, "image/png", href=f"plots/{at}") for at, content in enumerate(drawn)]
    files = {f"/plots/{at}": httpx2.Response(200, content=content) for at, content in enumerate(drawn)}
    alpha = ScriptedModule(answers=[success(artifacts=[plot]) for plot in plots], files={**files})
    async with start_service(alpha, options=QUICK) as service:
        shown = await page(service, address(*[await run(service) for _ in plots]))
    assert sum(1 for name, *_ in shown.elements if name == "img") == 2
    assert "A, C the same picture" in shown.text
    assert "Each has its own axes" in shown.text
    assert "B: differsC: same" in shown.text


async def test_briefs_are_compared_as_text_with_marked_words_and_folded_lines(start_service: StartService) -> None:
    middle = "".join(f"Line {number} says nothing new.\n\n" for number in range(20))
    first, other = (
        f"# Advice\n\n**Keep** the rates at {rate} %.\n\n{middle}{end}\n"
        for rate, end in ((18, "Gone now."), (20, "<b>Come</b>"))
    )
    briefs = [artifact("brief.md", text.encode(), "text/markdown") for text in (first, other)]
    shown = await compared(start_service, *({"artifacts": [brief]} for brief in briefs))
    assert "<del><bdi>18</bdi></del>" in shown.source
    assert "<ins><bdi>20</bdi></ins>" in shown.source
    assert "Keep the rates at" in shown.text
    assert "16 equal lines" in shown.text
    assert f"{MINUS} Gone now." in shown.text
    assert "+ <b>Come</b>" in shown.text


@pytest.mark.parametrize(
    ("first", "other", "said"),
    [
        ("word " * 200_000, "other " * 200_000, "is longer than 256 KiB"),
        ("![a" * 85_000, "![b" * 85_000, "only in"),
        ("".join(f"line {n}\n" for n in range(10_000)), "".join(f"line {n * 2}\n" for n in range(10_000)), "more lines"),
        ("- " * 60_000 + "x", "- " * 60_000 + "y", "only in"),
        ("a\n" * 100_000, "a\n" * 50_000 + "b\n" + "a\n" * 50_000, "equal lines"),
        ("*Same* text", "Same  text", "The text is the same; only its markup differs."),
        ("x\x00y", "\u202eabc", "\N{SYMBOL FOR NULL}"),
    ],
)
@pytest.mark.timeout(120)
async def test_hostile_briefs_keep_the_page_short(start_service: StartService, first: str, other: str, said: str) -> None:
    files = [artifact("brief.md", text.encode(), "text/markdown") for text in (first, other)]
    alpha = ScriptedModule(answers=[success(artifacts=[one]) for one in files])
    async with start_service(alpha, options=QUICK) as service:
        shown = await page(service, address(*[await run(service) for _ in files]))
    assert said in shown.text
    assert len(shown.source) < 400_000


async def test_thousands_of_differences_are_counted_and_their_rest_is_one_link_away(start_service: StartService) -> None:
    answers = [
        figures(
            kpis={f"figure {n}": n + at for n in range(300)},
            other={f"key {n}": n + at for n in range(10_000)},
            path=[{"year": year, **{f"series {n}": year + at for n in range(50)}} for year in range(2000, 2100)],
        )
        for at in range(2)
    ]
    async with start_service(ScriptedModule(answers=[success(outputs=one) for one in answers])) as service:
        ids = [await run(service, inputs={f"input {n}": n + at for n in range(500)}) for at in range(2)]
        shown = await page(service, address(*ids))
        links = {name: next(link for link in shown.addresses if name in link) for name in ("diff", "figures.csv", "series.csv")}
        answers_of = {name: await service.get(link, headers=HTML) for name, link in links.items()}
    assert "alpha: 10,000 places" in shown.text
    assert "100 more figures in the figures as CSV" in shown.text
    assert "26 more series in the series as CSV" in shown.text
    assert "40 more periods in the CSV" in shown.text
    assert len(shown.source) < 800_000
    assert len(answers_of["diff"].json()["steps"][0]["outputs"]["listed"]) > 10_000
    assert answers_of["figures.csv"].text.count("\n") == 301
    assert answers_of["series.csv"].text.count("\n") == 5_001


async def test_run_that_goes_on_and_one_that_failed_are_compared_as_far_as_they_are(start_service: StartService) -> None:
    gate = Gate()
    bad = httpx2.Response(422, json=error_envelope("beta", message="no such country"))
    beta = ScriptedModule("beta", answers=[success("beta"), bad, gate])
    body = {"scenario_id": "demo", "modules": ["alpha", "beta"], "inputs": {}}
    async with start_service(ScriptedModule(), beta, options=QUICK) as service:
        ids = [await run(service, modules=["alpha", "beta"]) for _ in range(2)]
        started = await service.post("/plan_and_execute", json=body, headers={"Prefer": "respond-async"})
        await gate.asked.wait()
        shown = await page(service, address(*ids, started.json()["run_id"]))
        gate.opened.set()
    assert "C is running: it is compared as far as it is." in shown.text
    assert "beta is not completed yet in C." in shown.text
    assert "no such country" in shown.text


async def test_runs_without_a_common_step_or_a_figure_say_so(start_service: StartService) -> None:
    nothing: dict[str, Any] = {"outputs": {}}
    alpha, beta = ScriptedModule(answers=[success(**nothing)]), ScriptedModule("beta", answers=[success("beta", **nothing)])
    async with start_service(alpha, beta) as service:
        shown = await page(service, address(*[await run(service, modules=[name]) for name in ("alpha", "beta")]))
    assert "alpha is a step only in A and beta is a step only in B; no step is in both." in shown.text
    assert "No run has key figures" in shown.text


async def test_damaged_run_is_named_with_what_is_wrong(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule()) as service:
        ids = [await run(service) for _ in range(2)]
        (tmp_path / "runs" / ids[1] / "results.json").write_text("{")
        shown = await page(service, address(*ids), 500)
    assert ids[1] in shown.text
    assert "results.json" in shown.text


async def test_choice_says_what_is_missing_and_offers_runs_of_the_same_scenario_first(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        ids = [await run(service, scenario_id=name) for name in ("old", "old", "new", "new")]
        twice = await page(service, address(ids[0], ids[0]))
        unknown = await page(service, address(ids[0], "run_2026-01-09T12-34-56Z_ab12cd"), 404)
    assert "One run is selected, named twice; choose one to three more." in twice.text
    assert [link for link in twice.addresses if link.startswith("/runs/run_")][:2] == [
        f"/runs/{one}" for one in (ids[1], ids[0])
    ]
    assert "run_2026-01-09T12-34-56Z_ab12cd" in unknown.text


async def test_values_that_only_look_alike_are_told_apart(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        ids = [await run(service, inputs=inputs) for inputs in ({"n": 1, "o": {"x": 1}}, {"n": "1"}, {"n": 1, "o": {"x": 2}})]
        shown = await page(service, address(*ids))
    assert '/inputs/n 1 "1" 1' in shown.text
    assert '/inputs/o {"x": 1} nothing {"x": 2}' in shown.text


async def test_steps_whose_figures_are_the_same_in_all_runs_are_folded_and_counted(start_service: StartService) -> None:
    same = [success("beta", outputs=figures(7, "points")) for _ in range(2)]
    differing = ScriptedModule(answers=[success(outputs=figures(value)) for value in (0.02, 0.03)])
    async with start_service(differing, ScriptedModule("beta", answers=[*same])) as service:
        shown = await page(service, address(*[await run(service, modules=["alpha", "beta"]) for _ in range(2)]))
    assert shown.text.index("From step alpha") < shown.text.index("beta: 1 figure, the same in all runs")
    assert "alpha: 1 figure, the same" not in shown.text


async def test_step_after_several_that_differ_names_them_in_one_clause(start_service: StartService) -> None:
    modules = [
        ScriptedModule(name, answers=[success(name, outputs=figures(value)) for value in (1, 2)]) for name in ("alpha", "beta")
    ]
    last = ScriptedModule("gamma", answers=[success("gamma", outputs=figures(value)) for value in (1, 2)])
    async with start_service(*modules, last) as service:
        ids = [await run(service, inputs={"rate": rate}, modules=["alpha", "beta", "gamma"]) for rate in (1, 2)]
        shown = await page(service, address(*ids))
    assert "it is given the results of alpha and beta, which differ" in shown.text
    assert "A: demo, rate = 1" in shown.text
