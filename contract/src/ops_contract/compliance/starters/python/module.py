"""my-module: a module for OpenPolicyStack in Python with FastAPI. This one file, and what requirements.txt names.

    python module.py                             serve it on port 8080; OPS_PORT is another port, 0 a free one
    ops-contract check http://localhost:8080     does it follow the contract?

Yours is what comes first: NAME, VERSION, Inputs and analyse(). What comes after it speaks the contract and can stay as
it is; the ids in its comments say which requirement a piece of it is there for.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import math
import os
import re
import socket
import sys
import time
import traceback
from typing import Annotated, Any, NoReturn

import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

NAME = "my-module"
VERSION = "0.1.0"
RATE_IN_FORCE = 0.18


class Strict(BaseModel):
    """Nothing is coerced (OPS-ERR-005), fields without a name here are ignored (OPS-FWD-001)."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class PolicyParameters(Strict):
    """A part of the inputs."""

    vat_rate: Annotated[float, Field(ge=0, le=0.5)] = RATE_IN_FORCE


class Inputs(Strict):
    """The inputs that you use. All modules of a run get the same ones, so what is not named here is not looked at."""

    time_horizon_years: Annotated[int, Field(ge=1, le=30)] = 5
    policy_parameters: PolicyParameters = PolicyParameters()


def analyse(inputs: Inputs, seed: int, upstream: dict[str, Step]) -> dict[str, Any]:
    """YOUR ANALYSIS GOES HERE: a pure function of the inputs, the seed, and the earlier steps of the run by step id.

    No clock, no global random numbers, no host name: equal arguments, equal result (OPS-DET-001, -002). It may take its
    time. For what makes no sense to it, it raises bad_input("/inputs/...", "must be ...").
    """
    rate = inputs.policy_parameters.vat_rate
    path = []
    for year in range(1, inputs.time_horizon_years + 1):
        # Made up: consumers spend 45 % of GDP, and between 60 and 70 % of that is taxed.
        taxed = 0.45 * (0.6 + 0.1 * draw(seed, year))
        path.append({"year": year, "vat_revenue": round(rate * taxed, 4), "in_force": round(RATE_IN_FORCE * taxed, 4)})
    last = path[-1]
    rows = (f"{row['year']},{row['vat_revenue']:.4f},{row['in_force']:.4f}\n" for row in path)
    table = artifact(
        "vat-revenue.csv",
        "text/csv",
        "".join(["year,vat_revenue,in_force\n", *rows]),
        title="VAT revenue by year",
        description="Shares of GDP at the rate of the scenario and at the rate in force, one row for each year",
    )
    return {
        "outputs": {
            # The headline figures and their course: pages, reports and comparisons are made from them (OPS-FIG-001).
            "kpis": {"vat_revenue": last["vat_revenue"]},
            "units": {"vat_revenue": "share of GDP, last year"},
            "labels": {"vat_revenue": "VAT revenue"},
            "baseline": {"vat_revenue": last["in_force"]},
            "change": {"vat_revenue": round(last["vat_revenue"] - last["in_force"], 4)},
            "path": path,
        },
        "artifacts": [table],
        # `supports` points into the outputs, `artifact` is one of these; what is made up says so (OPS-EVD-001 to -003).
        "evidence": [
            {
                "id": "compliance",
                "kind": "computation",
                "title": "VAT revenue, with a compliance that is drawn at random",
                "supports": ["/kpis/vat_revenue", "/baseline/vat_revenue", "/path"],
                "artifact": "vat-revenue.csv",
                "synthetic": True,
            }
        ],
        "warnings": [],
    }


