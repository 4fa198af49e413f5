"""The calls of a run as they can be made again without the orchestrator, read from its folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from ops_contract import MASK, JsonError, parse_json, terminal_safe
from ops_orchestrator.errors import NotFoundError
from ops_orchestrator.excerpt import one_line
from ops_orchestrator.modules.call_headers import call_headers
from ops_orchestrator.modules.trace_context import TraceContext
from ops_orchestrator.runs.record import MAPPED_REQUEST, RunRecord, StepRecord, is_request, step_folder
from ops_orchestrator.runs.registered_modules import address_of
from ops_orchestrator.runs.store.protocols import StoredRun

LARGEST_INLINE_BYTES: Final = 64 * 1024
"""A larger request is left in its file: a script is to be read."""

_STAY_IN_URL: Final = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_MOST_VALUES: Final = 4_000_000
_CONTRACT_HEADERS: Final = {"Accept": "application/json", "Content-Type": "application/json"}


@dataclass(frozen=True)
class Body:
    """The body of a recorded request: the run's file, and its content when that is short JSON, safe for a terminal.

    `lacks_secret` says that the file has a mask in the place of a secret, `has_run_id` that the id of its run is in it.
    """

    file: str
    content: bytes | None
    lacks_secret: bool
    has_run_id: bool

    @property
    def name(self) -> str:
        """The name of the file, without its folder."""
        return self.file.rpartition("/")[2]


@dataclass(frozen=True)
class RecordedCall:
    """What a step sent to its module: `target` is the path and the query below `address`, which is None when not known.

    A mask in `headers` or `target` stands for a secret.
    """

    step: StepRecord
    is_adapted: bool
    method: str
    address: str | None
    target: str
    headers: Mapping[str, str]
    body: Body | None
    timeout_s: float | None


def recorded_call(
    run: StoredRun, record: RunRecord, step: StepRecord, entry: Mapping[str, Any] | None, files: frozenset[str]
) -> RecordedCall | None:
    """The call of `step` of the run `record`, whose module was registered as `entry`.

    None when its request is not among the run's `files`.
    """
    folder = step_folder(step.step, step.id)
    mapped_file = f"{folder}/{MAPPED_REQUEST}"
    body_file = next((name for name in files if name.rpartition("/")[0] == folder and is_request(name)), None)
    is_adapted = mapped_file in files
    headers = _mapped_headers(run, mapped_file) if is_adapted else _contract_headers(record, step)
    if step.exchange is None or headers is None or not (is_adapted or body_file):
        return None
    address, target = _divided(step.exchange.url, address_of(entry))
    timeout_s = entry.get("timeout_s") if entry else None
    return RecordedCall(
        step=step,
        is_adapted=is_adapted,
        method=one_line(step.exchange.method),
        address=address and quote(address, safe=_STAY_IN_URL),
        target=quote(target, safe=_STAY_IN_URL),
        headers={one_line(name): one_line(value) for name, value in headers.items()},
        body=_body(run, body_file, entry) if body_file else None,
        timeout_s=timeout_s if isinstance(timeout_s, int | float) else None,
    )


def _contract_headers(record: RunRecord, step: StepRecord) -> dict[str, str]:
    trace = TraceContext.of(record.run_id, record.traceparent)
    return _CONTRACT_HEADERS | call_headers(trace, step.id, step.attempts)


def _mapped_headers(run: StoredRun, name: str) -> dict[str, str] | None:
    try:
        mapped = parse_json(run.document(name), max_values=_MOST_VALUES)
    except (NotFoundError, JsonError):
        return None
    headers = mapped.get("headers") if isinstance(mapped, dict) else None
    if not isinstance(headers, dict):
        return None
    return {name: value for name, value in headers.items() if isinstance(value, str)}


def _divided(url: str, address: str | None) -> tuple[str | None, str]:
    """A URL as the address of a module and what is below it."""
    if address is not None and url.startswith((f"{address}/", f"{address}?")):
        return address, url.removeprefix(address)
    try:
        parts = urlsplit(url)
    except ValueError:
        return None, "/"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return address_of({"url": f"{parts.scheme}://{parts.netloc}"}), target


def _body(run: StoredRun, name: str, entry: Mapping[str, Any] | None) -> Body:
    content = run.document(name)
    # What a module is registered with tells whether it was sent secrets: asterisks may also stand in what it was asked.
    may_lack = entry is None or MASK in json.dumps(entry)
    return Body(name, _inline(content), may_lack and MASK.encode() in content, run.run_id.encode() in content)


def _inline(content: bytes) -> bytes | None:
    if len(content) > LARGEST_INLINE_BYTES:
        return None
    try:
        parse_json(content)
    except JsonError:
        return None
    return terminal_safe(content)


def fetches_artifacts(run: StoredRun, call: RecordedCall) -> bool:
    """Whether the answer to `call` named artifacts by their addresses. Reads the answer, which may be large."""
    if call.is_adapted:
        return False
    name = f"{step_folder(call.step.step, call.step.id)}/response.json"
    try:
        answer = parse_json(run.document(name), max_values=_MOST_VALUES)
    except (NotFoundError, JsonError):
        return False
    artifacts = answer.get("artifacts") if isinstance(answer, dict) else None
    return isinstance(artifacts, list) and any(isinstance(each, dict) and each.get("href") for each in artifacts)
