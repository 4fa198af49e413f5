"""Ferry: how many people cross a river. An honest module with nothing but Python's standard library; profile: core.

Its style is unusual and all of it legal: HTTP/1.0, a connection for each request, odd case in header names and in the media
type, JSON over many lines in ASCII with a line end after it, members in an odd order, fields of its own everywhere, nulls
wherever they are allowed, and codes of errors that are its own. Each call takes a moment: it waits for a slow gauge.
"""

import json
import os
import re
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GAUGE_S = 0.25
LARGEST = 1_000_000
ABOUT = {"contract_version": "1.0", "version": "7", "module": "Ferry_2.x", "build": {"commit": "4f2a", "dirty": False}}
IDENTIFIER = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
VERSION = r"(?=.{3,16}\Z)(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
NAME = r"(?![A-Za-z]:)(?!(.*/)?\.{0,2}(/|\Z))[^\x00-\x1f\x7f-\x9f\\]{1,255}"
MEDIA_TYPE = r"(?=.{3,255}\Z)[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[ -~]+)?"
TRACE = r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"


class Problem(Exception):
    """An error answer, with further fields of `error`."""

    def __init__(self, http: int, code: str, message: str, pointer: str | None = None, **more: Any) -> None:
        super().__init__(message)
        self.http = http
        self.fields = {
            "retryable": False,
            "hint": "see the manual",
            "pointer": pointer,
            "message": message,
            "code": code,
            **more,
        }


# The shape of a request: a function takes a value and where it stands, and complains.

Judge = Callable[[Any, str], None]


def wrong(at: str, wanted: str) -> Problem:
    return Problem(422, "F-22", f"{at or 'the body'} must be {wanted}", at)


def string(form: str = r"[\s\S]*") -> Judge:
    def judge(value: Any, at: str) -> None:
        if not isinstance(value, str) or not re.fullmatch(form, value):
            raise wrong(at, "a string of the right form")

    return judge


