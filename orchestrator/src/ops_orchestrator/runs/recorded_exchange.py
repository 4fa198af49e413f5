"""The exchange of a recorded step, and in what a request differs from the one that was sent then."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from ops_contract import MASK, JsonError, differences, masked_url, parse_json, sha256_hex
from ops_orchestrator.errors import NotFoundError
from ops_orchestrator.exchange import Request
from ops_orchestrator.modules.adapters.body_declaration import BODIES
from ops_orchestrator.modules.confidential import masked_headers, secrets_of
from ops_orchestrator.modules.module import Module
from ops_orchestrator.modules.sent_body import comparable_type, shown_body
from ops_orchestrator.runs.record import (
    ANSWER_HEADERS,
    JOB,
    MAPPED_REQUEST,
    MODULES,
    REQUEST,
    RunRecord,
    StepRecord,
    response_type,
    step_folder,
)
from ops_orchestrator.runs.store.protocols import StoredRun

# The request of a late step has the answers of all earlier ones.
_MOST_VALUES: Final = 4_000_000
# What the client adds to the headers that an adapter declares.
_OF_THE_CLIENT: Final = ("accept-encoding", "user-agent")


class NotRecordedError(Exception):
    """A run does not have what is needed to answer for a step; the message says what, and follows the run's id."""


@dataclass(frozen=True)
class RecordedExchange:
    """What was sent in a step, as JSON that can be compared, and what came back. `job` is its job.json, where it has one."""

    request: Any
    status: int
    headers: Mapping[str, str]
    response: bytes
    job: Mapping[str, Any] | None = None

    def answers(self) -> Iterator[tuple[int, Mapping[str, str], bytes]]:
        """Status, headers and body of the answers in their order: of a job, those to its submission and when it was done.

        Raises NotRecordedError for one that was not kept.
        """
        for name in ("submitted", "done") if self.job else ():
            if answer := self.job and self.job.get(name):
                if "body" not in answer:
                    raise NotRecordedError(f"did not keep the answer {name!r} of its job in {JOB}, which was long")
                yield answer["status"], _texts(answer["headers"]), json.dumps(answer["body"]).encode()
        yield self.status, self.headers, self.response

    def differs_from(self, sent: Any) -> str | None:
        """Where `sent`, see `comparable`, differs from the recorded request, in words; None when it does not."""
        if isinstance(sent, dict) and isinstance(sent.get("headers"), dict) and "path" in sent:
            known = self.request["headers"]
            headers = {name: text for name, text in sent["headers"].items() if name in known or name not in _OF_THE_CLIENT}
            sent = sent | {"headers": headers}
        found = next(differences(self.request, sent), None)
        return None if found is None else f"at {found.pointer or 'its root'} ({found.phrase('recorded', 'now')})"


def comparable(module: Module, request: Request, url: str) -> Any:
    """What is asked of a module, without its secrets and its address: the body, or with an adapter all that it maps."""
    secrets = secrets_of(module, request)
    body = secrets.masked_bytes(request.body)
    if module.adapter is None:
        return _json(body) if body else None
    headers = masked_headers(request.headers, module, secrets)
    shown = shown_body(body, request.content_type)
    return _mapped(request.method, secrets.masked_text(masked_url(url)), module.address, headers, shown)


def recorded_exchange(run: StoredRun, record: RunRecord, module: Module, step_id: str) -> RecordedExchange:
    """The exchange of a step in the run `record`, for `module`, which may have an adapter now. Blocking.

    Raises NotRecordedError, StoreError.
    """
    step = next((step for step in record.steps if step.id == step_id), None)
    if step is None:
        raise NotRecordedError(f"has no step {step_id!r}")
    if step.exchange is None:
        # Its message stands in the record, and in the comparison with it.
        code = f" with {step.error['code']}" if step.error else ""
        raise NotRecordedError(f"has no answer to step {step_id!r}, which is {step.status}{code}")
    folder = step_folder(step.step, step.id)
    headers, response = _answer(run, record, step, folder)
    job = f"{folder}/{JOB}"
    asked = _json(run.document(job)) if job in run.files() else None
    return RecordedExchange(_request(run, module, step, folder), step.exchange.status, headers, response, asked)


