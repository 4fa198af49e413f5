"""Pages and the report of runs that are larger than a page: both stay short, and say what they leave out and where it is."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from browsed_pages import FORM, QUICK, page, run
from scripted_module import ScriptedModule, StartService, artifact, error_envelope, success

MIB = 1024 * 1024
MOST = 2_000_000
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGD4DwABBAEAX+XDSwAAAABJRU5ErkJggg==")


class Large(NamedTuple):
    """A run that is large in one way, and what its pages say of it, by page."""

    answer: httpx2.Response
    says: Mapping[str, str]
    scenario: Mapping[str, Any] = {}
    files: Mapping[str, httpx2.Response] = {}


def briefs(count: int, text: str) -> list[dict[str, Any]]:
    return [artifact(f"{number}.md", text.encode(), "text/markdown") for number in range(count)]


def plots(count: int) -> list[dict[str, Any]]:
    return [artifact(f"{number}.png", PNG, "image/png", href=f"{number}.png") for number in range(count)]


def evidence(count: int) -> list[dict[str, Any]]:
    texts = {"kind": '"' * 64, "title": '"' * 500, "uri": "https://x.example/" + "&" * 1500}
    return [{"id": f"{number}", **texts, "supports": ["/kpis/growth"] * 50} for number in range(count)]


def steps(count: int) -> list[dict[str, str]]:
    return [{"module": "alpha", "id": f"step-{number}"} for number in range(count)]


MANY_FIGURES = {f"figure {number}": number for number in range(300)}

LARGE: dict[str, Callable[[], Large]] = {
    "leaves": lambda: Large(
        success(outputs={f"{n}": n for n in range(100_000)}), {"": "and 99,976 more values in results.json"}
    ),
    "outputs": lambda: Large(success(outputs={"text": "x" * 10 * MIB}), {"steps/alpha": "Only the beginning is shown"}),
    "recommendation": lambda: Large(
        success(outputs={"recommendation": "<" * 10 * MIB}), {"": "more characters) All of it is in results.json"}
    ),
    "figures": lambda: Large(success(outputs={"kpis": MANY_FIGURES}), {"": "100 more figures of alpha in results.json"}),
    "figures of many steps": lambda: Large(
        success(outputs={"kpis": MANY_FIGURES}), {"": "300 figures of step-9 in results.json"}, {"modules": steps(10)}
    ),
    "warnings": lambda: Large(
        success(warnings=["&" * 1000] * 100), {"": "103 more warnings in results.json"}, {"modules": steps(3)}
    ),
    "artifacts": lambda: Large(
        success(artifacts=[artifact(f"{n}.txt") for n in range(1000)]), {"": "and 980 more artifacts in results.json"}
    ),
    "plots": lambda: Large(
        success(artifacts=plots(100)),
        {"": "60 more files called pictures in results.json"},
        files={f"/{n}.png": httpx2.Response(200, content=PNG) for n in range(100)},
    ),
    "briefs": lambda: Large(success(artifacts=briefs(90, "# Brief")), {"": "50 more briefs in results.json"}),
    "long briefs": lambda: Large(
        success(artifacts=briefs(9, "|:-:" * 200 + "|\n" + "|-:" * 200 + "|\n" + "x\n" * 60_000)),
        {"": "It is too long to be shown here"},
    ),
    "evidence": lambda: Large(success(evidence=evidence(2000)), {"": "and 1,900 more pieces in results.json"}),
    "steps": lambda: Large(
        success(warnings=["w" * 900] * 20), {"": "1,900 more warnings in results.json"}, {"modules": steps(100)}
    ),
    "scenario": lambda: Large(
        success(),
        {"": "all of it is the request in run.json"},
        {"inputs": {f"input {n}": "\\" * 40 for n in range(10_000)}},
    ),
    "message": lambda: Large(httpx2.Response(422, json=error_envelope(message="<" * MIB)), {"": "MODULE_ERROR"}),
}


def shown(page_name: str, says: Mapping[str, str]) -> Iterator[str]:
    """What a page has to say; the report says what the page of the run does."""
    if page_name in ("", "report.html"):
        yield from (says[""],) if "" in says else ()
    elif page_name in says:
        yield says[page_name]


@pytest.mark.parametrize("name", LARGE)
async def test_pages_of_a_large_run_are_short_and_say_where_the_rest_is(start_service: StartService, name: str) -> None:
    large = LARGE[name]()
    alpha = ScriptedModule(answers=[large.answer], files=dict(large.files))
    async with start_service(alpha, options=QUICK) as service:
        run_id = await run(service, **large.scenario)
        step = large.scenario.get("modules", [{"id": "alpha"}])[-1]["id"]
        assert len((await page(service, "/")).source) < 100_000
        for address in ("", f"steps/{step}"):
            found = await page(service, f"/runs/{run_id}/{address}".rstrip("/"))
            assert len(found.source) < MOST
            for words in shown(address.replace(step, "alpha"), large.says):
                assert words in found.text
        report = await service.get(f"/runs/{run_id}/report.html")
        assert len(report.content) < MOST
        for file in ("results", "run.json", "logs"):
            assert (await service.get(f"/runs/{run_id}/{file}", headers={"Accept": "text/html"})).status_code == 200


async def test_log_that_is_long_is_shown_from_its_end(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule()) as service:
        run_id = await run(service)
        log = tmp_path / "runs" / run_id / "logs.jsonl"
        line = (
            json.dumps({"seq": 1, "event": "step.retry", "step": "alpha", "level": "info", "message": "m" * 200}).encode()
            + b"\n"
        )
        log.write_bytes(log.read_bytes() + line * 100_000)
        many = await page(service, f"/runs/{run_id}/steps/alpha")
        log.write_bytes(line + json.dumps({"seq": 2, "step": "run", "message": "<" * 10 * MIB}).encode() + b"\n")
        long = await page(service, f"/runs/{run_id}/steps/alpha")
    assert many.source.count("<tr>") == 500
    assert "The log of the run is long" in many.text
    assert f"/runs/{run_id}/logs" in many.addresses
    assert "No line near the end of the log." in long.text
    assert len(many.source) + len(long.source) < MOST


async def test_scenario_of_a_large_run_is_run_again_without_being_in_its_page(start_service: StartService) -> None:
    inputs = {f"input {number}": "x" * 80 for number in range(9_000)}
    async with start_service(ScriptedModule()) as service:
        run_id = await run(service, inputs=inputs)
        shown_page = await page(service, f"/runs/{run_id}")
        again = await service.post("/runs", headers=FORM, content=f"run={run_id}")
        unknown = await service.post("/runs", headers=FORM, content="run=run_2026-01-09T12-34-56Z_ab12cd")
        edited = await page(service, f"/runs/new?run={run_id}", 413)
        small = await page(service, f"/runs/new?run={await run(service, inputs={'rate': 0.25})}")
        request = (await service.get(again.headers["location"])).json()["request"]
    assert len(shown_page.source) < 100_000
    assert (again.status_code, request["inputs"]) == (303, inputs)
    assert unknown.status_code == 404
    assert "too much to be edited here" in edited.text
    assert '"rate": 0.25' in small.text
