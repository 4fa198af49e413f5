"""`/modules` and `/modules/{name}`: every trouble with its cure, the last verdict, and how the calls went."""

import json
from pathlib import Path

import httpx2
import pytest
from browsed_pages import HTML, QUICK, page, run
from hostile_texts import HOSTILE_TEXTS
from kit_verdicts import finding, keep, kit_report
from scripted_module import Answer, Gate, ScriptedModule, StartService, error_envelope, success

UNMET = kit_report(
    compliant=False,
    counts={"pass": 40, "fail": 1, "warn": 1, "not_testable": 2},
    findings=[
        finding(),
        finding(id="OPS-OBS-001", level="SHOULD", verdict="warn", breach=False, remedy="Repeat the trace."),
        finding(id="OPS-DET-001", verdict="not_testable", actual="no good answer"),
    ],
)
TROUBLES: dict[str, tuple[Answer, str, str]] = {
    "down": (httpx2.ConnectError("Connection refused"), "unreachable", "Start it, or correct its url in modules.yaml."),
    "garbled": (httpx2.Response(200, text="<html>"), "invalid answer", "ops-contract doctor http://garbled.test"),
    "moved": (httpx2.Response(302, headers={"Location": "http://evil.test"}), "not ready", "see that its url in modules.yaml"),
    "starting": (httpx2.Response(503), "not ready", "It may be starting; its log says what it waits for."),
    "other": (
        httpx2.Response(200, json=ScriptedModule("else").healthy()),
        "invalid answer",
        "'else' answers there; correct its url in modules.yaml, or name the entry 'else'.",
    ),
    "old": (
        httpx2.Response(200, json=ScriptedModule("old").healthy(contract_versions=["9.0"])),
        "unsupported contract",
        "serves contract 9.0, this orchestrator uses 1.0. Update the one that is older",
    ),
}


async def test_each_trouble_is_a_note_with_its_cure(start_service: StartService) -> None:
    troubled = [ScriptedModule(name, health=[answer]) for name, (answer, _, _) in TROUBLES.items()]
    async with start_service(ScriptedModule(), *troubled) as service:
        listed = await page(service, "/modules")
        each = {name: await page(service, f"/modules/{name}") for name in TROUBLES}
    assert "1 of 7 registered modules is ready." in listed.text
    for name, (_, short, cure) in TROUBLES.items():
        assert cure in listed.text
        assert cure in each[name].text
        assert f"http://{name}.test ✕ not ready {short}".replace("✕ ", "") in listed.text
        assert f"trouble-{name}" in listed.ids
        assert f"#trouble-{name}" in listed.addresses


async def test_module_that_hangs_does_not_hold_the_page_up(start_service: StartService) -> None:
    gate = Gate()
    async with start_service(ScriptedModule(), ScriptedModule("beta", health=[gate])) as service:
        shown = await page(service, "/modules")
        gate.opened.set()
    assert "1 of 2 registered modules is ready." in shown.text
    assert "beta has not answered within 2 s. A step waits 30 s for it." in shown.text
    assert "no answer yet" in shown.text


async def test_without_a_registered_module_the_page_says_what_to_do(start_service: StartService) -> None:
    async with start_service(registered="modules: {}\n") as service:
        shown = await page(service, "/modules")
        unknown = await page(service, "/modules/alpha", 404)
        listed = (await service.get("/modules")).json()
    assert "No module is registered." in shown.text
    assert "ops-stubs serve" in shown.text
    assert "none is registered in modules.yaml" in unknown.text
    assert listed["modules"] == []


async def test_last_verdict_is_shown_with_what_is_not_met_and_the_remedy(start_service: StartService, tmp_path: Path) -> None:
    keep(tmp_path / "runs", UNMET)
    async with start_service(ScriptedModule(), ScriptedModule("beta")) as service:
        listed = await page(service, "/modules")
        one = await page(service, "/modules/alpha")
        never = await page(service, "/modules/beta")
        alpha, beta = (await service.get("/modules")).json()["modules"]
        told = (await service.get("/modules/alpha")).json()
    assert "40 pass, 1 fail, 1 warn, 2 not testable kit 0.1.0, 2026-01-09" in listed.text
    assert ("not compliant" in listed.text, "not compliant: 40 pass" in one.text) == (True, True)
    assert "never checked" in listed.text
    assert "2 requirements that are not met" in one.text
    assert "MUST: the digest is that of the bytes" in one.text
    assert ("Hash what you send." in one.text, "Repeat the trace." in one.text) == (True, True)
    assert "1 requirement could not be tested" in one.text
    assert "It was never checked against the contract." in never.text
    assert (alpha["compliance"]["state"], beta["compliance"]) == ("not compliant", {"state": "never checked"})
    assert alpha["compliance"]["counts"]["fail"] == 1
    assert [found["id"] for found in told["findings"]] == ["OPS-ART-003", "OPS-DET-001", "OPS-OBS-001"]
    assert told["declared"]["url"] == "http://alpha.test"


