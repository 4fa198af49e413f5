"""The HTML report and the badge as people see them, in a browser that has no network."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from browser import chromium
from local_service import command, service
from playwright.sync_api import Browser, Page, Request, Route

pytestmark = pytest.mark.slow

BROKEN = ("OPS-ART-003", "OPS-VER-001", "OPS-EXE-007")
CHOSEN = (*BROKEN, "OPS-VER-002", "OPS-EXE-001", "OPS-ART-00[12]", "OPS-CTR-001")

# The smallest contrast of any text that is shown, by WCAG 2, against the nearest background behind it.
SMALLEST_CONTRAST = """() => {
    const channels = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = element => {
        const own = channels(getComputedStyle(element).backgroundColor);
        return own.length < 4 || own[3] > 0 ? own : behind(element.parentElement);
    };
    const contrasts = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
        const [one, other] = [light(channels(getComputedStyle(element).color)), light(behind(element))];
        contrasts.push((Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05));
    }
    return Math.min(...contrasts);
}"""


@dataclass
class Seen:
    """What a page did besides being shown."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of a stub that breaks three requirements."""
    made = tmp_path_factory.mktemp("reports")
    with service(made, "ops-stubs", "serve", "monitor", "--violate", ",".join(BROKEN), "--port", "0") as (_, url):
        selection = [word for identifier in CHOSEN for word in ("--select", identifier)]
        words = [command("ops-contract"), "check", url, "--html", "report.html", "--badge", "badge.svg", *selection]
        assert subprocess.run(words, cwd=made, capture_output=True, check=False).returncode == 1
    return made


@pytest.fixture
def file(folder: Path) -> Path:
    return folder / "report.html"


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[400, 1280])
def opened(request: pytest.FixtureRequest, browser: Browser, file: Path, scheme: str) -> Iterator[Seen]:
    """The report, opened from its file at a width and in a colour scheme."""
    viewport = {"width": request.param, "height": 900}
    context = browser.new_context(color_scheme=scheme, viewport=viewport, offline=True)  # type: ignore[arg-type]  # as playwright has it
    seen = Seen(context.new_page())

    def note(asked: Request) -> None:
        seen.requests.append(asked.url)

    def refuse(route: Route) -> None:
        seen.complaints.append(route.request.url)
        route.abort()

    seen.page.on("request", note)
    seen.page.on("console", lambda message: seen.complaints.append(message.text))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    context.route(lambda url: not url.startswith("file:"), refuse)
    seen.page.goto(file.as_uri())
    yield seen
    context.close()


def test_report_is_read_without_network_at_any_width_in_any_scheme(opened: Seen, file: Path) -> None:
    page = opened.page
    for closed in page.locator("details").all():
        closed.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate(SMALLEST_CONTRAST) >= 4.5
    assert (opened.requests, opened.complaints) == ([file.as_uri()], [])


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    """The report at a desk."""
    opened = browser.new_page()
    opened.goto(file.as_uri())
    yield opened
    opened.close()


def test_summary_comes_first_then_failures_then_everything(page: Page) -> None:
    assert page.locator("h1").inner_text() == "monitor: not compliant"
    assert page.locator(".tile").all_inner_texts() == ["2\n✗ failed", "1\n! warning", "4\n✓ passed", "1\n- not applicable"]
    titles = ["Failures", "Warnings", "All requirements", "What each requirement means"]
    assert page.locator("h1, h2").all_inner_texts()[1:] == titles
    tops = [page.locator(place).first.bounding_box()["y"] for place in (".tiles", "#failures", "#all")]  # type: ignore[index]  # shown
    assert tops == sorted(tops)
    assert tops[1] < 900


def test_failed_requirement_opens_with_command_and_shows_the_remedy(page: Page) -> None:
    page.get_by_role("link", name="OPS-ART-003").click()
    failure = page.locator("article:target")
    assert "Hash exactly the bytes that you send" in failure.locator("dd.remedy").inner_text()
    assert not failure.locator("pre").first.is_visible()
    failure.locator("summary").click()
    assert failure.locator("pre").first.inner_text().startswith("curl -sS -i http://127.0.0.1:")
    assert '  "status": "success",' in failure.locator("pre").last.inner_text()


def test_verdicts_choose_the_rows(page: Page) -> None:
    rows = page.locator(".all tbody tr")
    page.locator("label", has_text="failed").click()
    assert [row.locator(".id").inner_text() for row in rows.all() if row.is_visible()] == ["OPS-VER-001", "OPS-ART-003"]
    page.locator("label", has_text="all ").click()
    assert all(row.is_visible() for row in rows.all())


def test_badge_neither_spreads_nor_squeezes_its_words(browser: Browser, folder: Path) -> None:
    page = browser.new_page()
    page.goto((folder / "badge.svg").as_uri())
    wanted, natural = page.evaluate("""() => {
        const texts = [...document.querySelectorAll('text')];
        const wanted = texts.map(text => text.textLength.baseVal.value);
        texts.forEach(text => text.removeAttribute('textLength'));
        return [wanted, texts.map(text => text.getComputedTextLength())];
    }""")
    page.close()
    assert [one / other for one, other in zip(wanted, natural, strict=True)] == pytest.approx([1, 1], abs=0.12)
