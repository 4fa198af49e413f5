"""The stream of a run's events, as a page in a browser reads it."""

from pathlib import Path

import pytest
from browser import chromium
from local_service import HTTP, service
from scripted_module import modules_yaml

READ = """(path) => new Promise((done) => {
    const source = new EventSource(path);
    const events = [];
    source.onmessage = (message) => events.push([message.lastEventId, message.data]);
    source.onerror = () => source.readyState === EventSource.CLOSED && done(events);
})"""


@pytest.mark.slow
def test_page_gets_every_line_once_and_does_not_come_again_after_the_last(tmp_path: Path) -> None:
    (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha"]).replace("alpha.test", "127.0.0.1:1"))
    with service(tmp_path, "ops", "serve", "--port", "0") as (_, url), chromium() as browser:
        run_id = HTTP.post(f"{url}/plan_and_execute", json={"scenario_id": "demo", "modules": ["alpha"]}).json()["run_id"]
        page = browser.new_page()
        answers: list[tuple[str, int]] = []
        page.goto(f"{url}/docs")
        page.on("response", lambda answer: answers.append((answer.url, answer.status)))
        events = page.evaluate(READ, f"/runs/{run_id}/events")
    lines = (tmp_path / "runs" / run_id / "logs.jsonl").read_text().splitlines()
    assert events == [[str(number), line] for number, line in enumerate(lines, 1)]
    assert [status for address, status in answers if address.endswith("/events")] == [200, 204]
