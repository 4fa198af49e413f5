"""Twins whose health, answers, errors and deadlines are not what SPEC.md says."""

import gzip
import json
import os
import time
import traceback
from typing import Any

from contract.compliance.dishonest.module import Module
from contract.compliance.dishonest.twin import both, outputs, then, twin, without
from contract.compliance.honest.plain_module import Problem

FILE = "/app/tolls/model.py"


def on_errors(change: Any) -> Any:
    return then(Module.failure, lambda _, envelope: change(envelope))


def of_errors(change: Any) -> Any:
    return then(Module.error, lambda _, error: change(error))


def html(self: Module, status: int, value: dict[str, Any], **headers: str) -> None:
    if status == 405:
        self.send(status, b"<h1>Method Not Allowed</h1>", "text/html", **headers)
    else:
        Module.reply(self, status, value, **headers)


def twice_named(value: dict[str, Any]) -> bytes:
    return b'{"status": "first",' + json.dumps(value).encode()[1:]


def broken_after(code: str) -> Any:
    """After an error with this code, the next request fails once."""

    def refuse(self: Module, problem: Problem) -> None:
        self.seen["broken"] = problem.fields["code"] == code
        Module.refuse(self, problem)

    return refuse


def fails_once(self: Module, arrived: float) -> None:
    if self.seen.pop("broken", False):
        self.read()
        raise Problem(503, "NOT_READY", "try again", retryable=True)
    Module.execute(self, arrived)


def redirected(self: Module) -> None:
    if self.path == "/execute":
        self.read()
        self.send(307, b"", "text/plain", Location="/execute/")
    else:
        self.path = self.path.rstrip("/")
        Module.respond(self)


def with_verbs(respond: Any, **methods: Any) -> dict[str, Any]:
    return {"respond": respond, **{f"do_{verb}": respond for verb in ("GET", "POST", "PUT", "DELETE", "PATCH")}, **methods}


SLOW: dict[str, Any] = {"model_s": lambda self, left_s: 2.0 if left_s < float("inf") else 0.1, "alone": True}
"""A model that is not done by a deadline of a second."""

ONE_AT_A_TIME: dict[str, Any] = {
    "protocol_version": "HTTP/1.0",
    "at_once": False,
    "model_s": lambda self, left_s: 0.8,
    "alone": True,
}

# OPS-HLT
twin("health has no version", "HLT-002", health=then(Module.health, lambda _, health: without(health, "version")))
twin(
    "health names actions as one text",
    "HLT-002",
    "HLT-005",
    health=then(Module.health, lambda _, health: {**health, "actions": "execute"}),
)
twin("health takes 1.5 s", "HLT-004", health=both(lambda _: time.sleep(1.5), Module.health))
twin("one request is answered at a time", "HLT-003", "HLT-004", **ONE_AT_A_TIME)
twin(
    "health is not JSON by its media type",
    "HLT-002",
    "EXE-006",
    media_type=lambda self, status: "text/html" if self.path == "/health" else "application/json",
)

# OPS-EXE
twin(
    "empty outputs are []",
    "EXE-003",
    "EXE-001",
    outputs=lambda self, call: [],
    artifacts=lambda self, call, value: [],
    evidence=lambda self, call: [],
)
twin("outputs are left out", "EXE-003", "EXE-001", result=then(Module.result, lambda _, result: without(result, "outputs")))
twin(
    "the name has the port in answers",
    "EXE-002",
    envelope=then(Module.envelope, lambda _, envelope: {**envelope, "module": "tolls-8080"}),
)
twin(
    "the name differs on errors", "EXE-002", "ERR-001", failure=on_errors(lambda envelope: {**envelope, "module": "flask-app"})
)
twin("the name is missing on errors", "ERR-001", failure=on_errors(lambda envelope: without(envelope, "module")))
twin("NaN in outputs", "EXE-004", outputs=outputs(lambda self, value: {"share": float("nan")}))
twin(
    "NaN in outputs for one seed",
    "EXE-004",
    "DET-004",
    outputs=lambda self, call: {
        **Module.outputs(self, call),
        **({"share": float("nan")} if Module.seed(self, call) == 2**31 - 1 else {}),
    },
)
twin(
    "a key stands twice in answers",
    "EXE-004",
    render=lambda self, value: twice_named(value) if value["status"] == "success" else json.dumps(value).encode(),
)
twin(
    "a key stands twice in errors",
    "EXE-004",
    "ERR-001",
    render=lambda self, value: twice_named(value) if value["status"] == "error" else json.dumps(value).encode(),
)
twin(
    "a byte order mark in front of answers", "EXE-004", render=lambda self, value: b"\xef\xbb\xbf" + json.dumps(value).encode()
)
twin("half of a surrogate pair in outputs", "EXE-004", outputs=outputs(lambda self, value: {"sign": "\ud83d"}))
twin("answers are text/json", "EXE-006", media_type=lambda self, status: "text/json")
twin(
    "errors are problem+json",
    "EXE-006",
    "ERR-001",
    media_type=lambda self, status: "application/problem+json" if status >= 400 else "application/json",
)
twin(
    "errors are text/html by their media type",
    "EXE-006",
    "ERR-001",
    media_type=lambda self, status: "text/html" if status >= 400 else "application/json",
)
twin(
    "answers are compressed unasked",
    "EXE-001",
    "EXE-004",
    "EXE-006",
    send=lambda self, status, body, media_type, **headers: Module.send(
        self, status, gzip.compress(body), media_type, Content_Encoding="gzip", **headers
    ),
)
twin("/execute leads to /execute/", "EXE-001", **with_verbs(redirected))
twin(
    "no contract_version in answers",
    "EXE-007",
    envelope=then(Module.envelope, lambda _, envelope: without(envelope, "contract_version")),
)

