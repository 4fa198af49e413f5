"""The report of a run: that it says what is in the folder, and that nothing in the folder can do anything in it."""

import asyncio
import base64
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
import recorded_run
from hostile_texts import HOSTILE_TEXTS
from html_page import Page
from scripted_module import PNG, Gate, ScriptedModule, StartService, artifact, envelope, error_envelope, success

from ops_orchestrator.errors import ConflictError
from ops_orchestrator.runs.reports.html.report import html_report
from ops_orchestrator.runs.store.folder_run import FolderRun
from ops_stubs import __version__

PICTURE = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def report_of(folder: Path) -> Page:
    return Page(html_report(FolderRun(folder.parent, folder.name)).decode())


async def run_with(start_service: StartService, home: Path, *modules: ScriptedModule, **fields: Any) -> Path:
    """The folder of a run over scripted modules."""
    scenario = {"scenario_id": "demo", "modules": [module.name for module in modules], **fields}
    async with start_service(*modules, options={"retries": 0, "ready_timeout_s": 600}) as service:
        answer = (await service.post("/plan_and_execute", json=scenario)).json()
    return home / "runs" / str(answer["run_id"])


def test_report_is_made_of_the_folder_alone_and_always_the_same(example_run: Path, tmp_path: Path) -> None:
    copy = recorded_run.copy(example_run, tmp_path)
    (copy / "report.html").write_text("an older one")
    assert report_of(copy).source == report_of(example_run).source
    assert str(example_run.parent) not in report_of(example_run).source


def test_report_loads_nothing_and_runs_nothing(example_run: Path) -> None:
    page = report_of(example_run)
    assert {name for name, *_ in page.elements}.isdisjoint({"script", "link", "iframe", "object", "embed", "form", "base"})
    assert not any(name.startswith("on") or name == "style" for _, *names in page.elements for name in names)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page.source.replace("&#39;", "'")
    # Each address is in the page, in the folder, or carried in the page itself.
    for address in page.addresses:
        if address.startswith("#"):
            assert address.removeprefix("#") in page.ids
        elif not address.startswith("data:image/png;base64,"):
            assert (example_run / address).exists()


def test_report_says_what_was_asked_what_came_and_what_it_rests_on(example_run: Path) -> None:
    text = report_of(example_run).text
    for expected in (
        "country DR",
        "vat_rate 0.18",
        "seed 42",
        "2 of 2 steps completed in",
        "All of the 10 pieces of evidence are synthetic",
        "strategy-agent recommends:",
        "GDP growth gdp_growth",
        f"plot.png · policy-simulator {__version__} · sha256",
        "brief.md, written by strategy-agent",
        "Warnings None.",
        "supports 14 of",
        "ops runs verify run_",
    ):
        assert expected in text


def test_every_output_value_has_one_place(example_run: Path) -> None:
    page = report_of(example_run)
    assert "/policy/vat_rate/scenario" in page.text
    assert "/kpis/gdp_growth 0." not in page.text


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx2.Response(422, json=error_envelope(message="no such country")), ("no such country", "will not help")),
        (httpx2.Response(503, json=error_envelope(retryable=True, message="busy")), ("busy", "may help")),
        (httpx2.Response(200, json={"status": "odd"}), ("INVALID_ANSWER",)),
    ],
    ids=["refused", "unavailable", "breach"],
)
async def test_report_of_a_failed_run_says_where_why_and_what_had_completed(
    start_service: StartService, tmp_path: Path, answer: httpx2.Response, expected: Sequence[str]
) -> None:
    beta = ScriptedModule("beta", answers=[answer])
    page = await asyncio.to_thread(report_of, await run_with(start_service, tmp_path, ScriptedModule(), beta))
    assert "Step 2, beta, failed after" in page.text
    assert "1 of 2 steps had completed, and what they gave is below; 1 warning." in page.text
    assert all(words in page.text for words in expected)
    assert "steps/2-beta/" in page.addresses
    assert "growth 0.02" in page.text


