from compose_stack import Stack
from html_page import Page
from local_service import HTTP

HTML = {"Accept": "text/html"}


def test_first_run_is_started_watched_and_reported_in_the_browser_alone(stack: Stack) -> None:
    assert "Example scenario" in Page(HTTP.get(f"{stack.url}/", headers=HTML).text).text
    fields = {"example": "all-modules", "seed": "42"}
    started = HTTP.post(f"{stack.url}/runs", data=fields, headers=HTML | {"Sec-Fetch-Site": "same-origin"})
    address = f"{stack.url}{started.headers['location']}"
    HTTP.get(f"{address}/events")
    text = Page(HTTP.get(address, headers=HTML).text).text
    report = HTTP.get(f"{address}/report.html")
    assert "6 of 6 steps completed" in text
    assert (report.status_code, "GDP growth" in report.text) == (200, True)
    assert HTTP.get(f"{stack.url}/assets/ops.js").status_code == 200
    assert "6 of 6 registered modules are ready" in Page(HTTP.get(f"{stack.url}/modules", headers=HTML).text).text
