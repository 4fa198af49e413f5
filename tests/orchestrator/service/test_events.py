"""The stream of a run's events over real sockets. The test writes the run, as a store does: the log first, then the feed."""

import asyncio
import json
import re
import socket
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from run_records import RUN_ID, record
from scripted_module import Gate, ScriptedModule, modules_yaml, transport
from served_app import served

from ops_orchestrator.runs.event_stream import EventStream, Watcher
from ops_orchestrator.runs.feed import Line
from ops_orchestrator.runs.log_reader import LogReader
from ops_orchestrator.runs.store.folder import FolderStore
from ops_orchestrator.service.app import create_app
from ops_orchestrator.service.head import HeadAsGet
from ops_orchestrator.service.problem import install_problem_handlers
from ops_orchestrator.service.routes.events import events_routes
from ops_orchestrator.settings import Settings

PATH = f"/runs/{RUN_ID}/events"
Events = list[tuple[str, str]]


class CountedStream(EventStream):
    """Knows how many watch, and how many ever did."""

    watching = 0
    watched = 0

    @contextmanager
    def follow(self, run_id: str) -> Iterator[Watcher]:
        with super().follow(run_id) as watcher:
            self.watching += 1
            self.watched += 1
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

        def is_active(_run_id: str) -> bool:
            return self.is_active

        app.include_router(events_routes(store, self.events, is_active, is_active, heartbeat_s))
        return app

    def write(self, *messages: str, status: str | None = None) -> None:
        """Write a line for each of `messages`, and with `status` the line that ends the run."""
        made = [self._line("step.retry", message=message) for message in messages]
        made += [self._line("run.ended", status=status)] if status else []
        self._log(made)
        self.events.take(made)

    def log_only(self, status: str) -> Line:
        """Write the line that ends the run, and tell nobody yet; returns it."""
        last = self._line("run.ended", status=status)
        self._log([last])
        return last

    def _log(self, lines: Sequence[Line]) -> None:
        with self.log.open("ab") as file:
            file.writelines(line.data for line in lines)

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


def logged(run: Run) -> Events:
    """The lines of the log as the events that they are."""
    return [(str(at), line.decode()) for at, line in enumerate(run.log.read_bytes().splitlines(), 1)]


async def followed(url: str, path: str = PATH, **headers: str) -> Events:
    """Id and data of all events until the stream ends."""
    events: Events = []
    async with httpx2.AsyncClient(timeout=None, verify=False) as client, client.sse(url + path, headers=headers) as source:
        async for event in source:
            if event.data:
                events.append((event.id, event.data))
    return events


async def watched(run: Run, by: int = 1) -> None:
    """Wait until so many watch the run."""
    while run.events.watching < by:  # noqa: ASYNC110  # another task makes it true
        await asyncio.sleep(0)


async def get(url: str, path: str = PATH, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=None, verify=False) as client:
        return await client.get(url + path, headers=headers)


