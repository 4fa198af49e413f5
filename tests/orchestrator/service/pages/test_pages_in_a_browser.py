"""The pages in a browser: nothing that axe finds, nothing blocked, nothing that scrolls sideways, and a run that is live."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from browser import RULES_OF_COLOURS, chromium
from local_service import HTTP
from playwright.sync_api import Browser, Page, expect
from sample_pages import Stack, live_run, sample_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

AXE = AXE_FILE_PATH.read_text()
RULES = "{resultTypes: ['violations']}"
# What a mouse can use and a keyboard has to reach. Points of charts are left out: a table leads to the same runs.
CONTROLS = """[...document.querySelectorAll("main :is(a[href], button, input, select, textarea, summary), header a")]
    .filter((one) => one.checkVisibility() && !one.disabled && !one.closest("svg"))"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with sample_stack(tmp_path_factory.mktemp("pages")) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def opened(browser: Browser, address: str, **options: Any) -> Page:
    """The page, in which nothing was blocked and no script failed."""
    page = browser.new_page(**options)
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.on("console", lambda message: pytest.fail(message.text) if "Content Security Policy" in message.text else None)
    page.goto(address)
    return page


def violations(page: Page, rules: str = RULES) -> list[str]:
    page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate(f"axe.run(document, {rules})")
    return [f"{each['id']}: {node['html'][:200]}" for each in found["violations"] for node in each["nodes"]]


def test_axe_finds_nothing_on_any_page_and_no_colours_to_change_in_the_dark(stack: Stack, browser: Browser) -> None:
    found = {}
    for name, address in stack.addresses.items():
        page = opened(browser, address, color_scheme="light")
        for details in page.locator("details").all():
            details.evaluate("each => each.open = true")
        found[name] = violations(page)
        page.emulate_media(color_scheme="dark")
        found[name] += violations(page, RULES_OF_COLOURS)
        page.close()
    assert {name: each for name, each in found.items() if each} == {}


def test_no_page_scrolls_sideways_on_a_phone(stack: Stack, browser: Browser) -> None:
    wide = {}
    for name, address in stack.addresses.items():
        page = opened(browser, address, viewport={"width": 390, "height": 844})
        wide[name] = page.evaluate("document.documentElement.scrollWidth")
        page.close()
    assert {name: width for name, width in wide.items() if width > 390} == {}


@pytest.mark.parametrize("name", ["run", "failed run"])
def test_report_opened_from_disk_loads_nothing(stack: Stack, browser: Browser, tmp_path: Path, name: str) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(HTTP.get(f"{stack.url}{stack.pages[name]}/report.html").content)
    page = browser.new_page(viewport={"width": 390, "height": 844})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 100)")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert [address for address in asked if not address.startswith("data:")] == [file.as_uri()]
    assert violations(page) == []
    assert len(page.pdf()) > 10_000
    page.close()


def test_printed_page_has_no_navigation_no_forms_and_keeps_what_colours_say(stack: Stack, browser: Browser) -> None:
    for name in ("run", "compare", "sweep"):
        page = opened(browser, stack.addresses[name])
        page.emulate_media(media="print", color_scheme="dark")
        for hidden in page.locator("nav, button, input, .skip").all():
            expect(hidden).not_to_be_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        marks = ".sd, .synth, .mini"
        kept = page.locator(marks).evaluate_all("each => each.map((one) => getComputedStyle(one).printColorAdjust)")
        assert set(kept) == {"exact"}
        page.close()


def test_run_is_watched_cancelled_and_run_again(stack: Stack, browser: Browser) -> None:
    HTTP.put(f"{stack.module}/__stub/faults", json={"faults": ["hang:first=1"]}).raise_for_status()
    page = opened(browser, f"{stack.url}/")
    page.get_by_label("Example scenario").select_option("baseline")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Step 2 of 2, strategy-agent")
    expect(page.locator("#live-figures")).to_contain_text("GDP growth")
    expect(page.locator("#log")).to_contain_text("step policy-simulator completed")
    expect(page.locator("#connection")).to_contain_text("Connected")
    assert violations(page) == []
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.locator(".verdict")).to_contain_text("cancelled")
    page.get_by_role("button", name="Run again").click()
    expect(page.locator(".verdict")).to_contain_text("2 of 2 steps completed")
    page.close()


def test_page_of_a_run_that_ended_before_its_stream_was_opened_shows_the_end(stack: Stack, browser: Browser) -> None:
    page = browser.new_page()
    page.route("**/events*", lambda route: route.fulfill(status=204))
    with live_run(stack) as address:
        page.goto(address)
    expect(page.locator(".verdict")).to_contain_text("cancelled")
    page.close()


def test_everything_works_without_script(stack: Stack, browser: Browser) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{stack.url}/")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/run_*")
    expect(page.locator(".verdict")).to_contain_text("2 of 2 steps completed")
    page.close()


def test_tab_reaches_every_control_of_every_page(stack: Stack, browser: Browser) -> None:
    missed = {}
    for name, address in stack.addresses.items():
        page = opened(browser, address)
        left = page.evaluate(f"left = new Set({CONTROLS}); left.size")
        # Regions that scroll are stops too, and a date has one for each of its parts.
        for _ in range(2 * left + 20):
            page.keyboard.press("Tab")
            if page.evaluate("left.delete(document.activeElement), left.size") == 0:
                break
        missed[name] = page.evaluate("[...left].map((one) => one.outerHTML.slice(0, 200))")
        page.close()
    assert {name: each for name, each in missed.items() if each} == {}


def test_keyboard_alone_chooses_runs_and_compares_them(stack: Stack, browser: Browser) -> None:
    page = opened(browser, f"{stack.url}/?status=completed")
    boxes = page.locator('input[name="run"]')
    for at in (0, 1):
        boxes.nth(at).focus()
        page.keyboard.press("Space")
    expect(page.locator("#chosen")).to_contain_text("2 selected")
    page.get_by_role("button", name="Compare selected").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare 2 runs")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.close()
