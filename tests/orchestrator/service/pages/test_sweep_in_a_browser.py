"""The page of a sweep in a browser: it follows the sweep without a reload, and what somebody is in stays as it is."""

import json
from collections.abc import Iterator

import pytest
from browser import chromium
from local_service import HTTP, ROOT, service
from playwright.sync_api import Browser, expect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a service, and that of its policy simulator, which can be told to hang."""
    home = tmp_path_factory.mktemp("sweeps")
    words = ("ops-stubs", "serve", "policy-simulator", "--admin", "--port", "0")
    with service(home, *words) as (_, simulator):
        known = {"OPS_RUNS_DIR": str(home / "runs"), "POLICY_SIMULATOR_URL": simulator}
        with service(ROOT, "ops", "serve", "--port", "0", **known) as (_, served):
            yield served, simulator


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def test_sweep_is_started_watched_cancelled_and_gone_on_with(url: tuple[str, str], browser: Browser) -> None:
    served, simulator = url
    # All calls but two hang until they are given up, so that the sweep goes on for as long as the test looks at it.
    HTTP.put(f"{simulator}/__stub/faults", json={"faults": ["hang:skip=2"]}).raise_for_status()
    scenario = json.loads((ROOT / "examples/baseline.json").read_bytes()) | {"modules": ["policy-simulator"]}
    page = browser.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(f"{served}/sweeps/new")
    page.get_by_label("Input").first.fill("/policy_parameters/vat_rate")
    page.get_by_label("Values").first.fill("0.1, 0.2, 0.3, 0.4")
    page.get_by_label("Scenario as JSON").fill(json.dumps(scenario))
    page.get_by_role("button", name="Run the sweep").click()
    expect(page.locator("#verdict")).to_contain_text("of 4 runs completed")
    page.evaluate("window.isFirst = true")
    expect(page.locator("#verdict")).to_contain_text("2 of 4 runs completed")
    expect(page.locator("#live-figure svg.ch")).to_be_visible()
    assert page.evaluate("window.isFirst")
    page.get_by_role("button", name="Cancel the sweep").click()
    expect(page.locator("#verdict")).to_contain_text("cancelled")
    HTTP.put(f"{simulator}/__stub/faults", json={"faults": []}).raise_for_status()
    page.get_by_role("button", name="Go on with the 2 runs").click()
    # It ends while it is watched, and the page shows the end by itself.
    expect(page.locator("#verdict")).to_contain_text("4 of 4 runs completed.")
    page.locator("svg.ch a").first.click()
    page.wait_for_url("**/runs/run_*")
    page.close()
