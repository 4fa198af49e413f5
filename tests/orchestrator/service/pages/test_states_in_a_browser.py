"""States of runs in a browser: nothing that axe finds, nothing that scrolls sideways, and an attempt that is shown live."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from browser import RULES_OF_COLOURS, chromium
from local_service import HTTP, ROOT, service, stub_addresses
from playwright.sync_api import Browser, Page, expect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Pages of runs in states that last: one that is retried and then hangs, one behind it, and one without an answer."""
    home = tmp_path_factory.mktemp("states")
    with ExitStack() as stack:
        _, stubs = stack.enter_context(service(home, "ops-stubs", "serve", "--port", "0"))
        _, agent = stack.enter_context(service(home, "ops-stubs", "serve", "strategy-agent", "--admin", "--port", "0"))
        known = {"OPS_RUNS_DIR": str(home / "runs"), "OPS_MAX_CONCURRENT_RUNS": "1"}
        known |= stub_addresses(stubs) | {"STRATEGY_AGENT_URL": agent, "MONITOR_URL": "http://127.0.0.1:9"}
        (home / "modules.yaml").write_text((ROOT / "modules.yaml").read_text())
        _, url = stack.enter_context(service(home, "ops", "serve", "--port", "0", OPS_READY_TIMEOUT_S="1", **known))
        unanswered = started(url, ["policy-simulator", "monitor"], wait=True)
        faults = {"faults": ["status:code=503,path=/execute,first=1", "hang:path=/execute,first=2"]}
        HTTP.put(f"{agent}/__stub/faults", json=faults).raise_for_status()
        retried, queued = (started(url, ["policy-simulator", "strategy-agent"], wait=False) for _ in range(2))
        yield {
            "retried": f"{url}/runs/{retried}",
            "retried step": f"{url}/runs/{retried}/steps/strategy-agent",
            "queued": f"{url}/runs/{queued}",
            "no answer": f"{url}/runs/{unanswered}",
            "step without answer": f"{url}/runs/{unanswered}/steps/monitor",
            "list": url,
            "edited": f"{url}/runs/new?run={unanswered}",
            "refused": f"{url}/?status=odd",
        }


def started(url: str, modules: list[str], *, wait: bool) -> str:
    asked = json.loads((ROOT / "examples/baseline.json").read_bytes()) | {"modules": modules}
    headers = {} if wait else {"Prefer": "respond-async"}
    return str(HTTP.post(f"{url}/plan_and_execute", json=asked, headers=headers).json()["run_id"])


def opened(browser: Browser, address: str, **options: Any) -> Page:
    page = browser.new_page(**options)
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.on("console", lambda message: pytest.fail(message.text) if "Content Security Policy" in message.text else None)
    page.goto(address)
    return page


def test_attempt_is_shown_while_it_is_under_way(addresses: dict[str, str], browser: Browser) -> None:
    page = opened(browser, addresses["retried"])
    expect(page.get_by_role("status")).to_contain_text("strategy-agent")
    expect(page.get_by_role("status")).to_contain_text("attempt 2")
    expect(page.locator("#log")).to_contain_text("attempt 1 failed, trying again")
    page.get_by_role("link", name="strategy-agent").first.click()
    expect(page.locator("main")).to_contain_text("1 failed, and another is under way")
    page.close()


def test_no_state_has_what_axe_finds_or_scrolls_sideways(addresses: dict[str, str], browser: Browser) -> None:
    found = {}
    for name, address in addresses.items():
        page = opened(browser, address, color_scheme="light", viewport={"width": 390, "height": 844})
        page.evaluate(Path(AXE_FILE_PATH).read_text())
        violations = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        page.emulate_media(color_scheme="dark")
        violations += page.evaluate(f"axe.run(document, {RULES_OF_COLOURS})")["violations"]
        found[name] = ([each["id"] for each in violations], page.evaluate("document.documentElement.scrollWidth"))
        page.close()
    assert {name: each for name, each in found.items() if each != ([], 390)} == {}