@contextmanager
def unread(url: str) -> Iterator[socket.socket]:
    """A connection over which the stream was asked for, and on which the system takes little that nobody reads."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        connection.sendall(f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        yield connection


def read_to_the_end(connection: socket.socket) -> str:
    return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


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


class LateReader(LogReader):
    """A log to which lines are added while it is read: two that are read as well, and two after its end was seen."""

    def __init__(self, run: Run) -> None:
        super().__init__(RUN_ID, run.log.open("rb"))
        self._run = run
        self._reads = 0

    def read(self) -> list[Line]:
        self._reads += 1
        if self._reads <= 2:
            self._run.write("while it is read")
        lines = super().read()
        if not lines:
            self._run.write("after its end", status="completed")
            self._run.is_active = False
        return lines


class LateStore(FolderStore):
    """Opens the log of `late` as a LateReader."""

    late: Run

    def log(self, run_id: str) -> LogReader:
        assert run_id == RUN_ID
        return LateReader(self.late)


async def test_lines_that_are_written_while_the_log_is_read_come_once(run: Run, tmp_path: Path) -> None:
    with closing(LateStore.open(tmp_path / "runs")) as store:
        store.late = run
        async with served(run.app(store)) as url:
            assert await followed(url) == logged(run)
    assert len(logged(run)) == 4


async def test_run_that_is_over_gives_its_whole_log_and_ends(run: Run, store: FolderStore) -> None:
    run.write("a", "b", status="failed")
    run.is_active = False
    async with served(run.app(store)) as url:
        answer = await get(url)
        assert await followed(url) == logged(run)
    assert answer.text.endswith(f"data: {logged(run)[-1][1]}\n\n")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
    assert answer.headers["cache-control"] == "no-store"


async def test_log_of_a_resumed_run_is_given_beyond_its_first_end(run: Run, store: FolderStore) -> None:
    run.write("a", status="failed")
    run.write("b")
    async with served(run.app(store)) as url:
        watcher = asyncio.create_task(followed(url))
        await watched(run)
        run.write(status="completed")
        assert await watcher == logged(run)


async def test_last_line_comes_when_the_record_is_final(run: Run, store: FolderStore) -> None:
    def put_record(status: str) -> None:
        made = record(1, status=status).model_copy(update={"run_id": RUN_ID})
        (run.log.parent / "run.json").write_text(made.model_dump_json())

    async def follow(url: str) -> None:
        async with httpx2.AsyncClient(timeout=None) as client, client.sse(url + PATH) as source:
            statuses.extend([store.record(RUN_ID).status async for _ in source])

    put_record("running")
    run.write("a")
    last = run.log_only(status="completed")
    statuses: list[str] = []
    async with served(run.app(store)) as url, asyncio.TaskGroup() as group:
        group.create_task(follow(url))
        await watched(run)
        # While the service answers others, it would send the line, too.
        for _ in range(20):
            assert (await get(url, "/runs/another/events")).status_code == 404
        put_record("completed")
        run.events.take([last])
    assert statuses == ["running", "completed"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (PATH, {"Last-Event-ID": "2"}),
        (f"{PATH}?last_event_id=2", {}),
        (f"{PATH}?last_event_id=1", {"Last-Event-ID": "2"}),
    ],
)
async def test_stream_goes_on_after_the_last_event(run: Run, store: FolderStore, path: str, headers: dict[str, str]) -> None:
    run.write("a", "b", "c", status="completed")
    async with served(run.app(store)) as url:
        assert await followed(url, path=path, **headers) == logged(run)[2:]


async def test_caller_who_has_the_last_line_of_a_run_under_way_waits_for_the_next(run: Run, store: FolderStore) -> None:
    run.write("a", "b")
    async with served(run.app(store)) as url:
        watcher = asyncio.create_task(followed(url, **{"Last-Event-ID": "2"}))
        await watched(run)
        run.write(status="completed")
        assert await watcher == logged(run)[2:]


async def test_caller_who_has_the_last_line_of_a_run_that_is_over_need_not_come_again(run: Run, store: FolderStore) -> None:
    run.write("a", status="completed")
    async with served(run.app(store)) as url:
        answer = await get(url, **{"Last-Event-ID": "2"})
    assert (answer.status_code, answer.content) == (204, b"")


async def test_caller_who_has_more_than_the_log_is_given_its_last_line_again(run: Run, store: FolderStore) -> None:
    run.write("a", "b", status="interrupted")
    async with served(run.app(store)) as url:
        assert await followed(url, **{"Last-Event-ID": "7"}) == logged(run)[2:]


async def test_log_without_numbers_is_numbered_by_counting(run: Run, store: FolderStore) -> None:
    run.log.write_bytes(b'{"event":"run.started"}\nnot JSON\n{"event":"run.ended","status":"completed"}\n')
    async with served(run.app(store)) as url:
        assert [event[0] for event in await followed(url)] == ["1", "2", "3"]
        assert await followed(url, **{"Last-Event-ID": "2"}) == logged(run)[2:]
        assert (await get(url, **{"Last-Event-ID": "3"})).status_code == 204


@pytest.mark.parametrize("message", ["line\u2028separator", "next\u0085line", "tab\tand \u00e9 and \U0001f600", "x" * 300_000])
async def test_line_arrives_as_it_is_whatever_it_holds(run: Run, store: FolderStore, message: str) -> None:
    run.write(message, status="completed")
    async with served(run.app(store)) as url:
        events = await followed(url)
    assert json.loads(events[0][1])["message"] == message
    assert f"{events[0][1]}\n".encode() == run.log.read_bytes().splitlines(keepends=True)[0]


async def test_line_from_elsewhere_cannot_end_its_event(run: Run, store: FolderStore) -> None:
    run.log.write_bytes(b'{"a":\r1}\r\n{"event":"run.ended"}\r\n')
    async with served(run.app(store)) as url:
        assert await followed(url) == [("1", '{"a":\n1}'), ("2", '{"event":"run.ended"}')]


async def test_line_that_is_being_written_is_sent_when_it_is_whole(run: Run, store: FolderStore) -> None:
    run.write("a")
    whole = run.log.read_bytes()
    run.log.write_bytes(whole + b'{"seq":2,"eve')
    run.is_active = False
    async with served(run.app(store)) as url:
        assert await followed(url) == [("1", whole.decode().rstrip())]


async def test_run_that_another_process_executes_is_sent_as_far_as_it_is_written(run: Run, store: FolderStore) -> None:
    run.write("a")
    run.is_active = False
    async with served(run.app(store)) as url:
        answer = await get(url)
    assert "id: 1\n" in answer.text
    assert re.search(r"\n\nretry: \d+\n: .*this process does not execute the run\n\n$", answer.text)


async def test_heartbeats_come_while_nothing_happens_and_end_with_a_run_that_ends_without_a_line(
    run: Run, store: FolderStore
) -> None:
    parts = []
    async with (
        served(run.app(store, heartbeat_s=0.001)) as url,
        httpx2.AsyncClient(timeout=None, verify=False) as client,
        client.stream("GET", url + PATH) as answer,
    ):
        async for part in answer.aiter_bytes():
            parts.append(part)
            run.is_active = False
    assert parts[0].startswith(b": still there\n\n")
    assert b"does not execute the run" in parts[-1]


async def test_watcher_who_does_not_read_is_dropped_and_goes_on_where_it_was(tmp_path: Path) -> None:
    run = Run(tmp_path / "runs", most_waiting_lines=10)
    with closing(FolderStore.open(tmp_path / "runs")) as store:
        async with served(run.app(store), send_buffer=4096) as url, asyncio.TaskGroup() as group:
            reading = group.create_task(followed(url))
            with unread(url) as connection:
                await watched(run, by=2)
                for _ in range(50):
                    await asyncio.to_thread(run.write, "x" * 10_000)
                    # Its lines are not kept for the slow one: who reads gets each at once.
                    await asyncio.sleep(0)
                first = await asyncio.to_thread(read_to_the_end, connection)
            assert ": the stream ends here, since its lines are not read fast enough" in first
            ids = re.findall(r"^id: (\d+)$", first, re.MULTILINE)
            run.write(status="completed")
            rest = await followed(url, **{"Last-Event-ID": ids[-1]})
    assert [*ids, *(event[0] for event in rest)] == [event[0] for event in logged(run)]
    assert len(rest) > 1
    assert reading.done()


async def test_watcher_who_hangs_up_is_forgotten(run: Run, store: FolderStore) -> None:
    run.write("a")
    async with served(run.app(store)) as url:
        with unread(url) as connection:
            await watched(run)
            connection.shutdown(socket.SHUT_RDWR)
        while run.events.watching:  # noqa: ASYNC110  # another task makes it false
            await asyncio.sleep(0)


async def test_stream_of_a_service_that_stops_ends_after_the_lines_that_wait(run: Run, store: FolderStore) -> None:
    async with served(run.app(store)) as url:
        watcher = asyncio.create_task(followed(url))
        await watched(run)
        run.write("a", "b")
        run.events.close()
        assert await watcher == logged(run)
        run.write("c")
        assert await followed(url) == logged(run)


@pytest.mark.parametrize("value", ["-1", "one", "1.5", "1_0", "9" * 20])
async def test_last_event_that_is_not_a_number_is_refused(run: Run, store: FolderStore, value: str) -> None:
    async with served(run.app(store)) as url:
        answers = [await get(url, **{"Last-Event-ID": value}), await get(url, f"{PATH}?last_event_id={value}")]
    for answer, name in zip(answers, ("Last-Event-ID", "last_event_id"), strict=True):
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert answer.json()["errors"][0]["pointer"] == name


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("last_event_di=2", "is not a parameter of this stream; did you mean 'last_event_id'?"),
        ("x=1", "is not a parameter of this stream; it takes last_event_id"),
        ("last_event_id=1&last_event_id=2", "is given more than once"),
    ],
)
async def test_parameter_that_the_stream_would_pass_over_is_refused(
    run: Run, store: FolderStore, query: str, detail: str
) -> None:
    async with served(run.app(store)) as url:
        answer = await get(url, f"{PATH}?{query}")
    assert (answer.status_code, answer.json()["errors"]) == (422, [{"pointer": query.partition("=")[0], "detail": detail}])


async def test_last_event_that_is_given_twice_is_refused(run: Run, store: FolderStore) -> None:
    async with served(run.app(store)) as url, httpx2.AsyncClient(timeout=None, verify=False) as client:
        answer = await client.get(url + PATH, headers=[("Last-Event-ID", "1"), ("Last-Event-ID", "2")])
    assert answer.json()["errors"] == [{"pointer": "Last-Event-ID", "detail": "is given more than once"}]


async def test_run_that_is_not_there_or_is_damaged_is_a_problem_document(run: Run, store: FolderStore) -> None:
    run.log.unlink()
    run.log.symlink_to("/etc/passwd")
    async with served(run.app(store)) as url:
        missing = await get(url, "/runs/run_2026-01-01T00-00-00Z_000000/events")
        damaged = await get(url)
    assert (missing.status_code, missing.json()["detail"][:16]) == (404, "There is no run ")
    assert (damaged.status_code, damaged.json()["type"]) == (500, "urn:openpolicystack:problem:damaged-run")


async def test_head_says_what_get_would_and_ends(run: Run, store: FolderStore) -> None:
    async with served(run.app(store)) as url, httpx2.AsyncClient(timeout=None, verify=False) as client:
        answer = await client.head(url + PATH)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
    assert "content-length" not in answer.headers
    assert run.events.watched == 0


async def test_large_log_is_not_held_in_memory(run: Run, store: FolderStore) -> None:
    run.write(*["x" * 2000] * 4000, status="completed")
    read = 0
    async with (
        served(run.app(store)) as url,
        httpx2.AsyncClient(timeout=None, verify=False) as client,
        client.stream("GET", url + PATH) as answer,
    ):
        tracemalloc.start()
        async for part in answer.aiter_raw():
            read += len(part)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert read > 8_000_000
    assert peak < 2_000_000


async def test_stream_goes_on_deep_in_a_large_log(run: Run, store: FolderStore) -> None:
    run.write(*["x" * 2000] * 1000, status="completed")
    async with served(run.app(store)) as url:
        assert await followed(url, **{"Last-Event-ID": "998"}) == logged(run)[998:]


async def test_events_of_a_run_come_while_it_is_under_way(tmp_path: Path) -> None:
    gate, alpha = Gate(), ScriptedModule()
    alpha.answers = [gate]
    (tmp_path / "modules.yaml").write_text(modules_yaml(["alpha"]))
    settings = Settings(modules_file=tmp_path / "modules.yaml", runs_dir=tmp_path / "runs", _env_file=None)
    seen = []
    async with served(create_app(settings, transport(alpha))) as url, httpx2.AsyncClient(timeout=None, verify=False) as client:
        body, prefer = {"scenario_id": "demo", "modules": ["alpha"]}, {"Prefer": "respond-async"}
        started = await client.post(f"{url}/plan_and_execute", json=body, headers=prefer)
        async with client.sse(f"{url}/runs/{started.json()['run_id']}/events") as source:
            async for event in source:
                seen.append(json.loads(event.data)["event"])
                if seen[-1] == "module.ready":
                    assert not gate.opened.is_set()
                    gate.opened.set()
    assert seen == ["run.queued", "run.started", "step.started", "module.ready", "step.completed", "run.ended"]
