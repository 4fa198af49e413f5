"""Run folders that somebody changes while the service runs: what readers get, and what reading them costs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from local_service import HTTP
from reliability.damage import DAMAGE, OUTSIDE
from reliability.raw_caller import Victim, statuses
from reliability.service_home import ServiceHome, module_server

pytestmark = pytest.mark.slow

GET: Final = b"GET %b HTTP/1.1\r\nHost: localhost\r\nAccept: %b\r\nConnection: close\r\n\r\n"
READ: Final = (
    "",
    "/results",
    "/logs",
    "/events",
    "/artifacts",
    "/artifacts/inline/figures.csv",
    "/artifacts/inline/foreign",
    "/evidence",
    "/verification",
    "/report.html",
    "/ro-crate-metadata.json",
    "/archive",
)
"""What is read of each run, as JSON or file; the page of it as well."""


class Tampered:
    """A service, and a run of it for each way to change one."""

    def __init__(self, victim: Victim, folders: dict[str, Path]) -> None:
        self.victim = victim
        self.folders = folders

    def answers(self, folder: Path) -> Iterator[tuple[str, bytes]]:
        """What is answered, by address."""
        for path in READ:
            yield path, self.victim.ask(GET % (f"/runs/{folder.name}{path}".encode(), b"*/*"))
        yield "the page", self.victim.ask(GET % (f"/runs/{folder.name}".encode(), b"text/html"))


@pytest.fixture(scope="module")
def tampered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tampered]:
    with module_server() as modules:
        home = ServiceHome(tmp_path_factory.mktemp("tampered") / "home", modules)
        (home.folder / "outside").write_bytes(OUTSIDE)
        with home.serving() as (process, url):
            assert url is not None
            runs = [home.ask(url, "inline") for _ in DAMAGE]
            folders = {name: home.runs / run.run_id for name, run in zip(DAMAGE, runs, strict=True) if run is not None}
            whole = folders["none"]
            service = Tampered(Victim(process.pid, int(url.rpartition(":")[2]), f"/runs/{whole.name}"), folders)
            # What is loaded for the first readers is no cost of the others.
            assert {statuses(answer)[0] for path, answer in service.answers(whole) if "foreign" not in path} == {200}
            for name, folder in folders.items():
                DAMAGE[name](folder)
            yield service


def test_folder_that_was_changed_is_found_out_and_leads_nobody_outside(tampered: Tampered) -> None:
    assault = f"run folders changed in {len(DAMAGE) - 1} ways, each read at {len(READ) + 1} addresses"
    with tampered.victim.assaulted(assault, "found by the verification; nothing outside the store is read") as cost:
        answers = {name: dict(tampered.answers(folder)) for name, folder in tampered.folders.items()}
    unanswered = {(name, path) for name, found in answers.items() for path, answer in found.items() if not statuses(answer)}
    leaking = {(name, path) for name, found in answers.items() for path, answer in found.items() if OUTSIDE in answer}
    assert (unanswered, leaking) == (set(), set())
    assert {name for name, found in answers.items() if is_intact(found["/verification"])} == {"none"}
    # Nearly all of it is the longest line that a log may have.
    assert cost.mib < 256


def test_folder_that_was_changed_hides_no_other(tampered: Tampered) -> None:
    listed = HTTP.get(f"http://localhost:{tampered.victim.port}/runs", params={"limit": 500}).json()["runs"]
    assert {run["run_id"] for run in listed} == {folder.name for folder in tampered.folders.values()}


def is_intact(answer: bytes) -> bool:
    """Whether the verification found nothing; a run of which nothing can be said is not intact."""
    said: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return bool(said.get("intact"))