async def test_report_of_a_cancelled_run_says_so(start_service: StartService, tmp_path: Path) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(answers=[gate]), ScriptedModule("beta")) as service:
        asked = {"scenario_id": "demo", "modules": ["alpha", "beta"]}
        started = await service.post("/plan_and_execute", json=asked, headers={"Prefer": "respond-async"})
        await gate.asked.wait()
        folder = tmp_path / "runs" / started.json()["run_id"]
        with pytest.raises(ConflictError, match="running"):
            await asyncio.to_thread(report_of, folder)
        await service.post(f"/runs/{folder.name}/cancel")
    page = await asyncio.to_thread(report_of, folder)
    assert "cancelled Step 1, alpha, was stopped" in page.text
    assert "no step had completed" in page.text
    assert "No module gave evidence." in page.text


def with_texts(text: Callable[[int], str], count: int) -> tuple[dict[str, Any], ScriptedModule]:
    """A scenario and a module, with `count` of the texts in every field that takes any text."""
    texts = [text(number) for number in range(count)]
    keyed = [f"{number} {one}" for number, one in enumerate(texts)]
    brief = "\n\n".join(f"# {one}\n\n[{one}](https://example.org) `{one}`\n\n> {one}\n\n    {one}" for one in texts)
    answer = envelope(
        version=texts[0],
        outputs={
            "kpis": {key: (one if number % 2 else 1.5) for number, (key, one) in enumerate(zip(keyed, texts, strict=True))},
            "labels": dict(zip(keyed, texts, strict=True)),
            "units": dict(zip(keyed, texts, strict=True)),
            "recommendation": " ".join(texts),
            "other": dict(zip(keyed, texts, strict=True)),
        },
        artifacts=[
            artifact("brief.md", brief.encode(), "text/markdown"),
            *(
                artifact(f"{number}.png", PNG, "image/png", href="plot.png", title=one, description=one)
                for number, one in enumerate(texts)
            ),
        ],
        evidence=[
            {
                "id": key,
                "kind": one,
                "title": one,
                "uri": one,
                "supports": [f"/kpis/{pointer(key)}"],
                "synthetic": True,
                "details": {key: [one]},
            }
            for key, one in zip(keyed, texts, strict=True)
        ],
        warnings=texts,
    )
    error = error_envelope("beta", code=texts[0], message=" ".join(texts))
    modules = ScriptedModule(answers=[httpx2.Response(200, json=answer)])
    modules.files |= {"error": httpx2.Response(422, json=error), "/plot.png": httpx2.Response(200, content=PNG)}
    return {"inputs": dict(zip(keyed, texts, strict=True))}, modules