def _answer(run: StoredRun, record: RunRecord, step: StepRecord, folder: str) -> tuple[Mapping[str, str], bytes]:
    assert step.exchange is not None  # noqa: S101  # see above
    names = [name for name in run.files() if name.rpartition("/")[0] == folder]
    name = next((name for name in names if response_type(name)), None)
    if name is None:
        raise NotRecordedError(f"did not keep the answer to step {step.id!r}{_why_not(record)}")
    response = run.document(name)
    if response == MASK.encode():
        raise NotRecordedError(f"kept only a mask of the answer to step {step.id!r}, which has too many secrets")
    if sha256_hex(response) != step.exchange.response_sha256 and not _is_whole(response, record):
        raise NotRecordedError(
            f"did not keep the artifacts in {name}{_why_not(record)}"
            if record.request["run_options"].get("save_artifacts") is False
            else f"has in {name} another answer than its record says; `ops runs verify {record.run_id}` shows all damage"
        )
    kept = f"{folder}/{ANSWER_HEADERS}"
    typed = {"content-type": str(response_type(name))}
    return (_texts(_json(run.document(kept))) if kept in names else typed), response


def _is_whole(response: bytes, record: RunRecord) -> bool:
    """Whether an answer that was written again, without the bytes of its artifacts, had none of them."""
    if record.request["run_options"].get("save_artifacts") is not False:
        return False
    try:
        artifacts = parse_json(response, max_values=_MOST_VALUES)["artifacts"]
        return all("href" in artifact for artifact in artifacts)
    except (JsonError, LookupError, TypeError):
        return False


def _why_not(record: RunRecord) -> str:
    return ", since it had save_artifacts: false" if record.request["run_options"].get("save_artifacts") is False else ""


def _request(run: StoredRun, module: Module, step: StepRecord, folder: str) -> Any:
    name = f"{folder}/{REQUEST if module.adapter is None else MAPPED_REQUEST}"
    try:
        document = _json(run.document(name))
    except NotFoundError as error:
        adapter = "without" if module.adapter else "through"
        reason = (
            f"called {step.module} {adapter} an adapter" if bool(step.adapter) != bool(module.adapter) else f"has no {name}"
        )
        raise NotRecordedError(reason) from error
    if module.adapter is None:
        return document
    base = _json(run.document(MODULES))["modules"][step.module]["url"]
    shown = {name: document[name] for name in BODIES if document.get(name) is not None}
    return _mapped(document["method"], document["url"], base, document["headers"], shown)


def _mapped(method: str, url: str, base: str, headers: Mapping[str, str], shown: Mapping[str, Any]) -> dict[str, Any]:
    lower = {name.lower(): text for name, text in headers.items()}
    if "content-type" in lower:
        lower["content-type"] = comparable_type(lower["content-type"])
    return {"method": method, "path": _below(url, base), "headers": lower, **shown}


def _below(url: str, base: str) -> str:
    """What of an address is below a module's base URL, however it is encoded."""
    parts, root = urlsplit(url), urlsplit(base).path.rstrip("/")
    query = "&".join(f"{name}={value}" for name, value in parse_qsl(parts.query, keep_blank_values=True))
    return unquote(parts.path.removeprefix(root)) + (f"?{query}" if query else "")


def _texts(value: Any) -> dict[str, str]:
    return {name: str(text) for name, text in value.items()} if isinstance(value, dict) else {}


def _json(content: bytes) -> Any:
    try:
        return parse_json(content, max_values=_MOST_VALUES)
    except JsonError as error:
        raise NotRecordedError(f"has a document that cannot be used: {error}") from error