# OPS-ERR
twin("405 is a page", "ERR-001", reply=html)
twin("an error has no status", "ERR-001", failure=on_errors(lambda envelope: without(envelope, "status")))
twin("errors as FastAPI gives them", "ERR-001", failure=on_errors(lambda envelope: {"detail": envelope["error"]["message"]}))
twin("retryable is missing", "ERR-002", error=of_errors(lambda error: without(error, "retryable")))
twin("retryable is text", "ERR-002", error=of_errors(lambda error: {**error, "retryable": str(error["retryable"]).lower()}))
twin("retryable is null", "ERR-002", error=of_errors(lambda error: {**error, "retryable": None}))
twin(
    "retryable is text when malformed",
    "ERR-002",
    "ERR-001",
    error=of_errors(lambda error: {**error, "retryable": "no"} if error["code"] == "F-00" else error),
)
twin("the code is a number", "ERR-002", error=of_errors(lambda error: {**error, "code": 422}))
twin("the message is empty", "ERR-002", error=of_errors(lambda error: {**error, "message": ""}))
twin(
    "a path in the message", "ERR-007", error=of_errors(lambda error: {**error, "message": f"{error['message']} (see {FILE})"})
)
twin(
    "a path in the message when malformed",
    "ERR-007",
    error=of_errors(lambda error: {**error, "message": f"{FILE}: not JSON"} if error["code"] == "F-00" else error),
)
twin(
    "a path in details",
    "ERR-007",
    error=of_errors(lambda error: {**error, "details": {**error.get("details", {}), "file": FILE}}),
)
twin("a stack trace in the message", "ERR-007", error=of_errors(lambda error: {**error, "message": traceback.format_exc()}))
twin(
    "a stack trace in details",
    "ERR-007",
    error=of_errors(lambda error: {**error, "details": {**error.get("details", {}), "trace": traceback.format_exc()}}),
)
twin(
    "a value of the environment in the message",
    "ERR-007",
    error=of_errors(lambda error: {**error, "message": f"{error['message']} (PATH={os.environ['PATH']})"}),
)
twin("errors are 200", "ERR-008", status=lambda self, problem: 200)
twin(
    "a result is 201",
    "ERR-008",
    "EXE-001",
    reply=lambda self, status, value, **headers: Module.reply(
        self, 201 if value["status"] == "success" else status, value, **headers
    ),
)
twin(
    "an unknown action is 200",
    "EXE-005",
    "ERR-008",
    status=lambda self, problem: 200 if problem.fields["code"] == "UNKNOWN_ACTION" else problem.http,
)
twin(
    "status says success on errors", "ERR-008", "ERR-001", failure=on_errors(lambda envelope: {**envelope, "status": "success"})
)
for code, what in {
    "F-00": "malformed JSON",
    "F-22": "a broken schema",
    "TOO_LARGE": "a large body",
    "UNKNOWN_ACTION": "an unknown action",
    "UNSUPPORTED_VERSION": "an unsupported version",
    "UNSUPPORTED_MEDIA_TYPE": "a wrong media type",
}.items():
    twin(f"the next request fails after {what}", "ERR-009", refuse=broken_after(code), execute=fails_once)

# OPS-LIM-002
twin("deadlines are not looked at", "LIM-002", compute=lambda self, call, left_s: time.sleep(self.model_s(left_s)), **SLOW)
twin("a missed deadline is not retryable", "LIM-002", error=of_errors(lambda error: {**error, "retryable": False}), **SLOW)
twin(
    "a missed deadline is 200 with what there is",
    "LIM-002",
    "ERR-008",
    compute=lambda self, call, left_s: time.sleep(max(0, min(self.model_s(left_s), left_s) + 0.3)),
    **SLOW,
)
twin(
    "a missed deadline is 408 as text",
    "EXE-006",
    "LIM-002",
    status=lambda self, problem: 408 if problem.fields["code"] == "DEADLINE_EXCEEDED" else problem.http,
    media_type=lambda self, status: "text/plain" if status == 408 else "application/json",
    **SLOW,
)