def pointer(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


@pytest.mark.parametrize("texts", [HOSTILE_TEXTS[first : first + 11] for first in range(0, len(HOSTILE_TEXTS), 11)])
async def test_hostile_text_in_every_field_stays_text(
    start_service: StartService, tmp_path: Path, texts: tuple[str, ...]
) -> None:
    pages = []
    for text in (lambda number: texts[number], lambda number: f"harmless {number}"):
        fields, alpha = with_texts(text, len(texts))
        beta = ScriptedModule("beta", answers=[alpha.files.pop("error")])
        folder = await run_with(start_service, tmp_path, alpha, beta, **fields)
        pages.append(await asyncio.to_thread(report_of, folder))
    hostile, harmless = pages
    assert harmless.text.count("harmless 3") > 10
    # Briefs apart, whose Markdown may make emphasis of some, every element is one that the harmless text has too.
    assert set(hostile.elements) <= set(harmless.elements) | {("em",), ("strong",), ("ul",), ("li",)}
    assert not {address for address in hostile.addresses if ":" in address} - {"https://example.org", PICTURE}
    assert "alert(1)" not in "".join(name for element in hostile.elements for name in element)
    assert not {"\N{RIGHT-TO-LEFT OVERRIDE}", "\x1b", "\x07", "\x00"} & set(hostile.source)


async def test_details_of_evidence_are_folded_and_cut(start_service: StartService, tmp_path: Path) -> None:
    pieces = [{"id": "survey", "kind": "dataset", "title": "Survey", "details": {"rows": None, "note": "n" * 10_000}}]
    folder = await run_with(start_service, tmp_path, ScriptedModule(answers=[success(evidence=pieces)]))
    page = await asyncio.to_thread(report_of, folder)
    assert "<details><summary>details</summary><pre>" in page.source
    assert '"rows": null' in page.text
    assert "all of it is in results.json" in page.text
    assert "n" * 5_000 not in page.source


async def test_pictures_are_shown_by_their_bytes_and_not_by_their_name(start_service: StartService, tmp_path: Path) -> None:
    files = {"plot.png": PNG, "bad.png": b"<svg onload=alert(1)>", "x.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}
    kinds = {"plot.png": "image/png", "bad.png": "image/png", "x.svg": "image/svg+xml"}
    module = ScriptedModule(
        answers=[success(artifacts=[artifact(n, c, kinds[n], href=n) for n, c in files.items()])],
        files={f"/{name}": httpx2.Response(200, content=content) for name, content in files.items()},
    )
    page = await asyncio.to_thread(report_of, await run_with(start_service, tmp_path, module))
    assert [address for address in page.addresses if address.startswith("data:")] == [PICTURE]
    assert [element for element in page.elements if element[0] == "img"] == [("img", "alt", "height", "src", "width")]
    assert {"artifacts/alpha/bad.png", "artifacts/alpha/x.svg"} <= set(page.addresses)


async def test_plot_has_the_title_of_its_module_as_caption_and_its_description_in_its_place(
    start_service: StartService, tmp_path: Path
) -> None:
    words = [{"title": "Debt & growth", "description": "Debt falls to 40 %."}, {"title": "Debt"}, {}]
    plots = [artifact(f"{number}.png", PNG, "image/png", href="plot.png", **one) for number, one in enumerate(words)]
    module = ScriptedModule(answers=[success(artifacts=plots)], files={"/plot.png": httpx2.Response(200, content=PNG)})
    page = await asyncio.to_thread(report_of, await run_with(start_service, tmp_path, module))
    assert re.findall('<img .*alt="(.*?)[.] The step', page.source) == ["Debt falls to 40 %", "Debt", "Plot 2.png by alpha"]
    assert re.findall("<figcaption><b><bdi>(.*?)</bdi></b><br>", page.source) == ["Debt &amp; growth", "Debt"]


async def test_brief_loses_what_could_act_and_keeps_its_text(start_service: StartService, tmp_path: Path) -> None:
    links = b"[go](javascript:alert(1)) [on](https://example.org/?a=1&b=2) [rel](run.json) [plain](http://evil.example)"
    brief = b"# Title\n\n![a *chart*](https://evil.example/x.png) " + links + b"\n\n"
    table = b"| a | b |\n|--:|---|\n| 1 | <i>x</i> |\n"
    module = ScriptedModule(answers=[success(artifacts=[artifact("brief.md", brief + table, "text/markdown; charset=utf-8")])])
    page = await asyncio.to_thread(report_of, await run_with(start_service, tmp_path, module))
    assert "a *chart* [go](javascript:alert(1)) on" in page.text
    assert "https://example.org/?a=1&b=2" in page.addresses
    assert not any("evil" in address or "javascript" in address or address == "run.json" for address in page.addresses)
    assert '<td class="n">1</td>' in page.source
    assert "<i>" not in page.source


@pytest.mark.parametrize(
    "text",
    [
        "![a" * 80_000,
        "[" * 250_000,
        "|1|2|\n|-|-|\n" + "|1|2|\n" * 40_000,
        "|a" * 500 + "|\n" + "|-" * 500 + "|\n" + "a\n" * 150,  # each line below the head becomes a row of 500 cells
    ],
    ids=["pictures", "brackets", "long table", "wide table"],
)
async def test_brief_that_takes_long_to_read_is_offered_as_a_file(
    start_service: StartService, tmp_path: Path, text: str
) -> None:
    briefs = [artifact("slow.md", text.encode(), "text/markdown"), artifact("after.md", b"*still* shown", "text/markdown")]
    folder = await run_with(start_service, tmp_path, ScriptedModule(answers=[success(artifacts=briefs)]))
    page = await asyncio.to_thread(report_of, folder)
    assert page.text.count("takes too long to lay out") == 1
    assert "<em>still</em>" in page.source


async def test_long_brief_is_offered_as_a_file(start_service: StartService, tmp_path: Path) -> None:
    module = ScriptedModule(answers=[success(artifacts=[artifact("brief.md", b"x" * 300_000, "text/markdown")])])
    page = await asyncio.to_thread(report_of, await run_with(start_service, tmp_path, module))
    assert "too long to be shown here" in page.text
    assert len(page.source) < 100_000