def draw(seed: int, number: int) -> float:
    """A number from 0 to 1 that depends on the seed and on nothing else."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{number}".encode()).digest()[:4], "big") / 2**32


# ==== What follows speaks the contract ================================================================================

MAX_REQUEST_BYTES = 1024 * 1024
MAX_DEPTH = 200
MAX_ANSWERS_KEPT = 200

# FastAPI's own documents describe another contract, and a redirect is not an answer.
app = FastAPI(openapi_url=None, redirect_slashes=False)


def serve() -> None:
    """Listen where the contract says (OPS-CTR-001) until stopped."""
    port = int(os.environ.get("OPS_PORT") or 8080)
    host = os.environ.get("OPS_HOST") or "0.0.0.0"
    try:
        listener = socket.create_server((host, port), backlog=2048)
    except OSError as error:
        sys.exit(f"cannot listen on port {port}: {error.strerror}; choose another with OPS_PORT")
    print(f"{NAME} listens at http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


class Server(uvicorn.Server):
    """Stops at once on a signal, even during an analysis (OPS-CTR-003): the caller sees that, and may call again."""

    def handle_exit(self, *_: object) -> None:
        """On SIGTERM and SIGINT."""
        os._exit(0)


@app.get("/health")
async def health() -> Response:
    """OPS-HLT-001 to -005."""
    about = {"module": NAME, "version": VERSION, "contract_versions": ["1.0"], "actions": ["execute"]}
    return answer(200, {"status": "ok", **about, "profiles": ["artifacts", "deterministic", "idempotent"]})


@app.post("/execute")
async def execute(request: Request) -> Response:
    """Whatever goes wrong is an error envelope. What nobody foresaw is for the log, not for the caller (OPS-ERR-007)."""
    try:
        return answer(200, await executed(request))
    except Refusal:
        raise
    except Exception as error:
        traceback.print_exc()
        raise Refusal(500, "INTERNAL", "the module failed; its log says why") from error


async def executed(request: Request) -> dict[str, Any]:
    """OPS-EXE-001 to -003, -007. The body is read here: the framework would coerce it and let odd JSON pass."""
    arrived = time.monotonic()
    body = parse(await read(request))
    call, inputs = checked(body)
    result = await once(call, inputs, fingerprint(body), arrived)
    meta = {"duration_ms": round((time.monotonic() - arrived) * 1000), **trace(request)}
    return {"status": "success", "module": NAME, "version": VERSION, "contract_version": "1.0", **result, "meta": meta}


class Refusal(Exception):
    """An error for the caller: its HTTP status, and the fields of its envelope."""

    def __init__(self, status: int, code: str, message: str, pointer: str | None = None, **details: Any) -> None:
        """Keep the fields of the envelope."""
        super().__init__(message)
        self.status = status
        self.error = {"code": code, "message": message, "retryable": status == 503, "pointer": pointer, "details": details}


def bad_input(pointer: str, must: str, code: str = "INVALID_INPUT") -> Refusal:
    """The error for a value that makes no sense."""
    return Refusal(422, code, f"{pointer or 'the body'} {must}", pointer)


@app.exception_handler(Refusal)
async def refused(request: Request, refusal: Refusal, headers: dict[str, str] | None = None) -> Response:
    """OPS-ERR-001, -002, -008."""
    about = {"module": NAME, "version": VERSION, "contract_version": "1.0"}
    return answer(refusal.status, {"status": "error", **about, "error": refusal.error, "meta": trace(request)}, headers)


@app.exception_handler(HTTPException)
async def not_served(request: Request, error: HTTPException) -> Response:
    """OPS-ERR-010: the framework's 404, and its 405 with `Allow`."""
    code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(error.status_code, "HTTP_ERROR")
    message = f"{error.detail}; there are GET /health and POST /execute"
    return await refused(request, Refusal(error.status_code, code, message), dict(error.headers or {}))


