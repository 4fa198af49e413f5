"""Fares: what cheaper bus tickets cost a city. An honest module in Flask; profiles: core, artifacts, deterministic.

It is written as a team that knows Flask would write it: views, error handlers for everything, and files of a call in a
temporary folder that Flask itself serves.
"""

import csv
import hashlib
import io
import json
import os
import random
import re
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from flask import Flask, Response, g, jsonify, request, send_from_directory
from werkzeug.exceptions import HTTPException, NotFound

NAME, VERSION, CONTRACT = "fares", "2.3.1", "1.0"
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
CONTRACT_VERSION = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")
TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[ -~]+)?")
SHA256 = re.compile(r"[0-9a-f]{64}")
POINTER = re.compile(r"(/([^~/]|~[01])*)*")
MISSING = object()

app = Flask(__name__)
app.json.sort_keys = False  # type: ignore[attr-defined]  # key figures are shown in the order in which they are given
app.config["MAX_CONTENT_LENGTH"] = 4 * 1024 * 1024
files = Path(tempfile.mkdtemp(prefix="fares-"))


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str, *, retryable: bool = False, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"code": code, "message": message, "retryable": retryable, **more}


# --- Requests


def invalid(pointer: str, what: str) -> NoReturn:
    raise Refused(422, "INVALID_REQUEST", f"{pointer or 'the body'} {what}", pointer=pointer)


def read_json(body: bytes) -> Any:
    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            raise ValueError("a key occurs twice in one object")
        return value

    def whole(digits: str) -> int:
        if len(digits) > 17 or abs(int(digits)) >= 2**53:
            raise ValueError("an integer is 2^53 or more; send it as a string")
        return int(digits)

    def real(digits: str) -> float:
        value = float(digits)
        if value in {float("inf"), float("-inf")}:
            raise ValueError("a number is beyond the range of a double")
        return value

    def constant(word: str) -> NoReturn:
        raise ValueError(f"{word} is not JSON")

    try:
        value = json.loads(body.decode(), object_pairs_hook=members, parse_int=whole, parse_float=real, parse_constant=constant)
        json.dumps(value, ensure_ascii=False).encode()
        if depth(value) > 200:
            raise ValueError("it nests deeper than 200 levels")
    except UnicodeError:
        raise Refused(400, "MALFORMED_JSON", "the body is not UTF-8 text without halves of surrogate pairs") from None
    except RecursionError:
        raise Refused(400, "MALFORMED_JSON", "the body nests deeper than 200 levels") from None
    except ValueError as error:
        raise Refused(400, "MALFORMED_JSON", f"the body is not JSON: {error}") from None
    return value


def depth(value: Any) -> int:
    level, below = 0, [value]
    while below := [one for one in below if isinstance(one, dict | list)]:
        level += 1
        below = [child for one in below for child in (one.values() if isinstance(one, dict) else one)]
    return level


def text(value: Any, pointer: str, least: int, most: float, form: re.Pattern[str] | None = None) -> str:
    if value is MISSING:
        invalid(pointer, "is missing")
    if not isinstance(value, str):
        invalid(pointer, "must be a string")
    if not least <= len(value) <= most:
        invalid(pointer, f"must have {least} to {most} characters")
    if form and not form.fullmatch(value):
        invalid(pointer, "does not have the form that the contract asks for")
    return value


def identifier(value: Any, pointer: str) -> str:
    return text(value, pointer, 1, 128, IDENTIFIER)


def mapping(value: Any, pointer: str) -> dict[str, Any]:
    if value is MISSING:
        invalid(pointer, "is missing")
    if not isinstance(value, dict):
        invalid(pointer, "must be an object")
    return value


def array(value: Any, pointer: str) -> list[Any]:
    if not isinstance(value, list):
        invalid(pointer, "must be an array")
    return value


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def integer(value: Any, pointer: str, most: float) -> int:
    if not is_number(value) or value != int(value):
        invalid(pointer, "must be an integer")
    if not 0 <= value <= most:
        invalid(pointer, f"must be 0 to {most}")
    return int(value)


def deadline(options: dict[str, Any]) -> float | None:
    value = options.get("deadline_s")
    if value is not None and (not is_number(value) or value <= 0):
        invalid("/options/deadline_s", "must be a number above 0, or null")
    return value


