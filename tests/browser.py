"""Debian's Chromium, as tests start it: without a screen, and without a word to anybody."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

RULES_OF_COLOURS: Final = (
    "{resultTypes: ['violations'], runOnly: {type: 'rule', values: ['color-contrast', 'link-in-text-block']}}"
)
"""For `axe.run` on a page that was looked at in another colour scheme: no other of its usual rules looks at colours."""

# On a busy machine a page takes its time; the usual limit is five seconds.
expect.set_options(timeout=120_000)

_SILENT: Final = (
    "--no-sandbox",  # which Chromium cannot have when root starts it
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium(*options: str) -> Iterator[Browser]:
    """A running browser, started with more `options`. Without Chromium the test is skipped, in CI it fails."""
    program = shutil.which("chromium")
    if program is None:
        told = "there is no chromium; install Debian's package of that name, or run .ci/install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*_SILENT, *options])
        yield browser
        browser.close()