def answer(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """JSON; raises for NaN and Infinity, which JSON cannot carry (OPS-EXE-004, -006)."""
    return Response(json.dumps(body, allow_nan=False), status, headers, media_type="application/json")


def trace(request: Request) -> dict[str, str]:
    """OPS-OBS-001."""
    sent = request.headers.get("traceparent", "").strip()
    found = re.match(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-|$)", sent)
    return {"trace_id": found[1]} if found else {}


def artifact(name: str, media_type: str, content: str | bytes, **words: str) -> dict[str, Any]:
    """OPS-ART-001 to -005: text goes as it is, bytes go in base64. Above 256 KiB an artifact has to go by `href` instead.

    `words` are a `title`, the caption of a plot, and a `description` for those who do not see it.
    """
    raw = content.encode() if isinstance(content, str) else content
    delivery = {"text": content} if isinstance(content, str) else {"data": base64.b64encode(raw).decode()}
    return {
        "name": name,
        "media_type": media_type,
        "size_bytes": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
        **words,
        **delivery,
    }


# ---- Execution -------------------------------------------------------------------------------------------------------

answers: dict[tuple[str, str], tuple[str, asyncio.Task[dict[str, Any]]]] = {}


async def once(call: Call, inputs: Inputs, sent: str, arrived: float) -> dict[str, Any]:
    """OPS-IDM-001 to -003: a repeat of the key gets the answer of the first call, also while that is running.

    The newest answers are kept, in memory. Errors are not, so that a call can be tried again. The analysis runs in a
    thread, so that health is answered meanwhile (OPS-HLT-003); past its deadline (OPS-LIM-002) it goes on for the repeat.
    """
    key = (call.run_id, call.step_id)
    if key not in answers:
        task = asyncio.create_task(asyncio.to_thread(analyse, inputs, call.options.seed, call.upstream))
        task.add_done_callback(lambda done: answers.pop(key, None) if done.cancelled() or done.exception() else None)
        answers[key] = (sent, task)
        if len(answers) > MAX_ANSWERS_KEPT:
            answers.pop(next(iter(answers)))
    first, task = answers[key]
    if first != sent:
        raise bad_input("/step_id", "was used in this run with another body; take another one", "IDEMPOTENCY_KEY_REUSED")
    deadline_s = call.options.deadline_s
    left_s = None if deadline_s is None else max(0, deadline_s - (time.monotonic() - arrived))
    if not (await asyncio.wait({task}, timeout=left_s))[0]:
        raise Refusal(503, "DEADLINE_EXCEEDED", "the module was not done by the deadline; try again with more time")
    return task.result()


def fingerprint(body: Any) -> str:
    """Equal for equal values, in whatever order and notation they were written."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


# ---- Requests: strict JSON -------------------------------------------------------------------------------------------


async def read(request: Request) -> bytes:
    """The body. It is read to its end whatever it is: who closes earlier resets the connection, and the answer may be lost."""
    chunks = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= MAX_REQUEST_BYTES:
                chunks.append(chunk)
    except ClientDisconnect as error:
        raise Refusal(400, "INCOMPLETE", "the connection ended before the body did") from error
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "UNSUPPORTED_MEDIA_TYPE", "the body must be sent as application/json")  # OPS-ERR-010
    if size > MAX_REQUEST_BYTES:
        raise Refusal(413, "TOO_LARGE", f"the body is larger than {MAX_REQUEST_BYTES} bytes")  # OPS-LIM-003
    return b"".join(chunks)


def parse(raw: bytes) -> Any:
    """Strict JSON (OPS-ERR-003, -011), not nested too deeply (OPS-LIM-001)."""
    hooks: dict[str, Any] = {"parse_constant": no_number, "parse_int": whole, "parse_float": real}
    try:
        value = bounded(json.loads(raw.decode(), object_pairs_hook=unique, **hooks))
        json.dumps(value, ensure_ascii=False).encode()  # fails for half of a surrogate pair
    except RecursionError as error:
        raise Refusal(400, "MALFORMED_JSON", f"the body is nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise Refusal(400, "MALFORMED_JSON", f"the body is not JSON as the contract wants it: {error}") from error
    return value


def bounded(value: Any) -> Any:
    """The value, when arrays and objects do not nest too deeply in it. Found without nesting calls."""
    level, depth = [value], 0
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise RecursionError
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return value


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which every key is unique."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return value


def no_number(word: str) -> NoReturn:
    """NaN and Infinity are not JSON."""
    raise ValueError(f"{word} is not JSON")


def whole(digits: str) -> int:
    """An integer that every reader reads as the same number."""
    if len(digits) > 17 or abs(int(digits)) >= 2**53:
        raise ValueError(f"the integer {digits[:40]} is too large; send it as a string")
    return int(digits)


def real(digits: str) -> int | float:
    """A number within the range of a double; 1.0 is the integer 1, as in JSON Schema."""
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"the number {digits[:40]} is too large")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


# ---- Requests: of the right shape (OPS-ERR-004) ----------------------------------------------------------------------


def file_name(name: str) -> str:
    """The name of an artifact."""
    if re.search(r"[\x00-\x1f\x7f-\x9f\\]|^[A-Za-z]:", name) or {"", ".", ".."} & set(name.split("/")):
        raise ValueError("must be an artifact's name")
    return name


VERSION_FORM = r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]  # OPS-PTH-001
FileName = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(file_name)]
Text = Annotated[str, Field(min_length=1)]
MediaType = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[ -~]+)?$", max_length=255)]


class UpstreamArtifact(Strict):
    """A file of an earlier step, without its bytes."""

    name: FileName
    media_type: MediaType
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class UpstreamEvidence(Strict):
    """What a claim of an earlier step rests on."""

    id: Text
    kind: Text
    title: Text
    uri: str | None = None
    supports: list[Annotated[str, Field(pattern="^(/([^~/]|~[01])*)*$")]] = []
    artifact: FileName | None = None
    synthetic: bool | None = None
    observed_at: str | None = None


class Step(Strict):
    """What an earlier step of the run answered."""

    module: Identifier
    outputs: dict[str, Any]
    artifacts: list[UpstreamArtifact] = []
    evidence: list[UpstreamEvidence] = []


class Options(Strict):
    """What holds for the whole run."""

    seed: Annotated[int, Field(ge=0, le=2147483647)] = 0  # OPS-DET-004
    deadline_s: Annotated[float, Field(gt=0)] | None = None


class Call(Strict):
    """The body of POST /execute."""

    contract_version: Annotated[str, Field(pattern=f"^{VERSION_FORM}$", max_length=16)]
    run_id: Identifier
    step_id: Identifier
    scenario_id: Annotated[str, Field(min_length=1, max_length=200)]
    action: Identifier
    inputs: dict[str, Any]
    upstream: Annotated[dict[Identifier, Step], Field(max_length=1000)] = {}
    options: Options = Options()


def checked(body: Any) -> tuple[Call, Inputs]:
    """The call and its inputs, or what is wrong with them."""
    version = body.get("contract_version") if isinstance(body, dict) else None
    if isinstance(version, str) and re.fullmatch(rf"(?!1\.){VERSION_FORM}", version):  # OPS-VER-001, -002
        message = "/contract_version is not served; send 1.0"
        raise Refusal(422, "UNSUPPORTED_VERSION", message, "/contract_version", supported_versions=["1.0"])
    try:
        call = Call.model_validate(body)
    except ValidationError as error:
        raise misshapen(error, "", "INVALID_REQUEST") from error
    if call.action != "execute":  # OPS-EXE-005
        message = f"/action {call.action} is not known; send execute"
        raise Refusal(422, "UNKNOWN_ACTION", message, "/action", known_actions=["execute"])
    try:
        return call, Inputs.model_validate(call.inputs)
    except ValidationError as error:
        raise misshapen(error, "/inputs", "INVALID_INPUT") from error


def misshapen(error: ValidationError, base: str, code: str) -> Refusal:
    """The first thing that the models have to say, with a JSON pointer."""
    first = error.errors(include_url=False)[0]
    tokens = [str(token).replace("~", "~0").replace("/", "~1") for token in first["loc"] if token != "[key]"]
    return bad_input("/".join([base, *tokens]), f"is wrong: {first['msg'].removeprefix('Value error, ')}", code)


if __name__ == "__main__":
    serve()