def judge_step(step: Any, at: str) -> None:
    mapping(step, at)
    identifier(step.get("module", MISSING), f"{at}/module")
    mapping(step.get("outputs", MISSING), f"{at}/outputs")
    for number, one in enumerate(array(step.get("artifacts", []), f"{at}/artifacts")):
        judge_file(one, f"{at}/artifacts/{number}")
    for number, one in enumerate(array(step.get("evidence", []), f"{at}/evidence")):
        judge_evidence(one, f"{at}/evidence/{number}")


def judge_file(one: Any, at: str) -> None:
    mapping(one, at)
    file_name(one.get("name", MISSING), f"{at}/name")
    text(one.get("media_type", MISSING), f"{at}/media_type", 3, 255, MEDIA_TYPE)
    if "size_bytes" not in one:
        invalid(f"{at}/size_bytes", "is missing")
    integer(one["size_bytes"], f"{at}/size_bytes", float("inf"))
    text(one.get("sha256", MISSING), f"{at}/sha256", 64, 64, SHA256)


def file_name(value: Any, at: str) -> None:
    name = text(value, at, 1, 255)
    odd = re.match("[A-Za-z]:", name) or re.search(r"[\x00-\x1f\x7f-\x9f\\]", name)
    if odd or any(part in {"", ".", ".."} or len(part.encode()) > 255 for part in name.split("/")):
        invalid(at, "is not the name of an artifact")


def judge_evidence(one: Any, at: str) -> None:
    mapping(one, at)
    for field in ("id", "kind", "title"):
        text(one.get(field, MISSING), f"{at}/{field}", 1, float("inf"))
    for field in ("uri", "observed_at"):
        if one.get(field) is not None:
            text(one[field], f"{at}/{field}", 0, float("inf"))
    for number, pointer in enumerate(array(one.get("supports", []), f"{at}/supports")):
        text(pointer, f"{at}/supports/{number}", 0, float("inf"), POINTER)
    if one.get("artifact") is not None:
        file_name(one["artifact"], f"{at}/artifact")
    if one.get("synthetic") not in (None, True, False) or is_number(one.get("synthetic")):
        invalid(f"{at}/synthetic", "must be true, false or null")


def judge(body: Any) -> dict[str, Any]:
    """The body when the contract's schema accepts it, with defaults filled in."""
    mapping(body, "")
    version = text(body.get("contract_version", MISSING), "/contract_version", 3, 16, CONTRACT_VERSION)
    if version.split(".")[0] != "1":
        supported = {"supported_versions": [CONTRACT]}
        message = f"contract version {version} is not served here; send {CONTRACT}"
        raise Refused(422, "UNSUPPORTED_VERSION", message, pointer="/contract_version", details=supported)
    for field in ("run_id", "step_id", "action"):
        identifier(body.get(field, MISSING), f"/{field}")
    text(body.get("scenario_id", MISSING), "/scenario_id", 1, 200)
    mapping(body.get("inputs", MISSING), "/inputs")
    upstream = mapping(body.get("upstream", {}), "/upstream")
    if len(upstream) > 1000:
        invalid("/upstream", "holds more than 1000 steps")
    for step_id, step in upstream.items():
        pointer = "/upstream/" + step_id.replace("~", "~0").replace("/", "~1")
        identifier(step_id, pointer)
        judge_step(step, pointer)
    options = mapping(body.get("options", {}), "/options")
    seed = integer(options.get("seed", 0), "/options/seed", 2**31 - 1)
    return {**body, "upstream": upstream, "seed": seed, "deadline_s": deadline(options)}


# --- The model


def riders(inputs: dict[str, Any]) -> float:
    discount = inputs.get("discount", 0.25)
    if not is_number(discount) or not 0 <= discount <= 1:
        message = "/inputs/discount must be a share between 0 and 1"
        raise Refused(422, "INVALID_INPUT", message, pointer="/inputs/discount", details={"minimum": 0, "maximum": 1})
    return float(discount)


