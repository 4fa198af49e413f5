"""The pages beside those of runs: a step, a comparison, sweeps and modules."""

import json
from pathlib import Path

import httpx2
import pytest
from browsed_pages import HTML, QUICK, page, run
from hostile_texts import HOSTILE_TEXTS
from scripted_module import PNG, ScriptedModule, StartService, artifact, error_envelope, success


async def sweep(service: httpx2.AsyncClient, rates: list[float], **spec: object) -> str:
    asked = {
        "scenario_id": "demo",
        "modules": ["alpha"],
        "inputs": {"rate": 0.2},
        "sweep": {"parameters": {"/rate": rates}, **spec},
    }
    answer = await service.post("/sweeps", json=asked, headers={"Prefer": "wait=60"})
    return str(answer.json()["sweep_id"])


async def test_step_shows_what_was_asked_and_answered_and_how_to_ask_again(start_service: StartService) -> None:
    beta = ScriptedModule("beta", answers=[httpx2.Response(422, json=error_envelope("beta", message="no such country"))])
    async with start_service(ScriptedModule(), beta, options=QUICK) as service:
        run_id = await run(service, modules=["alpha", "beta"], inputs={"country": "XX"})
        shown = await page(service, f"/runs/{run_id}/steps/beta")
        raw = await service.get(f"/runs/{run_id}/steps/beta/request.json", headers=HTML)
        for wrong in ("steps/gamma", "steps/beta/run.json", "steps/beta/..%2F..%2Frun.json"):
            await page(service, f"/runs/{run_id}/{wrong}", 404)
    assert "Step 2 · beta failed MODULE_ERROR" in shown.text
    assert '"country": "XX"' in shown.text
    assert "no such country" in shown.text
    assert '"alpha": "… ' in shown.text
    assert "Answers of earlier steps are folded here" in shown.text
    assert "curl -X POST http://beta.test/execute" in shown.text
    assert "ops-contract check http://beta.test" in shown.text
    assert "step beta failed" in shown.text
    assert json.loads(raw.content)["inputs"] == {"country": "XX"}
    assert raw.headers["content-security-policy"].startswith("sandbox; default-src 'none';")


async def test_end_of_a_long_log_is_shown(start_service: StartService, tmp_path: Path) -> None:
    async with start_service(ScriptedModule()) as service:
        run_id = await run(service)
        log = tmp_path / "runs" / run_id / "logs.jsonl"
        log.write_bytes(b'{"seq":0,"step":"alpha","message":"' + b"x" * 5_000_000 + b'"}\n' + log.read_bytes())
        shown = await page(service, f"/runs/{run_id}/steps/alpha")
    assert "step alpha completed" in shown.text
    assert len(shown.source) < 100_000


async def test_comparison_says_the_cause_first_and_what_differs(start_service: StartService) -> None:
    answers = [success(outputs={"kpis": {"growth": growth}, "units": {"growth": "share"}}) for growth in (0.02, 0.03)]
    async with start_service(ScriptedModule(answers=[*answers])) as service:
        ids = [await run(service, inputs={"rate": rate}) for rate in (0.1, 0.2)]
        shown = await page(service, f"/compare?run={ids[1]}&run={ids[0]}&ref={ids[0]}")
        turned = await page(service, f"/compare?run={ids[0]}&run={ids[1]}&ref={ids[1]}")
    assert "Compare 2 runs alpha is the first step whose result differs: its input rate differs (0.1 → 0.2)." in shown.text
    assert "/inputs/rate 0.1 0.2" in shown.text
    assert "begins here" in shown.text
    assert "2.00 % 3.00 % +1.00 pp +50.0 %" in shown.text
    assert "3.00 % 2.00 % \N{MINUS SIGN}1.00 pp \N{MINUS SIGN}33.3 %" in turned.text


