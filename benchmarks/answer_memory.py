"""What an answer of N bytes costs the orchestrator: peak memory against 12 N + 32 MiB, and time. Run it with `make bench`.

Each body goes through a whole run in a process of its own, and the peak is that of this process less what it took before:
received, read, judged, hashed, written to the run folder, passed on to a second step, and answered to the caller. Hostile
bodies are shaped for that: many values in few bytes, long texts, deep nesting, and more of everything than is allowed. Times
are of one round and of a machine that may be busy; compare them with that of `json.loads` alone.
"""

import argparse
import asyncio
import gc
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import structlog
from fastapi import FastAPI

from ops_contract import MAX_VALUES, sha256_hex
from ops_orchestrator.modules.transport import BoundedChunks, Response
from ops_orchestrator.service.app import create_app
from ops_orchestrator.settings import Settings

MIB: Final = 1024 * 1024
FACTOR: Final = 12
MOST_REQUEST_VALUES: Final[int] = Settings.model_fields["max_request_values"].default
ALLOWANCE: Final = 32 * MIB
LARGEST: Final = 16 * MIB - 1024
REQUEST: Final = b'{"scenario_id": "bench", "modules": ["alpha", "beta"]}'
HEALTH: Final = b'{"status": "ok", "module": "%b", "version": "1"}'
HEAD: Final = b'{"status": "success", "module": "alpha", "outputs": {"x": '
BETA: Final = b'{"status": "success", "module": "beta", "outputs": {}}'
CONTRACT: Final = """\
modules:
  alpha: {url: "http://alpha.test"}
  beta: {url: "http://beta.test"}
"""
ADAPTED: Final = """\
modules:
  alpha: {url: "http://alpha.test", adapter: {health: none, actions: {execute: {path: /data, outputs: "{'x': response.body}"}}}}
  beta: {url: "http://beta.test", adapter: {health: none, actions: {execute: {path: /data, body: upstream.alpha.outputs}}}}
"""

Role = Literal["answer", "adapted", "scenario"]
"""Who sends the body: a module of the contract, an adapted one, or the caller."""


class Case(NamedTuple):
    """A body, made when it is needed, and who sends it."""

    name: str
    role: Role
    body: Callable[[], bytes]


class Cost(NamedTuple):
    """What one case took: bytes of the body and of the peak, seconds altogether and for the longest hold of the event loop."""

    size_bytes: int
    peak_bytes: int
    took_s: float
    held_s: float
    loads_s: float
    status: int

    @property
    def allowed_bytes(self) -> int:
        """How much memory a body of this size may take."""
        return FACTOR * self.size_bytes + ALLOWANCE


def array(item: bytes, count: int) -> bytes:
    """An array of `count` times the same item."""
    return b"[" + b",".join([item] * count) + b"]"


def outputs(value: Callable[[], bytes]) -> Callable[[], bytes]:
    """A success envelope with this value in its outputs."""
    return lambda: HEAD + value() + b"}}"


def part(name: str, item: bytes, count: int) -> Callable[[], bytes]:
    """A success envelope in which one list has many items."""
    return lambda: HEAD + b'0}, "%b": %b}' % (name.encode(), array(item, count))


def numbered(template: bytes, count: int) -> bytes:
    """The template `count` times with other numbers, joined by commas."""
    return b",".join(template % number for number in range(count))


def artifacts() -> bytes:
    """An envelope with as many small artifacts as there is room for."""
    rest = b'"media_type": "text/plain", "size_bytes": 1, "sha256": "%b", "text": "x"}' % sha256_hex(b"x").encode()
    return HEAD + b'0}, "artifacts": [' + numbered(b'{"name": "%d", ' + rest, 1000) + b"]}"


