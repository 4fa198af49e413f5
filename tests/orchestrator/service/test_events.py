"""The stream of a run's events over real sockets. The test writes the run, as a store does: the log first, then the feed."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from run_records import RUN_ID
from served_app import served

from ops_orchestrator.runs.event_stream import EventStream, Watcher
from ops_orchestrator.runs.feed import Line
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.service.head import HeadAsGet
from ops_orchestrator.service.problem import install_problem_handlers
from ops_orchestrator.service.routes.events import events_routes

PATH = f"/runs/{RUN_ID}/events"
Events = list[tuple[str, str]]


class CountedStream(EventStream):
    """Knows how many watch."""

    watching = 0

    @contextmanager
    def follow(self, run_id: str) -> Iterator[Watcher]:
        with super().follow(run_id) as watcher:
            self.watching += 1
            try:
                yield watcher
            finally:
                self.watching -= 1


class Run:
    """A run under way in this process, and the service that streams it."""

    def __init__(self, folder: Path, **bounds: int) -> None:
        self.is_active = True
        self.events = CountedStream(**bounds)
        self.log = folder / RUN_ID / "logs.jsonl"
        self.log.parent.mkdir(parents=True)
        self.log.touch()
        self._seq = 0

    def app(self, store: FolderStore, heartbeat_s: float = 600) -> FastAPI:
        app = FastAPI()
        app.add_middleware(HeadAsGet)
        install_problem_handlers(app)
        app.include_router(events_routes(store, self.events, lambda _: self.is_active, heartbeat_s))
        return app

    def write(self, *messages: str, status: str | None = None) -> None:
        """Write a line for each of `messages`, and with `status` the line that ends the run."""
        made = [self._line("step.retry", message=message) for message in messages]
        made += [self._line("run.ended", status=status)] if status else []
        with self.log.open("ab") as file:
            file.writelines(line.data for line in made)
        self.events.take(made)

    def _line(self, event: str, **fields: Any) -> Line:
        self._seq += 1
        data = json.dumps({"seq": self._seq, "event": event, **fields}, ensure_ascii=False, separators=(",", ":"))
        return Line(RUN_ID, self._seq, data.encode() + b"\n", event == "run.ended")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "runs")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    with closing(FolderStore.open(tmp_path / "runs")) as store:
        yield store


async def followed(url: str, seen: Callable[[], object] = lambda: None, **headers: str) -> Events:
    """Id and data of all events until the stream ends; `seen` is called with each."""
    events: Events = []
    async with httpx2.AsyncClient(timeout=None, verify=False) as client, client.sse(url + PATH, headers=headers) as source:
        async for event in source:
            if event.data:
                events.append((event.id, event.data))
                seen()
    return events


async def get(url: str, path: str = PATH, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=None, verify=False) as client:
        return await client.get(url + path, headers=headers)


def logged(run: Run) -> Events:
    """The lines of the log as the events that they are."""
    return [(str(at), line.decode()) for at, line in enumerate(run.log.read_bytes().splitlines(), 1)]


async def test_many_watchers_get_every_line_once_and_in_order_whenever_they_come(run: Run, store: FolderStore) -> None:
    async with served(run.app(store)) as url, asyncio.TaskGroup() as group:
        watchers = [group.create_task(followed(url)) for _ in range(10)]
        for number in range(100):
            await asyncio.to_thread(run.write, f"{number} a", f"{number} b")
            if number % 10 == 0:
                watchers.append(group.create_task(followed(url)))
        await asyncio.to_thread(run.write, status="completed")
    assert all(watcher.result() == logged(run) for watcher in watchers)
    assert run.events.watching == 0