async def test_comparison_of_equal_runs_and_of_four(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        ids = [await run(service) for _ in range(4)]
        shown = await page(service, "/compare?" + "&".join(f"run={one}" for one in ids))
    assert "Compare 4 runs" in shown.text
    assert "The same result, step by step." in shown.text
    assert "Nothing: inputs, options, versions and adapters are the same." in shown.text
    assert "D against A" in shown.text


async def test_comparison_asks_for_runs_that_can_be_compared(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        ids = [await run(service) for _ in range(5)]
        nothing = await page(service, "/compare")
        one = await page(service, f"/compare?run={ids[0]}")
        many = await page(service, "/compare?" + "&".join(f"run={each}" for each in ids), 422)
        unknown = await page(service, f"/compare?run={ids[0]}&run=run_2026-01-09T12-34-56Z_ab12cd", 404)
        reference = await page(service, f"/compare?run={ids[0]}&run={ids[1]}&ref={ids[2]}", 422)
    assert "Choose 2 to 4 runs" in nothing.text
    assert "One run is selected; choose one to three more." in one.text
    assert "5 runs are selected, and 4 can be compared at once." in many.text
    assert "run_2026-01-09T12-34-56Z_ab12cd" in unknown.text
    assert "is not one of the runs" in reference.text


async def test_modules_say_whether_they_are_ready_and_how_their_calls_went(start_service: StartService) -> None:
    alpha = ScriptedModule(answers=[success(), httpx2.Response(422, json=error_envelope(message="no such country"))])
    beta = ScriptedModule("beta", health=[httpx2.Response(503, text="warming up")])
    async with start_service(alpha, beta, options=QUICK) as service:
        await run(service)
        await run(service)
        listed = await page(service, "/modules")
        one = await page(service, "/modules/alpha")
        bad = await page(service, "/modules/beta")
        unknown = await page(service, "/modules/gamma", 404)
    assert "1 of 2 registered modules is ready." in listed.text
    assert "2 calls, 1 failed" in listed.text
    assert "no such country" in one.text
    assert "url: http://alpha.test" in one.text
    assert "not ready" in bad.text
    assert "No run that is over has called it." in bad.text
    assert "registered are alpha, beta" in unknown.text


@pytest.mark.parametrize("part", ["step", "compare", "sweep", "module"])
async def test_hostile_text_stays_text_in_every_page(start_service: StartService, part: str) -> None:
    pages = []
    for name, texts in (("one", HOSTILE_TEXTS), ("two", [f"harmless {number}" for number in range(len(HOSTILE_TEXTS))])):
        keyed = [f"{number} {text}" for number, text in enumerate(texts)]
        figures = {
            "kpis": dict.fromkeys(keyed[:10], 1.5),
            "labels": dict(zip(keyed, texts, strict=True)),
            "units": dict(zip(keyed, texts, strict=True)),
        }
        brief = artifact("brief.md", "\n".join(texts).encode(), "text/markdown")
        plots = [
            artifact(f"{at}.png", PNG, "image/png", href="plot.png", title=text, description=" ".join(texts)[at : at + 2000])
            for at, text in enumerate(texts[:30])
        ]
        good = success(outputs=figures | {"other": keyed}, warnings=list(texts), artifacts=[brief, *plots], version=texts[0])
        other = success(outputs=figures | {"other": keyed[::-1]}, warnings=list(texts)[::-1])
        bad = httpx2.Response(422, json=error_envelope(message=" ".join(texts)))
        module = ScriptedModule(answers=[good, other, good, bad, good], files={"/plot.png": httpx2.Response(200, content=PNG)})
        async with start_service(module, options=QUICK) as service:
            ids = [await run(service, scenario_id=name, inputs=dict.fromkeys(keyed, at)) for at in range(2)]
            sweep_id = await sweep(service, [0.1, 0.2, 0.3], seeds=1, concurrency=1)
            address = {
                "step": f"/runs/{ids[0]}/steps/alpha",
                "compare": f"/compare?run={ids[0]}&run={ids[1]}&ref={ids[0]}",
                "sweep": f"/sweeps/{sweep_id}",
                "module": "/modules/alpha",
            }[part]
            pages.append(await page(service, address))
    hostile, harmless = pages
    assert set(hostile.elements) == set(harmless.elements)
    # A choice of a page stands behind its own address, where it is percent-encoded.
    paths = [address.partition("?")[0] for address in hostile.addresses]
    assert not [path for path in paths if "alert" in path or "evil" in path]