def analyse(inputs: dict[str, Any], seed: int) -> tuple[dict[str, Any], str]:
    """The outputs, and a table of the draws they are the mean of."""
    discount, draw = riders(inputs), random.Random(seed)
    elasticities = [round(draw.uniform(0.2, 0.5), 6) for _ in range(200)]
    gains = [round(elasticity * discount, 6) for elasticity in elasticities]
    gain = round(sum(gains) / len(gains), 6)
    cost = round(1 - (1 - discount) * (1 + gain), 6)
    outputs = {
        "kpis": {"ridership_gain": gain, "revenue_loss": cost},
        "units": {"ridership_gain": "share of riders", "revenue_loss": "share of revenue"},
        "labels": {"ridership_gain": "More riders", "revenue_loss": "Lost revenue"},
        "baseline": {"ridership_gain": 0, "revenue_loss": 0},
        "change": {"ridership_gain": gain, "revenue_loss": cost},
        "directions": {"ridership_gain": "higher", "revenue_loss": "lower"},
        "discount": discount,
    }
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["elasticity", "gain"])
    writer.writerows(zip(elasticities, gains, strict=True))
    return outputs, table.getvalue()


def described(name: str, media_type: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    return {"name": name, "media_type": media_type, "size_bytes": len(content), "sha256": digest}


def kept(run_id: str, step_id: str, name: str, content: bytes) -> str:
    """Keep a file of a call; the href under which it is served."""
    folder = files / run_id / step_id
    folder.mkdir(parents=True, exist_ok=True)
    # Written beside it and renamed: the same call may be answered twice at once.
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as part:
        part.write(content)
    Path(part.name).replace(folder / name)
    return f"files/{quote(run_id)}/{quote(step_id)}/{quote(name)}"


# --- Views


@app.before_request
def note_arrival() -> None:
    g.arrived = time.monotonic()


def meta() -> dict[str, Any]:
    trace = TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    took = {"duration_ms": round((time.monotonic() - g.arrived) * 1000, 3)}
    return took | ({"trace_id": trace[1]} if trace else {})


def envelope(status: str, **fields: Any) -> dict[str, Any]:
    return {"status": status, "module": NAME, "version": VERSION, "contract_version": CONTRACT, **fields, "meta": meta()}


@app.get("/health")
def health() -> Response:
    declared = {"contract_versions": [CONTRACT], "profiles": ["artifacts", "deterministic"], "actions": ["execute"]}
    return jsonify({"status": "ok", "module": NAME, "version": VERSION, **declared})


@app.post("/execute")
def execute() -> Response:
    if request.mimetype != "application/json":
        raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "send the body as application/json")
    call = judge(read_json(request.get_data()))
    if call["action"] != "execute":
        known = {"known_actions": ["execute"]}
        raise Refused(422, "UNKNOWN_ACTION", "the only action is execute", pointer="/action", details=known)
    outputs, table = analyse(call["inputs"], call["seed"])
    if call["deadline_s"] is not None and time.monotonic() - g.arrived > call["deadline_s"]:
        raise Refused(503, "DEADLINE_EXCEEDED", "the deadline was too short; give more time", retryable=True)
    note = f"With a discount of {outputs['discount']:.0%}, ridership grows.\n"
    href = kept(call["run_id"], call["step_id"], "draws.csv", table.encode())
    artifacts = [
        {**described("notes/summary.txt", "text/plain; charset=utf-8", note.encode()), "text": note, "title": "In short"},
        {**described("draws.csv", "text/csv", table.encode()), "href": href},
    ]
    evidence = [
        {
            "id": "draws",
            "kind": "computation",
            "title": "200 draws of the elasticity",
            "supports": ["/kpis/ridership_gain", "/kpis/revenue_loss"],
            "artifact": "draws.csv",
            "synthetic": True,
        }
    ]
    return jsonify(envelope("success", outputs=outputs, artifacts=artifacts, evidence=evidence, warnings=[]))


@app.get("/files/<path:name>")
def file(name: str) -> Response:
    return send_from_directory(files, name)


# --- Errors


@app.errorhandler(Refused)
def refused(error: Refused) -> tuple[Response, int]:
    return jsonify(envelope("error", error=error.error)), error.status


@app.errorhandler(HTTPException)
def http_error(error: HTTPException) -> tuple[Response, int, dict[str, str]]:
    status = error.code or 500
    code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE"}.get(status, f"HTTP_{status}")
    message = "nothing is served here" if isinstance(error, NotFound) else error.name
    headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    body = envelope("error", error={"code": code, "message": message, "retryable": False})
    return jsonify(body), status, headers


@app.errorhandler(Exception)
def failed(error: Exception) -> tuple[Response, int]:
    app.logger.error("failed", exc_info=error)
    failure = {"code": "INTERNAL", "message": "the module failed; its log says more", "retryable": False}
    return jsonify(envelope("error", error=failure)), 500


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ.get("OPS_PORT", "8080")), threaded=True)