def whole(most: float) -> Judge:
    def judge(value: Any, at: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 or not 0 <= value <= most:
            raise wrong(at, f"an integer from 0 to {most}")

    return judge


def above_zero(value: Any, at: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise wrong(at, "a number above 0, or null")


def boolean(value: Any, at: str) -> None:
    if not isinstance(value, bool):
        raise wrong(at, "true, false or null")


def or_null(judge: Judge) -> Judge:
    return lambda value, at: None if value is None else judge(value, at)


def array(each: Judge) -> Judge:
    def judge(value: Any, at: str) -> None:
        if not isinstance(value, list):
            raise wrong(at, "an array")
        for number, item in enumerate(value):
            each(item, f"{at}/{number}")

    return judge


def record(required: dict[str, Judge] | None = None, optional: dict[str, Judge] | None = None) -> Judge:
    def judge(value: Any, at: str) -> None:
        if not isinstance(value, dict):
            raise wrong(at, "an object")
        for name in required or {}:
            if name not in value:
                raise wrong(f"{at}/{name}", "present")
        for name, judge_field in {**(required or {}), **(optional or {})}.items():
            if name in value:
                judge_field(value[name], f"{at}/{name}")

    return judge


def steps(value: Any, at: str) -> None:
    if not isinstance(value, dict) or len(value) > 1000:
        raise wrong(at, "an object of at most 1000 steps")
    for name, step in value.items():
        here = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
        string(IDENTIFIER)(name, here)
        STEP(step, here)


def artifact_name(value: Any, at: str) -> None:
    string(NAME)(value, at)
    if any(part in {"", ".", ".."} or len(part.encode()) > 255 for part in value.split("/")):
        raise wrong(at, "the name of an artifact")


FILE = record(
    {
        "name": artifact_name,
        "media_type": string(MEDIA_TYPE),
        "size_bytes": whole(float("inf")),
        "sha256": string("[0-9a-f]{64}"),
    }
)
PIECE = record(
    {"id": string(r"[\s\S]+"), "kind": string(r"[\s\S]+"), "title": string(r"[\s\S]+")},
    {
        "uri": or_null(string()),
        "supports": array(string("(/([^~/]|~[01])*)*")),
        "artifact": or_null(artifact_name),
        "synthetic": or_null(boolean),
        "observed_at": or_null(string()),
    },
)
STEP = record({"module": string(IDENTIFIER), "outputs": record()}, {"artifacts": array(FILE), "evidence": array(PIECE)})
REQUEST = record(
    {
        "contract_version": string(VERSION),
        "run_id": string(IDENTIFIER),
        "step_id": string(IDENTIFIER),
        "scenario_id": string(r"[\s\S]{1,200}"),
        "action": string(IDENTIFIER),
        "inputs": record(),
    },
    {"upstream": steps, "options": record(optional={"seed": whole(2147483647), "deadline_s": or_null(above_zero)})},
)


def parsed(body: bytes) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    def number(digits: str) -> float | int:
        value: float | int = int(digits) if digits.lstrip("-").isdigit() else float(digits)
        if abs(value) == float("inf") or (isinstance(value, int) and abs(value) >= 2**53):
            raise ValueError
        return value

    def constant(_: str) -> None:
        raise ValueError

    try:
        told = body.decode()
        levels = deepest = 0
        for mark in re.findall(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', told):
            levels += (mark in "[{") - (mark in "]}")
            deepest = max(deepest, levels)
        if deepest > 200:
            raise ValueError
        value = json.loads(told, object_pairs_hook=unique, parse_int=number, parse_float=number, parse_constant=constant)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Problem(400, "F-00", "this is not JSON that the ferry reads") from None
    return value


def crossing(call: dict[str, Any], arrived: float) -> dict[str, Any]:
    options = call.get("options", {})
    deadline = options.get("deadline_s")
    left = GAUGE_S if deadline is None else min(GAUGE_S, arrived + deadline - time.monotonic())
    time.sleep(max(left, 0))
    if left < GAUGE_S:
        raise Problem(503, "F-LATE", "the gauge was not read in time; ask again with more time", retryable=True)
    boats = int(options.get("seed", 0)) % 7 + 1
    return {"boats": boats, "people": {"by ferry": boats * 40, "swimming": 0, "\u00fcber die Br\u00fccke": None}}


class Ferry(BaseHTTPRequestHandler):
    def reply(self, status: int, value: dict[str, Any], **headers: str) -> None:
        body = json.dumps(value, indent=3, sort_keys=True).encode() + b"\r\n"
        self.send_response(status, "As You Wish")
        self.send_header("CONTENT-TYPE", 'Application/JSON; Charset="UTF-8"')
        self.send_header("content-length", str(len(body)))
        for name, content in headers.items():
            self.send_header(name, content)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def meta(self) -> dict[str, Any]:
        trace = re.fullmatch(TRACE, self.headers.get("traceparent", ""))
        return {"at": time.time(), "trace_id": trace[1] if trace else None}

    def handle_call(self, arrived: float) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(length, 64 * LARGEST))
        if length > LARGEST:
            raise Problem(413, "F-13", f"the ferry takes {LARGEST} bytes")
        if self.headers.get("Content-Type", "").split(";")[0].strip().lower() != "application/json":
            raise Problem(415, "F-15", "the ferry takes application/json")
        call = parsed(body)
        version = call.get("contract_version") if isinstance(call, dict) else None
        if isinstance(version, str) and re.fullmatch(VERSION, version) and not version.startswith("1."):
            raise Problem(
                422, "F-V", "write in version 1.0", "/contract_version", details={"supported_versions": ["1.0"], "more": []}
            )
        REQUEST(call, "")
        if call["action"] != "execute":
            raise Problem(422, "F-A", "the ferry can only execute", details={"known_actions": ["execute"]})
        outputs = crossing(call, arrived)
        piece = {"title": "Gauge at the quay", "kind": "measurement", "id": "g/1 \u00e4", "supports": ["", "/people/by ferry"]}
        nulls = {"uri": None, "artifact": None, "observed_at": None}
        evidence = [{**piece, **nulls, "synthetic": True, "details": ["x", {"y": None}], "colour": "blue"}]
        more = {"outputs": outputs, "evidence": evidence, "artifacts": [], "warnings": ["the river is high"], "links": []}
        self.reply(200, {**more, **ABOUT, "meta": self.meta(), "status": "success"})

    def respond(self) -> None:
        arrived = time.monotonic()
        allowed = {"/health": ("GET", "HEAD"), "/execute": ("POST",)}.get(self.path.partition("?")[0])
        headers = {}
        try:
            if allowed is None:
                raise Problem(404, "F-04", "no quay here")
            if self.command not in allowed:
                headers = {"aLLOW": ",".join(allowed)}
                raise Problem(405, "F-05", f"the quay takes {' and '.join(allowed)}")
            if "POST" in allowed:
                self.handle_call(arrived)
            else:
                declared = {"contract_versions": ["1.0"], "profiles": [], "actions": ["execute"], "captain": "Ada"}
                self.reply(200, {"status": "ok", **ABOUT, **declared})
        except Problem as problem:
            self.reply(problem.http, {"error": problem.fields, **ABOUT, "meta": self.meta(), "status": "error"}, **headers)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = respond  # noqa: N815  # names of http.server

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    request_queue_size = 128


if __name__ == "__main__":
    with Server(("127.0.0.1", int(os.environ.get("OPS_PORT", "8080"))), Ferry) as server:
        print(f"the ferry waits at http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()
