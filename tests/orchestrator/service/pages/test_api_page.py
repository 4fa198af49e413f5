"""The page of the API: it stands beside the others, asks the service alone, and sends the calls that it shows."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_keys import bearer, make_key
from axe_playwright_python.base import AXE_FILE_PATH
from browsed_pages import HTML, page
from browser import chromium
from local_service import HTTP, service
from playwright.sync_api import Browser, BrowserContext, Page, expect
from scripted_module import ScriptedModule, StartService, modules_yaml

in_a_browser = pytest.mark.slow
CALLS = ".opblock-summary-control"
METHODS = {"get", "post", "put", "delete", "patch"}


@pytest.mark.parametrize("accept", ["application/json", "*/*", ""])
async def test_page_is_for_everybody(start_service: StartService, accept: str) -> None:
    async with start_service(ScriptedModule()) as service:
        shown = await service.get("/docs", headers={"Accept": accept})
    assert (shown.status_code, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")


async def test_page_has_the_head_of_all_pages_and_its_files_are_the_service_s(start_service: StartService) -> None:
    async with start_service(ScriptedModule()) as service:
        shown = await page(service, "/docs")
        policy = (await service.get("/docs", headers=HTML)).headers["content-security-policy"]
        files = [*shown.addresses, *re.findall(r"/assets/[a-z-]+\.css", shown.source)]
        answers = {file: (await service.get(file, headers=HTML)).status_code for file in files if not file.startswith("#")}
    assert {"/", "/compare", "/modules", "/openapi.json", "/assets/swagger-ui.css", "/assets/api.css"} <= set(answers)
    assert set(answers.values()) == {200}
    assert ("img-src 'self' data:;" in policy, "unsafe" in policy) == (True, False)


@pytest.mark.parametrize("address", ["/redoc", "/docs/swagger-ui.css", "/assets/swagger-ui.js"])
async def test_there_is_no_other_page_of_the_api(start_service: StartService, address: str) -> None:
    async with start_service(ScriptedModule()) as service:
        assert (await service.get(address)).status_code == 404


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home: Path = tmp_path_factory.mktemp("api")
    (home / "modules.yaml").write_text(modules_yaml(["alpha"]))
    with service(home, "ops", "serve", "--port", "0") as (_, address):
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def opened(browser: Browser | BrowserContext, url: str, **options: Any) -> tuple[Page, list[str]]:
    """The page with its calls, and what its console says."""
    shown = browser.new_page(**options)
    said: list[str] = []
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.goto(f"{url}/docs")
    expect(shown.locator(CALLS).first).to_be_visible(timeout=60_000)
    return shown, said


@in_a_browser
def test_page_shows_every_call_and_sends_one_without_a_network(browser: Browser, url: str) -> None:
    described = HTTP.get(f"{url}/openapi.json").json()["paths"].values()
    asked: list[str] = []
    with browser.new_context() as context:
        context.on("request", lambda request: asked.append(request.url))
        shown, said = opened(context, url)
        assert shown.locator(CALLS).count() == sum(len(METHODS & set(path)) for path in described)
        shown.locator(CALLS, has_text="/health").click()
        shown.get_by_role("button", name="Try it out").click()
        shown.get_by_role("button", name="Execute", exact=True).click()
        expect(shown.locator(".live-responses-table .highlight-code").first).to_contain_text('"status": "ok"')
        expect(shown.get_by_text("A script draws")).not_to_be_visible()
    assert said == []
    assert f"{url}/health" in asked
    assert [address for address in asked if not address.startswith((url, "data:"))] == []


@in_a_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_accessible(browser: Browser, url: str, scheme: str) -> None:
    shown, _ = opened(browser, url, color_scheme=scheme)
    assert shown.locator("main").count() == 1
    shown.evaluate(AXE_FILE_PATH.read_text())
    # Swagger draws buttons within buttons, which is not ours to change.
    found = shown.evaluate("axe.run(document, {resultTypes: ['violations'], rules: {'nested-interactive': {enabled: false}}})")
    assert [(each["id"], node["html"]) for each in found["violations"] for node in each["nodes"]] == []
    shown.close()


@in_a_browser
def test_calls_scroll_sideways_on_a_phone_and_nothing_else_does(browser: Browser, url: str) -> None:
    shown, _ = opened(browser, url, viewport={"width": 390, "height": 844})
    shown.locator(CALLS).first.click()
    expect(shown.get_by_role("button", name="Try it out")).to_be_visible()
    assert shown.evaluate("document.documentElement.scrollWidth") == 390
    shown.close()


@in_a_browser
def test_page_says_what_to_read_where_no_script_runs(browser: Browser, url: str) -> None:
    shown = browser.new_page(java_script_enabled=False)
    shown.goto(f"{url}/docs")
    expect(shown.get_by_text("Where none runs, openapi.json says the same")).to_be_visible()
    shown.close()


@in_a_browser
def test_page_asks_nobody_for_the_key_that_it_was_opened_with(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha"]))
    key = bearer(make_key(tmp_path / "keys.json", "anna"))
    with service(tmp_path, "ops", "serve", "--port", "0", OPS_API_KEYS_FILE="keys.json") as (_, url):
        shown, said = opened(browser, url, extra_http_headers=key)
        assert shown.locator("[aria-label^='authorization']").count() == 0
        shown.close()
    assert said == []