def evidence() -> bytes:
    """An envelope with as much evidence as there is room for."""
    return HEAD + b'0}, "evidence": [' + numbered(b'{"id": "%d", "kind": "k", "title": "t"}', ROOM // 7) + b"]}"


def text_artifact() -> bytes:
    """An envelope with one artifact, which takes nearly all of the bytes allowed."""
    content = b"\xf0\x9f\x98\x80" + b"a" * (LARGEST - 1024)
    described = b'"media_type": "text/plain", "size_bytes": %d, "sha256": "%b"' % (len(content), sha256_hex(content).encode())
    return HEAD + b'0}, "artifacts": [{"name": "a", %b, "text": "%b"}]}' % (described, content)


def unknown_keys() -> bytes:
    """A scenario with as many unknown fields as there is room for."""
    return b'{"scenario_id": "x", "modules": ["alpha"], ' + numbered(b'"k%d": 0', MOST_REQUEST_VALUES // 2 - 10) + b"}"


def step_inputs() -> bytes:
    """A scenario with as many values as are accepted in the inputs of a step."""
    step = b'{"module": "alpha", "inputs": {"x": %b}}' % array(b"[]", MOST_REQUEST_VALUES - 100)
    return b'{"scenario_id": "x", "modules": [%b]}' % step


ROOM: Final = MAX_VALUES - 100
CASES: Final = (
    Case("small", "answer", outputs(lambda: b"0")),
    Case("table of numbers", "answer", outputs(lambda: array(array(b"1.25", 10), 20_000))),
    Case("rows with names", "answer", outputs(lambda: array(b'{"country": "DR", "year": 2026, "gdp": 1.25}', 30_000))),
    Case("empty arrays", "answer", outputs(lambda: array(b"[]", ROOM))),
    Case("empty objects", "answer", outputs(lambda: array(b"{}", ROOM))),
    Case("arrays of one", "answer", outputs(lambda: array(b"[0]", ROOM // 2))),
    Case("keys", "answer", outputs(lambda: b"{" + numbered(b'"k%d": 0', ROOM // 2) + b"}")),
    Case("long keys", "answer", outputs(lambda: b"{" + numbered(b'"\xf0\x9f\x98\x80%0100d": 0', ROOM // 2) + b"}")),
    Case("deep", "answer", outputs(lambda: b"[" * 190 + array(b"0", ROOM - 200) + b"]" * 190)),
    Case("one text", "answer", outputs(lambda: b'"' + b"a" * LARGEST + b'"')),
    Case("one text with an emoji", "answer", outputs(lambda: b'"\xf0\x9f\x98\x80' + b"a" * LARGEST + b'"')),
    Case("texts with an emoji", "answer", outputs(lambda: array(b'"\xf0\x9f\x98\x80' + b"a" * 50 + b'"', ROOM))),
    Case("escapes", "answer", outputs(lambda: b'"' + b"\\u0001" * (LARGEST // 6) + b'"')),
    Case("artifacts", "answer", artifacts),
    Case("one text artifact", "answer", text_artifact),
    Case("evidence", "answer", evidence),
    Case("wrong artifacts", "answer", part("artifacts", b"{}", ROOM)),
    Case("warnings", "answer", part("warnings", b'"w"', ROOM)),
    Case(
        "wrong pointers", "answer", part("evidence", b'{"id": "e", "kind": "k", "title": "t", "supports": ["/y"]}', ROOM // 10)
    ),
    Case("millions of arrays", "answer", outputs(lambda: array(b"[]", LARGEST // 3))),
    Case("millions of commas", "answer", outputs(lambda: b'"' + b"," * LARGEST + b'"')),
    Case("adapted, numbers", "adapted", lambda: array(b"1.25", ROOM // 2)),
    Case("adapted, empty arrays", "adapted", lambda: array(b"[]", ROOM // 2)),
    Case("adapted, one text", "adapted", lambda: b'"' + b"a" * LARGEST + b'"'),
    Case("adapted, millions of arrays", "adapted", lambda: array(b"[]", LARGEST // 3)),
    Case("scenario, arrays", "scenario", lambda: array(b"[]", MIB // 3)),
    Case("scenario, unknown keys", "scenario", unknown_keys),
    Case("scenario, step's inputs", "scenario", step_inputs),
    Case(
        "scenario, inputs",
        "scenario",
        lambda: REQUEST[:-1] + b', "inputs": {"x": %b}}' % array(b"[]", MOST_REQUEST_VALUES - 100),
    ),
)


class OneAnswer:
    """A transport without a network, on which alpha answers `body` and every other request is answered well."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def send(self, _method: str, url: str, _headers: Mapping[str, str], _body: bytes, *, limit: int) -> Response:
        """See Transport."""
        name = b"alpha" if "alpha" in url else b"beta"
        parts = [b"", HEALTH % name if url.endswith("/health") else self._body if name == b"alpha" else BETA]

        async def read() -> bytes:
            return parts.pop()

        headers = {"content-type": "application/json"}
        return Response(url=url, status=200, headers=headers, chunks=BoundedChunks(read, limit), aclose=self.aclose)

    async def aclose(self) -> None:
        """See Transport."""


async def post(app: FastAPI, body: bytes) -> int:
    """Send a scenario to the application and return the status; what it answers is counted in memory and dropped."""
    status = 0
    fields = {"method": "POST", "path": "/plan_and_execute", "raw_path": b"/plan_and_execute", "query_string": b""}
    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": "", **fields}
    sent = False

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(scope | {"headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)}, receive, send)
    return status


class Heartbeat:
    """The longest time for which the event loop did nothing else."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._task = asyncio.ensure_future(self._beat())

    async def _beat(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            self.longest_s, last = max(self.longest_s, now - last), now

    def stop(self) -> None:
        """End it."""
        self._task.cancel()


async def run(case: Case, body: bytes, folder: Path) -> Cost:
    """Make a run with the body, after one that fills caches and imports what is imported late."""
    file = folder / "modules.yaml"
    file.write_text(ADAPTED if case.role == "adapted" else CONTRACT)
    settings = Settings(modules_file=file, runs_dir=folder / "runs", _env_file=None)
    small = b"{}" if case.role == "adapted" else HEAD + b"0}}"
    await _with_app(settings, small, REQUEST)
    gc.freeze()  # as the service does
    before, started = peak_bytes(), time.perf_counter()
    status, held_s = await _with_app(settings, small if case.role == "scenario" else body, _request(case, body))
    took_s = time.perf_counter() - started
    peak = peak_bytes() - before
    return Cost(len(body), peak, took_s, held_s, _loads_s(body), status)


def _request(case: Case, body: bytes) -> bytes:
    return body if case.role == "scenario" else REQUEST


async def _with_app(settings: Settings, answer: bytes, request: bytes) -> tuple[int, float]:
    app = create_app(settings, OneAnswer(answer))
    async with app.router.lifespan_context(app):
        beats = Heartbeat()
        status = await post(app, request)
        beats.stop()
    return status, beats.longest_s


def _loads_s(body: bytes) -> float:
    """Seconds that `json.loads` takes; measured last, since it takes memory."""
    started = time.perf_counter()
    json.loads(body)
    return time.perf_counter() - started


def peak_bytes() -> int:
    """The most memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measured(cases: tuple[Case, ...]) -> Iterator[tuple[Case, Cost]]:
    """The cost of each case."""
    for case in cases:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            # Making the body takes memory, too, and would hide what reading it takes.
            in_fork(lambda: (folder / "body").write_bytes(case.body()))  # noqa: B023  # called at once
            in_fork(lambda: (folder / "cost").write_text(json.dumps(cost_of(case, folder))))  # noqa: B023
            yield case, Cost(*json.loads((folder / "cost").read_text()))


def in_fork(work: Callable[[], object]) -> None:
    """Do the work in a process of its own, which has everything imported and ends with it."""
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    os.waitpid(child, 0)


def cost_of(case: Case, folder: Path) -> Cost:
    """The cost of one case, whose body lies in `folder`."""
    return asyncio.run(run(case, (folder / "body").read_bytes(), folder))


def report(cases: tuple[Case, ...], *, as_json: bool) -> None:
    """Measure and print."""
    if not as_json:
        print("one body through a run            MiB  peak MiB  allowed MiB  status   run ms  json.loads  loop held ms")
    for case, cost in measured(cases):
        if as_json:
            print(json.dumps({"case": case.name, "allowed_bytes": cost.allowed_bytes, **cost._asdict()}), flush=True)
            continue
        sizes = (cost.size_bytes / MIB, cost.peak_bytes / MIB, cost.allowed_bytes / MIB)
        times = (1000 * cost.took_s, 1000 * cost.loads_s, 1000 * cost.held_s)
        print(
            f"  {case.name:28}{sizes[0]:7.2f}{sizes[1]:10.1f}{sizes[2]:13.1f}{cost.status:8}"
            f"{times[0]:9.0f}{times[1]:12.1f}{times[2]:14.0f}",
            flush=True,
        )


def main() -> None:
    """Measure all cases, or those that are named, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="a name of a case; all unless given")
    parser.add_argument("--json", action="store_true", help="print one line of JSON a case")
    arguments = parser.parse_args()
    with Path(os.devnull).open("w") as nobody:
        # The service's log is written as it is in a container, and read by nobody.
        structlog.configure(
            processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory(nobody)
        )
        report(tuple(case for case in CASES if not arguments.cases or case.name in arguments.cases), as_json=arguments.json)


if __name__ == "__main__":
    main()
