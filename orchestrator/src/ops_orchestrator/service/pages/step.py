"""`/runs/{run_id}/steps/{step}`: what a module was asked and what it answered; the page to send to its team."""

import asyncio
import json
import mimetypes
import shlex
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from ops_contract import JsonError, parse_json
from ops_orchestrator.errors import NotFoundError
from ops_orchestrator.runs.next_step import check_command
from ops_orchestrator.runs.record import JOB, MAPPED_REQUEST, RunRecord, StepRecord, is_request, response_type, step_folder
from ops_orchestrator.runs.registered_modules import address_of, registered_modules
from ops_orchestrator.runs.reports.recorded_calls import RecordedCall, recorded_call
from ops_orchestrator.runs.store.protocols import StoredRun
from ops_orchestrator.service.pages.log_lines import LogEnd, log_end
from ops_orchestrator.service.pages.run import AS_DATA, RunLinks
from ops_orchestrator.service.pages.site import Page, Site

MOST_BYTES: Final = 64 * 1024
"""So much of a request or an answer is shown; the rest is behind its link."""

_MOST_READ_BYTES: Final = 4 * 1024 * 1024
_MOST_ATTEMPTS: Final = 20
_MOST_PARTS: Final = 4
_STEP: Final = "/runs/{run_id}/steps/{step}"
_ATTEMPTS: Final = "attempts/"
_UPSTREAM: Final = "upstream"


@dataclass(frozen=True)
class Part:
    """A request or an answer as it was kept. `sha256` is that of all that came or was sent, where the record has it."""

    title: str
    name: str
    size: int
    sha256: str | None
    text: str
    is_cut: bool
    is_folded: bool


@dataclass(frozen=True)
class JobView:
    """How a job was asked for that the module accepted: how often, and where."""

    asks: int
    place: str
    is_done: bool


@dataclass(frozen=True)
class Attempt:
    """An attempt that was not the last, and the names of the files that are kept of it."""

    number: int
    files: tuple[str, ...]


@dataclass(frozen=True)
class StepView:
    """What the page of a step shows."""

    record: RunRecord
    step: StepRecord
    parts: tuple[Part, ...]
    job: JobView | None
    attempts: tuple[Attempt, ...]
    command: str
    check: str
    log: LogEnd


async def step(site: Site, request: Request) -> Response:
    """The page of a step."""
    run_id, name = request.path_params["run_id"], request.path_params["step"]
    return site.html(await asyncio.to_thread(_page, site, request, run_id, name))


async def exchange(site: Site, request: Request) -> Response:
    """A request or an answer byte for byte, as something that does nothing in a browser."""
    run_id, name, file = (request.path_params[key] for key in ("run_id", "step", "file"))
    if (attempt := request.path_params.get("attempt")) is not None:
        file = f"{_ATTEMPTS}{attempt}/{file}"
    content = await asyncio.to_thread(lambda: _content(site.parts.store.run(run_id), name, file))
    kind = mimetypes.guess_type(file)[0]
    media_type = kind if kind == "application/json" else "application/octet-stream"
    return Response(content, headers=AS_DATA | {"Content-Type": media_type})


PAGES: Final = (
    Page(_STEP, step),
    Page(f"{_STEP}/{{file}}", exchange),
    Page(f"{_STEP}/attempts/{{attempt:int}}/{{file}}", exchange),
)


def _page(site: Site, request: Request, run_id: str, name: str) -> bytes:
    run = site.parts.store.run(run_id)
    record = run.record()
    found = _step_of(record, name)
    view = _view(run, record, found, log_end(site.parts.store, run_id, found.id))
    return site.rendered(request, "step.html", view=view, links=RunLinks(run_id))


def _view(run: StoredRun, record: RunRecord, found: StepRecord, log: LogEnd) -> StepView:
    files = frozenset(run.files())
    entry = registered_modules(run).get(found.module)
    call = recorded_call(run, record, found, entry, files)
    # What was asked and what was answered come before how a job was asked for.
    ordered = sorted(files, key=lambda file: (file.endswith(f"/{JOB}"), file))
    parts = (part for file in ordered if (part := _part(run, found, file)) is not None)
    return StepView(
        record,
        found,
        tuple(islice(parts, _MOST_PARTS)),
        _job(run, job) if (job := f"{step_folder(found.step, found.id)}/{JOB}") in files else None,
        _attempts(found, files),
        _command(call),
        check_command(
            found.module, found.adapter, found.exchange.url if found.exchange else f"{address_of(entry) or 'URL'}/execute"
        ),
        log,
    )


