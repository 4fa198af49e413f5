"""`make shots`: makes the pictures of all pages again, in `pages/` beside this file, from runs of the examples.

Each page is taken at its top, light and as wide as a desk has room for; some are taken dark, or on a phone, too.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

import numpy as np
from browser import chromium
from local_service import HTTP, ROOT
from PIL import Image
from playwright.sync_api import Browser, Page
from sample_pages import Stack, live_run, sample_stack

FOLDER: Final = Path(__file__).with_name("pages")
WIDE: Final = {"width": 1280, "height": 800}
PHONE: Final = {"width": 390, "height": 844}
MOST_PIXELS_HIGH: Final = 1200
COLOURS: Final = 256

RATES: Final = [0.05, 0.1, 0.15, 0.18, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45]
SEEDS: Final = 5
OTHER_EXAMPLES: Final = ("all-modules", "vat-lowered", "other-country")

DARK: Final = ("runs", "live run", "run", "compare", "sweep", "api")
ON_A_PHONE: Final = ("runs", "live run", "run", "compare", "sweep")

COMPLETE: Final = {"api": ".opblock-summary-control", "live run": "#live-figures table"}
"""What a page has when its script has drawn it; any other is complete when it is loaded."""

IMAGES: Final = "[...document.images].every((image) => image.complete && image.naturalWidth > 0)"
HEIGHT: Final = "document.documentElement.scrollHeight"


@dataclass(frozen=True)
class Shot:
    """One picture: the page's name and address, and how it is looked at."""

    name: str
    address: str
    how: Literal["light", "dark", "phone"]

    @property
    def file(self) -> Path:
        """Where the picture is kept."""
        end = "" if self.how == "light" else f"-{self.how}"
        return FOLDER / f"{self.name.replace(' ', '-')}{end}.png"


def main() -> None:
    """Write all pictures, and remove those of pages that there are no longer."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        written = [take(browser, shot) for shot in shots(Path(folder))]
    for left in set(FOLDER.glob("*.png")) - set(written):
        left.unlink()
    print(f"{len(written)} pictures, {sum(file.stat().st_size for file in written) / 1e6:.1f} MB, are in {FOLDER}")  # noqa: T201


def shots(home: Path) -> Iterator[Shot]:
    """All pictures, each while what it shows is there."""
    with sample_stack(home, RATES, SEEDS) as stack:
        for name in OTHER_EXAMPLES:
            scenario = json.loads((ROOT / "examples" / f"{name}.json").read_bytes())
            HTTP.post(f"{stack.url}/plan_and_execute", json=scenario).raise_for_status()
        with live_run(stack) as address:
            yield from of_page("live run", address)
        for name, address in stack.addresses.items():
            yield from of_page(name, address)
        yield from of_page("api", f"{stack.url}/docs")
        yield from of_page("report of a run", report(stack, home).as_uri())


def of_page(name: str, address: str) -> Iterator[Shot]:
    """The pictures of one page."""
    yield Shot(name, address, "light")
    if name in DARK:
        yield Shot(name, address, "dark")
    if name in ON_A_PHONE:
        yield Shot(name, address, "phone")


def report(stack: Stack, home: Path) -> Path:
    """The report of a run as a file, which is opened without the service."""
    file = home / "report.html"
    file.write_bytes(HTTP.get(f"{stack.url}{stack.pages['run']}/report.html").raise_for_status().content)
    return file


def take(browser: Browser, shot: Shot) -> Path:
    """Take one picture; returns its file."""
    with opened(browser, shot) as page:
        if shot.name in COMPLETE:
            page.locator(COMPLETE[shot.name]).first.wait_for()
        page.wait_for_function(IMAGES)
        size = page.viewport_size or WIDE
        high = min(page.evaluate(HEIGHT), MOST_PIXELS_HIGH)
        content = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": size["width"], "height": high})
    with_palette(Image.open(BytesIO(content)).convert("RGB")).save(shot.file, optimize=True)
    return shot.file


def with_palette(picture: Image.Image) -> Image.Image:
    """The picture with its most frequent colours as they are, which are those of the page, and the nearest for all others.

    Pillow's own palettes lose the colours of small marks, or those of large plain fields. The file is half as large.
    """
    numbers = np.asarray(picture).astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    found, which, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    colours = np.stack((found >> 16, found >> 8 & 255, found & 255), axis=1)
    kept = colours[np.argsort(-counts, kind="stable")[:COLOURS]]
    nearest = [((kept - colour) ** 2).sum(axis=1).argmin() for colour in colours]
    made = Image.fromarray(np.array(nearest, np.uint8)[which.ravel()].reshape(picture.height, picture.width), "P")
    made.putpalette(kept.astype(np.uint8).tobytes())
    return made


@contextmanager
def opened(browser: Browser, shot: Shot) -> Iterator[Page]:
    """The page as it is looked at."""
    scheme: Literal["light", "dark"] = "dark" if shot.how == "dark" else "light"
    size = PHONE if shot.how == "phone" else WIDE
    page = browser.new_page(color_scheme=scheme, viewport=size, reduced_motion="reduce")  # type: ignore[arg-type]  # a TypedDict
    page.set_default_timeout(120_000)
    page.goto(shot.address)
    yield page
    page.close()


if __name__ == "__main__":
    main()