async def test_verdict_on_another_version_is_stale(start_service: StartService, tmp_path: Path) -> None:
    keep(tmp_path / "runs", kit_report(version="1.0.0"))
    async with start_service(ScriptedModule()) as service:
        listed = await page(service, "/modules")
        one = await page(service, "/modules/alpha")
        (told,) = (await service.get("/modules")).json()["modules"]
    assert "stale: compliant" in listed.text
    assert "Stale. Version 1.0.0 was checked, and the module has version 1.2.3 now. Check it again." in one.text
    assert told["compliance"]["stale"].startswith("Version 1.0.0 was checked")


@pytest.mark.parametrize(
    "content", [b" " * 10_000_000, b'{"module": ["alpha"]}', b"[" * 100_000], ids=["large", "types", "deep"]
)
async def test_file_that_is_no_verdict_breaks_no_page(start_service: StartService, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "runs/.compliance").mkdir(parents=True)
    (tmp_path / "runs/.compliance/alpha.json").write_bytes(content)
    async with start_service(ScriptedModule()) as service:
        listed = await page(service, "/modules")
        one = await page(service, "/modules/alpha")
        told = (await service.get("/modules/alpha")).json()["compliance"]
    assert "unreadable" in listed.text
    assert "alpha.json cannot be read" in one.text
    assert (told["state"], "cannot be read" in told["reason"]) == ("unreadable", True)


async def test_hostile_text_in_every_field_of_a_verdict_stays_text(start_service: StartService, tmp_path: Path) -> None:
    pages = []
    for texts in (HOSTILE_TEXTS, ["x" * len(text) for text in HOSTILE_TEXTS]):
        keep(tmp_path / "runs", UNMET)
        file = tmp_path / "runs/.compliance/alpha.json"
        verdict = json.loads(file.read_bytes())
        fields = ("expected", "actual", "statement", "remedy")
        findings = [dict.fromkeys(fields, text) | dict.fromkeys(("id", "level", "verdict"), text[:60]) for text in texts]
        hostile = {
            "findings": [found | {"breach": True} for found in findings],
            **dict.fromkeys(("kit_version", "module_version", "image_digest", "report"), " ".join(texts)[:600]),
            "contract_version": texts[0][:60],
            "counts": {texts[0][:60]: 1},
        }
        file.write_text(json.dumps(verdict | hostile))
        async with start_service(ScriptedModule()) as service:
            pages.append([await page(service, address) for address in ("/modules", "/modules/alpha")])
    for bad, good in zip(*pages, strict=True):
        assert bad.elements == good.elements
        assert bad.addresses == good.addresses
    assert all(text in pages[0][1].text for text in ("<svg onload=alert(1)>", "javascript:alert(1)"))


async def test_whole_report_is_served_as_a_page_that_can_do_nothing(start_service: StartService, tmp_path: Path) -> None:
    keep(tmp_path / "runs", kit_report(), html=b"<script>alert(1)</script>")
    async with start_service(ScriptedModule(), ScriptedModule("beta")) as service:
        answer = await service.get("/modules/alpha/compliance.html", headers=HTML)
        never = await page(service, "/modules/beta/compliance.html", 404)
        unknown = await page(service, "/modules/..%2Falpha/compliance.html", 404)
    policy = answer.headers["content-security-policy"].split("; ")
    assert ("sandbox" in policy, "default-src 'none'" in policy) == (True, True)
    assert not any(rule.startswith("script-src") for rule in policy)
    assert "ops modules check beta" in never.text
    assert unknown.text


async def test_calls_are_counted_without_reading_runs(start_service: StartService, tmp_path: Path) -> None:
    answers = [success(), httpx2.Response(422, json=error_envelope(message="no such country")), success()]
    async with start_service(ScriptedModule(answers=[*answers]), options=QUICK) as service:
        ids = [await run(service) for _ in range(3)]
        one = await page(service, "/modules/alpha")
        told = (await service.get("/modules/alpha")).json()
        for folder in (tmp_path / "runs").glob("run_*"):
            (folder / "run.json").write_bytes(b"damaged")
        listed = await page(service, "/modules")
        damaged = await page(service, "/modules/alpha")
    assert "In runs that are over: 3 calls, 1 failed, median" in one.text
    assert "no such country" in one.text
    assert {f"/runs/{run_id}/steps/alpha" for run_id in ids} <= set(one.addresses)
    assert (told["calls"]["calls"], told["calls"]["failed"]) == (3, 1)
    assert {call["run_id"]: call["error"] for call in told["last_calls"]}[
        ids[1]
    ] == "alpha answers INVALID_INPUT: no such country"
    assert "3 calls, 1 failed" in listed.text
    assert "No run that is over has called it." in damaged.text


async def test_secrets_of_an_address_are_masked(start_service: StartService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPHA_TOKEN", "t0ken-value")
    registered = 'modules:\n  alpha: {url: "http://alpha.test/${ALPHA_TOKEN}"}\n'
    async with start_service(registered=registered) as service:
        texts = [(await page(service, address)).source for address in ("/modules", "/modules/alpha")]
        texts.append((await service.get("/modules/alpha")).text)
    assert all("t0ken-value" not in text and "http://alpha.test/***" in text for text in texts)