def _step_of(record: RunRecord, name: str) -> StepRecord:
    for found in record.steps:
        if name in (found.id, f"{found.step}-{found.id}"):
            return found
    there_are = ", ".join(each.id for each in record.steps)
    raise NotFoundError(f"{record.run_id} has no step {name!r:.100}; its steps are {there_are}.")


def _content(run: StoredRun, name: str, file: str) -> bytes:
    found = _step_of(run.record(), name)
    path = f"{step_folder(found.step, found.id)}/{file}"
    if path not in run.files():
        raise NotFoundError(f"The step {found.id} of {run.run_id} has no file {file!r:.100}.")
    return run.document(path)


def _attempts(found: StepRecord, files: frozenset[str]) -> tuple[Attempt, ...]:
    """The last earlier attempts of the step of which something was kept."""
    begin = f"{step_folder(found.step, found.id)}/{_ATTEMPTS}"
    by_number: dict[int, list[str]] = {}
    for path in sorted(files):
        number, _, name = path.removeprefix(begin).partition("/")
        if path.startswith(begin) and number.isascii() and number.isdecimal() and name and "/" not in name:
            by_number.setdefault(int(number), []).append(name)
    return tuple(Attempt(number, tuple(names)) for number, names in sorted(by_number.items())[-_MOST_ATTEMPTS:])


def _part(run: StoredRun, found: StepRecord, path: str) -> Part | None:
    """The part of the page that a file of the step stands for; None for any other file."""
    folder, _, name = path.rpartition("/")
    if folder != step_folder(found.step, found.id):
        return None
    known = found.exchange
    if is_request(path):
        return _read(run, path, "What it was asked", known.request_sha256 if known else None)
    if name == MAPPED_REQUEST:
        return _read(run, path, "What the adapter made of it", None)
    if name == JOB:
        return _read(run, path, "How its job was asked for", None)
    if response_type(path):
        return _read(run, path, "What it answered", known.response_sha256 if known else None)
    return None


def _job(run: StoredRun, path: str) -> JobView | None:
    """What job.json says of the job; None when a folder brought something else under that name."""
    try:
        known = parse_json(run.document(path))
        asks, place, is_done = int(known["asks"]), f"{known['method']} {known['url']}", known["is_done"] is True
    except (NotFoundError, JsonError, LookupError, TypeError, ValueError, OverflowError):
        return None
    return JobView(asks, place, is_done)


def _read(run: StoredRun, path: str, title: str, sha256: str | None) -> Part:
    with closing(run.open(path)) as opened:
        size = opened.size
        content = opened.file.read(_MOST_READ_BYTES)
    text, is_folded = _text(content)
    return Part(title, path.rpartition("/")[2], size, sha256, text[:MOST_BYTES], len(text) > MOST_BYTES, is_folded)


def _text(content: bytes) -> tuple[str, bool]:
    """JSON in lines, earlier answers in it folded to their sizes; anything else as it is."""
    try:
        value = parse_json(content)
    except JsonError:
        return content.decode(errors="replace"), False
    is_folded = isinstance(value, dict) and bool(value.get(_UPSTREAM)) and isinstance(value[_UPSTREAM], dict)
    if is_folded:
        value = value | {_UPSTREAM: {step: f"… {len(json.dumps(answer)):,} bytes" for step, answer in value[_UPSTREAM].items()}}
    return _indented(value), is_folded


def _indented(value: Any) -> str:
    """JSON in lines; of a large one a little more than is shown."""
    pieces, size = list[str](), 0
    for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            break
    return "".join(pieces)


def _command(call: RecordedCall | None) -> str:
    """A curl that repeats the call, from the folder of the run; empty where the request was not kept."""
    return " \\\n  ".join(_words(call)) if call else ""


def _words(call: RecordedCall) -> Iterator[str]:
    yield shlex.join(("curl", "-X", call.method, f"{call.address or 'http://HOST'}{call.target}"))
    for name, value in call.headers.items():
        yield shlex.join(("-H", f"{name}: {value}"))
    if call.body:
        yield f"--data-binary @{shlex.quote(call.body.file)}"
