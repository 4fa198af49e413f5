"""Tolls: what a toll on a motorway earns. An honest module of all profiles, made of small methods that its twins replace.

Beside the standard library, it has what `plain_module.py` reads requests with. `twins.py` says how each twin breaks SPEC.md.
"""

import base64
import hashlib
import json
import random
import re
import time
from http.server import BaseHTTPRequestHandler
from threading import Lock
from typing import Any, ClassVar
from urllib.parse import unquote

from contract.compliance.honest.plain_module import REQUEST, TRACE, VERSION, Problem, parsed

MODEL_S = 0.1
LARGEST = 4_000_000


class Module(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name: ClassVar[str] = "tolls"
    at_once: ClassVar[bool] = True
    actions: ClassVar[list[str]] = ["execute"]
    calls: ClassVar[dict[str, Any]] = {}
    files: ClassVar[dict[str, bytes]] = {}
    running: ClassVar[set[str]] = set()
    turn: ClassVar[Lock] = Lock()
    seen: ClassVar[dict[str, Any]] = {"requests": 0, "errors": 0}
    """What a twin remembers; an honest module remembers nothing but answers and files."""

    # --- Health

    def health(self) -> dict[str, Any]:
        declared = {
            "contract_versions": ["1.0"],
            "profiles": ["artifacts", "deterministic", "idempotent"],
            "actions": self.actions,
        }
        return {"status": "ok", "module": self.name, "version": "1.0.0", **declared}

    # --- Requests

    def read(self) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(length, 64 * LARGEST))
        if length > 64 * LARGEST:
            self.close_connection = True
        if length > LARGEST:
            self.too_large()
        return body

    def too_large(self) -> None:
        raise Problem(413, "TOO_LARGE", f"the body is larger than {LARGEST} bytes")

    def judge_media_type(self) -> None:
        if self.headers.get("Content-Type", "").split(";")[0].strip().lower() != "application/json":
            raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", "send the body as application/json")

    def parse(self, body: bytes) -> Any:
        return parsed(body)

    def judge_version(self, call: Any) -> None:
        version = call.get("contract_version") if isinstance(call, dict) else None
        if isinstance(version, str) and re.fullmatch(VERSION, version) and not self.serves(version):
            self.unsupported(version)

    def serves(self, version: str) -> bool:
        return version.startswith("1.")

    def unsupported(self, version: str) -> None:
        details = {"supported_versions": ["1.0"]}
        raise Problem(422, "UNSUPPORTED_VERSION", f"version {version} is not served", "/contract_version", details=details)

    def judge(self, call: Any) -> None:
        REQUEST(call, "")

    def judge_action(self, action: str) -> None:
        if action not in self.actions:
            details = {"known_actions": self.actions}
            raise Problem(422, "UNKNOWN_ACTION", "the action is not known", "/action", details=details)

    # --- The model

    def seed(self, call: dict[str, Any]) -> int:
        return int(call.get("options", {}).get("seed", 0))

    def deadline(self, call: dict[str, Any]) -> float | None:
        deadline: float | None = call.get("options", {}).get("deadline_s")
        return deadline

    def model_s(self, left_s: float) -> float:
        return MODEL_S

    def compute(self, call: dict[str, Any], left_s: float) -> None:
        """Take the time that the model needs. Raises Problem when less is left."""
        time.sleep(min(self.model_s(left_s), max(left_s, 0)))
        if left_s < self.model_s(left_s):
            raise Problem(503, "DEADLINE_EXCEEDED", "not done by the deadline; give more time", retryable=True)

    def outputs(self, call: dict[str, Any]) -> dict[str, Any]:
        draw = random.Random(self.seed(call))
        toll = round(draw.uniform(1, 2), 6)
        base = round(draw.uniform(0, 1), 6)
        path = [{"year": 2026 + year, "toll": round(toll * 1.02**year, 6)} for year in range(12)]
        key_figures = {"kpis": {"toll": toll}, "units": {"toll": "EUR"}, "labels": {"toll": "Toll"}}
        return {**key_figures, "baseline": {"toll": base}, "change": {"toll": toll - base}, "path": path}

    def table(self, call: dict[str, Any], outputs: dict[str, Any]) -> bytes:
        return json.dumps(outputs["path"]).encode()

    def artifacts(self, call: dict[str, Any], outputs: dict[str, Any]) -> list[dict[str, Any]]:
        table, plot, note = self.table(call, outputs), GIF, f"The toll is {outputs['kpis']['toll']}.\n".encode()
        href = f"files/{call['run_id']}/{call['step_id']}/path.json"
        self.files[f"/{href}"] = table
        return [
            {**self.described("path.json", "application/json", table), "href": href},
            {**self.described("plots/dot.gif", "image/gif", plot), "data": base64.b64encode(plot).decode()},
            {**self.described("note.txt", "text/plain", note), "text": note.decode()},
        ]

    def described(self, name: str, media_type: str, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        return {"name": name, "media_type": media_type, "size_bytes": len(content), "sha256": digest}

    def evidence(self, call: dict[str, Any]) -> Any:
        supports = ["/kpis/toll", "/path/0/toll", "/path/10"]
        piece = {"id": "e1", "kind": "computation", "title": "Model of traffic", "supports": supports, "artifact": "path.json"}
        return [{**piece, "synthetic": True}]

    def result(self, call: dict[str, Any]) -> dict[str, Any]:
        outputs = self.outputs(call)
        return {"outputs": outputs, "artifacts": self.artifacts(call, outputs), "evidence": self.evidence(call)}

    # --- Answers

    def meta(self) -> dict[str, Any]:
        trace = self.trace()
        return {"at": time.time(), **({"trace_id": trace} if trace else {})}

    def trace(self) -> str | None:
        found = re.fullmatch(TRACE, self.headers.get("traceparent", ""))
        return found[1] if found else None

    def envelope(self, status: str, **fields: Any) -> dict[str, Any]:
        about = {"module": self.name, "version": "1.0.0", "contract_version": "1.0"}
        return {"status": status, **about, **fields, "meta": self.meta()}

    def error(self, problem: Problem) -> dict[str, Any]:
        return problem.fields

    def failure(self, problem: Problem) -> dict[str, Any]:
        return self.envelope("error", error=self.error(problem))

    def status(self, problem: Problem) -> int:
        return problem.http

    def key(self, call: dict[str, Any]) -> str:
        return f"{call['run_id']}/{call['step_id']}"

    def fingerprint(self, call: dict[str, Any], body: bytes) -> Any:
        return call  # equal as Python's values are, 1 and 1.0 too, and true and 1 where no judged field may be either

    def once(self, call: dict[str, Any], body: bytes, left_s: float) -> dict[str, Any]:
        """The result of the first call with this key; a second call while the first is running is told so."""
        key, mark = self.key(call), self.fingerprint(call, body)
        with self.turn:
            if key in self.calls:
                return self.again(key, mark)
            self.begin(key)
        try:
            self.compute(call, left_s)
            result = self.result(call)
            self.calls[key] = (mark, result)
        finally:
            self.running.discard(key)
        return result

    def begin(self, key: str) -> None:
        if key in self.running:
            raise Problem(409, "STILL_RUNNING", "the first call with this key is still running", retryable=True)
        self.running.add(key)

    def again(self, key: str, mark: Any) -> dict[str, Any]:
        if self.calls[key][0] != mark:
            raise Problem(422, "IDEMPOTENCY_KEY_REUSED", "this run and step had another body")
        result: dict[str, Any] = self.calls[key][1]
        return result

    def render(self, value: dict[str, Any]) -> bytes:
        return json.dumps(value).encode()

    def media_type(self, status: int) -> str:
        return "application/json"

    def reply(self, status: int, value: dict[str, Any], **headers: str) -> None:
        self.send(status, self.render(value), self.media_type(status), **headers)

    def send(self, status: int, body: bytes, media_type: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for name, content in headers.items():
            self.send_header(name.replace("_", "-"), content)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    # --- Routes

    def execute(self, arrived: float) -> None:
        body = self.read()
        self.judge_media_type()
        call = self.parse(body)
        self.judge_version(call)
        self.judge(call)
        self.judge_action(call["action"])
        deadline = self.deadline(call)
        left_s = float("inf") if deadline is None else arrived + deadline - time.monotonic()
        self.reply(200, self.envelope("success", **self.once(call, body, left_s)))

    def artifact(self) -> None:
        content = self.files.get(self.path)
        if content is None:
            raise Problem(404, "NOT_FOUND", "nothing is served here")
        self.send(200, content, "application/octet-stream")

    def allowed(self) -> tuple[str, ...]:
        return {"/health": ("GET", "HEAD"), "/execute": ("POST",)}.get(self.path, ("GET", "HEAD"))

    def respond(self) -> None:
        arrived = time.monotonic()
        self.seen["requests"] += 1
        try:
            if self.command not in self.allowed():
                self.not_allowed()
            elif self.path == "/health":
                self.reply(200, self.health())
            elif self.path == "/execute":
                self.execute(arrived)
            else:
                self.artifact()
        except Problem as problem:
            self.refuse(problem)
        except Exception:  # noqa: BLE001  # whatever it is, the caller gets an envelope
            self.refuse(Problem(500, "INTERNAL", "the module failed"))

    def not_allowed(self) -> None:
        self.read()
        problem = Problem(405, "METHOD_NOT_ALLOWED", "the method is not served")
        self.reply(405, self.failure(problem), Allow=", ".join(self.allowed()))

    def refuse(self, problem: Problem) -> None:
        self.seen["errors"] += 1
        self.reply(self.status(problem), self.failure(problem))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = respond  # noqa: N815  # names of http.server

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def decoded(path: str) -> str:
    """A path as a careless server reads it: decoded twice."""
    return unquote(unquote(path))


GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
