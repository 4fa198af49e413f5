"""The pages as a browser asks for them, and the checks that hold for every one of them."""

from typing import Any, Final

import httpx2
from html_page import Page

HTML: Final = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
FORM: Final = HTML | {
    "Content-Type": "application/x-www-form-urlencoded",
    "Sec-Fetch-Site": "same-origin",
    "Host": "127.0.0.1:8000",
}
"""The headers of a form that a page of the service sends."""

QUICK: Final = {"retries": 0, "ready_timeout_s": 600}
"""For modules that trouble a run."""


async def page(service: httpx2.AsyncClient, address: str, status: int = 200) -> Page:
    """The page at `address`, in which nothing is inline."""
    answer = await service.get(address, headers=HTML)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    found = Page(answer.text)
    assert not any(name.startswith("on") or name == "style" for _, *names in found.elements for name in names)
    assert {name for name, *names in found.elements if name == "script" and "src" not in names} == set()
    return found


async def says(service: httpx2.AsyncClient, address: str, *words: str) -> Page:
    """The page once it says all of these words.

    What happens is in the folder some milliseconds later, and a page reads the log of a run before the rest.
    """
    while True:
        found = await page(service, address)
        if all(each in found.text for each in words):
            return found


async def run(service: httpx2.AsyncClient, **scenario: Any) -> str:
    """The id of a run of the module alpha, or of another scenario, that is over."""
    asked = {"scenario_id": "demo", "modules": ["alpha"], **scenario}
    return str((await service.post("/plan_and_execute", json=asked)).json()["run_id"])
