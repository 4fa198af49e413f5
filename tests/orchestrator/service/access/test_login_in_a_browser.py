"""The login in a browser: without script, in both colours, by address and by name, and pages that live on the cookie."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from api_keys import bearer, make_key, revoke
from axe_playwright_python.base import AXE_FILE_PATH
from browser import chromium
from held_module import HeldModule, held_module
from local_service import HTTP, service
from playwright.sync_api import Browser, BrowserContext, Page, expect
from scripted_module import modules_yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

AXE = AXE_FILE_PATH.read_text()
NAME = "ops.example"


class Home(NamedTuple):
    """A service, by its address and by its name, the file of its keys, and a module that answers when it may."""

    url: str
    keys: Path
    module: HeldModule

    @property
    def named(self) -> str:
        """Where a browser does not say of a request from which page it comes, but for the address of the page."""
        return f"http://{NAME}:{self.url.rpartition(':')[2]}"

    def start(self, token: str) -> str:
        """The path of a run whose module is thinking."""
        headers = bearer(token) | {"Prefer": "respond-async"}
        body = {"scenario_id": "demo", "modules": ["alpha"]}
        run_id = HTTP.post(f"{self.url}/plan_and_execute", json=body, headers=headers).json()["run_id"]
        self.module.asked.get()
        return f"/runs/{run_id}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("home")
    make_key(folder / "keys.json", "nobody")
    with held_module() as module:
        registered = modules_yaml(["alpha"], ready_timeout_s=30, timeout_s=300)
        (folder / "modules.yaml").write_text(registered.replace("http://alpha.test", module.url))
        variables = {"OPS_API_KEYS_FILE": "keys.json", "OPS_ALLOWED_HOSTS": NAME}
        with service(folder, "ops", "serve", "--port", "0", **variables) as (_, url):
            yield Home(url, folder / "keys.json", module)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(f"--host-resolver-rules=MAP {NAME} 127.0.0.1") as running:
        yield running


def fill(page: Page, token: str) -> None:
    page.get_by_label("API key").fill(token)
    page.get_by_role("button", name="Log in").click()


def violations(page: Page) -> list[str]:
    found = page.evaluate(f"{AXE}; axe.run(document, {{resultTypes: ['violations']}})")
    return [f"{each['id']}: {node['html'][:200]}" for each in found["violations"] for node in each["nodes"]]


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(java_script_enabled=False)
    yield made
    made.close()


@pytest.mark.parametrize("by_name", [False, True], ids=["by address", "by name"])
def test_person_without_script_logs_in_starts_a_run_and_logs_out(home: Home, context: BrowserContext, by_name: bool) -> None:
    token, base = make_key(home.keys, f"anna-{by_name}", "run"), home.named if by_name else home.url
    page = context.new_page()
    page.goto(f"{base}/runs/new?example=baseline")
    expect(page).to_have_title("Log in · OpenPolicyStack")
    fill(page, "ops_wrong")
    expect(page.get_by_role("alert")).to_contain_text("The key is not valid")
    fill(page, token)
    expect(page).to_have_url(f"{base}/runs/new?example=baseline")
    page.get_by_label("Scenario as JSON").fill(json.dumps({"scenario_id": "demo", "modules": ["alpha"]}))
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("demo")
    home.module.asked.get()
    cookies = context.cookies()
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_title("Log in · OpenPolicyStack")
    page.goto(f"{base}/")
    expect(page).to_have_title("Log in · OpenPolicyStack")
    context.add_cookies([{"name": each["name"], "value": each["value"], "url": base} for each in cookies])
    page.goto(f"{base}/")
    expect(page).to_have_title("Log in · OpenPolicyStack")


def test_live_page_and_its_files_come_with_the_cookie_and_end_with_the_key(home: Home, browser: Browser) -> None:
    token = make_key(home.keys, "lena", "run")
    run = home.start(token)
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{home.url}{run}")
    fill(page, token)
    expect(page.locator("#connection")).to_contain_text("Connected")
    assert page.request.get(f"{home.url}{run}/logs").ok
    revoke(home.keys, "lena")
    # The stream ends with its next event, and the page is loaded again.
    home.module.opened.set()
    expect(page).to_have_title("Log in · OpenPolicyStack")
    context.close()
    home.module.opened.clear()


def test_link_from_another_site_finds_the_browser_logged_in(home: Home, browser: Browser, tmp_path: Path) -> None:
    token = make_key(home.keys, "mia", "read")
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{home.url}/")
    fill(page, token)
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    other = tmp_path / "other.html"
    other.write_text(f'<a href="{home.url}/modules">the modules</a>')
    page.goto(other.as_uri())
    page.get_by_role("link", name="the modules").click()
    expect(page).to_have_title("Modules · OpenPolicyStack")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(home: Home, browser: Browser, scheme: str) -> None:
    token = make_key(home.keys, f"rita-{scheme}", "read")
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{home.url}/sweeps")
    for step in (None, "ops_wrong", token):
        if step is not None:
            fill(page, step)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    page.close()
